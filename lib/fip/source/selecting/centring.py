"""The centre of each field's grid, and how its samples come there."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fip.data.directions import OWN, Body, Direction, in_frame, shown
from fip.data.errors import InputError
from fip.data.quantities import format_angle, iso_utc
from fip.data.rotations import separation
from fip.source.index.row_index import RowIndex
from fip.source.recording import Recording
from fip.source.selecting.phase_centres import PhaseCentres, Rephasing
from fip.source.tables.subtables import Field

_MOST_TOLD = 3  # fields; the log has the same line for each of these


def position(main: Recording, antennas: Sequence[int]) -> tuple[float, float, float] | None:
    """Return the mean position of these antennas, ITRF in m; None if they are nowhere on Earth."""
    x, y, z = main.antennas.position[list(antennas)].mean(axis=0).tolist()
    return (x, y, z) if 6.3e6 < np.hypot(np.hypot(x, y), z) < 6.5e6 else None


def phase_centres(main: Recording, index: RowIndex) -> PhaseCentres:
    """Return phase centres as the whole array sees them."""
    return PhaseCentres(main.path, position(main, index.coverage.antennas))


def settled_time(index: RowIndex, field: int, growing: bool) -> float:
    """Return when a field is at the centre of its grid, s UTC: in the middle of its time, whatever of it is selected.

    In a recording that is `growing` it is the first integration: nobody knows the middle yet, and the grid must be the
    same for whoever looks, at any time.
    """
    times = index.time[index.field == field]
    return float(times[0] if growing else (times[0] + times[-1]) / 2)


def own_centre(index: RowIndex, centres: PhaseCentres, field: Field, growing: bool = False) -> Direction:
    """Return the centre of a field's grid if no other direction is asked for."""
    return centres.at(field, settled_time(index, field.number, growing)).centre


def settle_centres(
    main: Recording, index: RowIndex, fields: Sequence[Field], asked: Direction | Body | None
) -> Rephasing:
    """Return the centre of each field's grid, as `asked` or its own phase centre, and how its samples come there.

    UsageError for a body if the array's place on Earth is not known.
    """
    centres = phase_centres(main, index)
    if isinstance(asked, Body):
        if asked.name == OWN:
            begin = {each.number: own_centre(index, centres, each, growing=True) for each in fields}
        else:
            begin = dict.fromkeys((each.number for each in fields), centres.of_body(asked, index.first_time))
        return Rephasing(centres, {each.number: each for each in fields}, begin, asked)
    targets = {each.number: own_centre(index, centres, each, main.growing) for each in fields}
    if asked is not None:
        targets = dict.fromkeys(targets, in_frame(asked, targets.values()))
    moved = [each for each in fields if asked is not None or not centres.stays(each)]
    return Rephasing(centres, {each.number: each for each in moved}, targets)


def centre_notes(
    main: Recording,
    index: RowIndex,
    fields: Sequence[Field],
    rephasing: Rephasing,
    asked: Direction | Body | None,
    integrations: int,
) -> Iterator[str]:
    """Yield what the log should say of the centres of some fields that have so many `integrations` to image."""
    centres = rephasing.centres
    if asked is not None:
        at_begin = main.growing or isinstance(asked, Body)
        own = {each.number: own_centre(index, centres, each, at_begin) for each in fields}
        yield _asked_note(asked, rephasing.targets[fields[0].number], own)
        return
    converted = [each for each in fields if not centres.stays(each)]
    for each in converted[:_MOST_TOLD]:
        where = shown(rephasing.targets[each.number])
        if centres.moves(each):
            at = settled_time(index, each.number, main.growing)
            yield (
                f"field {each.name}: its phase centre moves ({each.frame}); imaged about {where}, where it is at "
                f"{iso_utc(at)}{_leaves(main, index, centres, each)}"
            )
        else:
            yield f"field {each.name}: phase centre converted from {each.frame} to {where}"
    if len(converted) > _MOST_TOLD:
        yield f"and so for {len(converted) - _MOST_TOLD} more fields"
    if len(fields) > 1 and len(fields) == integrations:
        yield (
            "each integration has a field of its own, and so a grid of its own: --phase-centre DIRECTION makes them "
            f"one series on one grid, --phase-centre {OWN} one series in which each keeps its own"
        )


def _leaves(main: Recording, index: RowIndex, centres: PhaseCentres, field: Field) -> str:
    """Say how far a field's phase centre moves from its grid's, or how fast, and which option would help."""
    times = index.time[index.field == field.number]
    begin, end = float(times[0]), float(times[-1])
    try:
        if main.growing:
            rate = format_angle(_between(centres, field, begin, begin + 60), digits=3)
            moved = f"from which it moves by {rate} a minute"
        elif begin < end:
            middle = settled_time(index, field.number, growing=False)
            away = max(_between(centres, field, middle, each) for each in (begin, end))
            moved = f"up to {format_angle(away, digits=3)} from where it is at other times"
        else:
            return ""
    except InputError:  # an ephemeris ends
        return ""
    return f", {moved}: --phase-centre {OWN} has each image about where it is then"


def _between(centres: PhaseCentres, field: Field, one: float, other: float) -> float:
    """Return the angle in rad between a field's phase centres at two times."""
    return separation(centres.at(field, one).centre, centres.at(field, other).centre)


def _asked_note(asked: Direction | Body, target: Direction, own: Mapping[int, Direction]) -> str:
    away = [separation(centre, target) for centre in own.values()]
    apart = format_angle(max(away)) + (" at the most" if len(away) > 1 else "")
    series = f"; {len(away)} fields are one series" if len(away) > 1 else ""
    named = f"{asked}, at the begin at " if isinstance(asked, Body) else ""
    if asked == Body(OWN):
        return f"each image is about {named}{shown(target)}{series}"
    return f"phase centre {named}{shown(target)}, {apart} from that of the data{series}"
