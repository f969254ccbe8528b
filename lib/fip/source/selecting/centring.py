"""Where the grid of each field is centred, and how its samples come there."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fip.data.directions import Body, Direction, in_frame, shown
from fip.data.quantities import format_angle, iso_utc
from fip.data.rotations import separation
from fip.source.index.row_index import RowIndex
from fip.source.recording import Recording
from fip.source.selecting.phase_centres import PhaseCentres, Rephasing
from fip.source.tables.subtables import Field

_MOST_TOLD = 3  # fields of which the log says the same


def position(main: Recording, antennas: Sequence[int]) -> tuple[float, float, float] | None:
    """The mean of these antennas, ITRF in m; None where they are nowhere on Earth."""
    x, y, z = main.antennas.position[list(antennas)].mean(axis=0).tolist()
    return (x, y, z) if 6.3e6 < np.hypot(np.hypot(x, y), z) < 6.5e6 else None


def phase_centres(main: Recording, index: RowIndex) -> PhaseCentres:
    """Phase centres as the whole array sees them."""
    return PhaseCentres(main.path, position(main, index.coverage.antennas))


def middle_time(index: RowIndex, field: int) -> float:
    """Half way between the first and the last integration of a field, s UTC, whatever of it is selected."""
    times = index.time[index.field == field]
    return float((times[0] + times[-1]) / 2)


def own_centre(index: RowIndex, centres: PhaseCentres, field: Field) -> Direction:
    """A field's phase centre in the middle of its time: of the whole field, so that every selection has one grid."""
    return centres.at(field, middle_time(index, field.number)).centre


def settle_centres(
    main: Recording, index: RowIndex, fields: Sequence[Field], asked: Direction | Body | None
) -> Rephasing:
    """Where each field's grid is centred, as `asked` or by its own phase centre, and how its samples come there.

    UsageError for a body if it is not known where on Earth the array is.
    """
    centres = phase_centres(main, index)
    if isinstance(asked, Body):
        begin = centres.of_body(asked, index.first_time)
        return Rephasing(
            centres, {each.number: each for each in fields}, {each.number: begin for each in fields}, asked
        )
    targets = {each.number: own_centre(index, centres, each) for each in fields}
    if asked is not None:
        targets = dict.fromkeys(targets, in_frame(asked, targets.values()))
    moved = [each for each in fields if asked is not None or not centres.stays(each)]
    return Rephasing(centres, {each.number: each for each in moved}, targets)


def centre_notes(
    index: RowIndex, fields: Sequence[Field], rephasing: Rephasing, asked: Direction | Body | None, integrations: int
) -> Iterator[str]:
    """What the log should say of the centres of some fields, of which so many `integrations` are imaged."""
    own = {each.number: own_centre(index, rephasing.centres, each) for each in fields}
    if asked is not None:
        named = f"the {asked.name}, at the begin at " if isinstance(asked, Body) else ""
        yield _asked_note(named, rephasing.targets[fields[0].number], own)
        return
    centres = rephasing.centres
    converted = [each for each in fields if not centres.stays(each)]
    for each in converted[:_MOST_TOLD]:
        where = shown(own[each.number])
        if centres.moves(each):
            at = iso_utc(middle_time(index, each.number))
            yield f"field {each.name}: its phase centre moves ({each.frame}); imaged about {where}, where it is at {at}"
        else:
            yield f"field {each.name}: phase centre converted from {each.frame} to {where}"
    if len(converted) > _MOST_TOLD:
        yield f"and so for {len(converted) - _MOST_TOLD} more fields"
    if len(fields) > 1 and len(fields) == integrations:
        yield "each integration has a field of its own, and so a grid of its own: --phase-centre makes them one series"


def _asked_note(named: str, target: Direction, own: Mapping[int, Direction]) -> str:
    away = [separation(centre, target) for centre in own.values()]
    apart = format_angle(max(away)) + (" at the most" if len(away) > 1 else "")
    series = f"; {len(away)} fields are one series" if len(away) > 1 else ""
    return f"phase centre {named}{shown(target)}, {apart} from that of the data{series}"
