"""A manifest as JSON lines: each holds one thing, and is `{"window": [...]}`, `{"group": [...]}` or the like.

A value is the list of its fields, in the order in which its class has them: a day of groups is read in a second or two.
Whoever adds a line writes all of it at once, and ends it with a line feed; a last line without one was cut short.
"""

import gc
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, get_args

import numpy as np

from fip.data.arriving import Oddity
from fip.data.errors import InputError
from fip.source.joined.manifest import Group, Manifest, Odd, Part, Thing, shared
from fip.source.tables.ephemeris import Ephemeris
from fip.source.tables.subtables import Antennas, Field, Window, as_slice


def to_line(thing: Thing) -> str:
    """Return the line that holds a thing, with its line feed."""
    match thing:
        case Antennas():
            kind, value = "antennas", _of_antennas(thing)
        case Window():
            kind, value = "window", _of_window(thing)
        case Field():
            kind, value = "field", _of_field(thing)
        case Group():
            kind, value = "group", [[_of_part(part) for part in thing.parts], thing.missing]
        case Odd():
            kind, value = "oddity", [thing.what, thing.path]
        case _:
            kind, value = "observation", [thing]
    return json.dumps({kind: value}, separators=(",", ":")) + "\n"


def from_line(line: str | bytes) -> Thing:
    """Return the thing that a line holds. ValueError, TypeError or LookupError for anything else."""
    ((kind, value),) = json.loads(line).items()
    return _MAKERS[kind](*value)


def take(manifest: Manifest, data: bytes, where: str, before: int = 0) -> int:
    """Add what whole lines hold; return how many bytes these have: those of a last one that is cut short are left.

    InputError for a line that is none of these; it names the file and the line's number: `before` came before `data`.
    """
    whole = data[: data.rfind(b"\n") + 1]
    with _no_cycles():
        for number, line in enumerate(whole.splitlines(), before + 1):
            try:
                manifest.add(from_line(line))
            except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
                why = f"{type(error).__name__}: {error}".splitlines()[0]
                raise InputError(
                    f"{where}: line {number} is not one that FIP wrote ({why:.200}): move the file away to begin anew"
                ) from None
    return len(whole)


@contextmanager
def _no_cycles() -> Iterator[None]:
    """Stop Python from looking for cycles: to look through a day of things takes as long as to make them."""
    looking = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looking:
            gc.enable()


def _of_antennas(antennas: Antennas) -> list[Any]:
    angle = antennas.receptor_angle
    return [
        antennas.names, antennas.position.tolist(), antennas.diameter.tolist(), antennas.stations, antennas.mounts,
        None if angle is None else angle.tolist(),
    ]  # fmt: skip


def _antennas(
    names: list[str],
    position: list[list[float]],
    diameter: list[float],
    stations: list[str],
    mounts: list[str],
    angle: list[float] | None,
) -> Antennas:
    found = Antennas(
        tuple(names), np.array(position, np.float64), np.array(diameter, np.float64), tuple(stations), tuple(mounts),
        None if angle is None else np.array(angle, np.float64),
    )  # fmt: skip
    if found.position.shape != (len(names), 3) or found.diameter.shape != (len(names),):
        raise ValueError("its antennas have not a position and a diameter each")
    return found


def _of_window(window: Window) -> list[Any]:
    if window.channels is not None:
        raise ValueError("a part of a window")
    on_file = np.arange(window.channels_on_file)[window.order]
    return [
        window.number, window.spectral_window, window.frequency.tolist(), window.width.tolist(),
        on_file.tolist() if isinstance(window.order, np.ndarray) else window.order.step or 1,
        window.correlations, window.frequency_frame, window.assumed,
    ]  # fmt: skip


def _window(
    number: int,
    spectral_window: int,
    frequency: list[float],
    width: list[float],
    order: list[int] | int,
    correlations: list[str],
    frame: str,
    assumed: bool,
) -> Window:
    step = slice(None) if order == 1 else slice(None, None, -1)
    found = Window(
        number, spectral_window, np.array(frequency, np.float64), np.array(width, np.float64),
        step if isinstance(order, int) else as_slice(np.array(order, np.intp)), tuple(correlations), frame, 0,
        len(frequency), bool(assumed),
    )  # fmt: skip
    if not found.frequency.shape == found.width.shape == (len(frequency),):
        raise ValueError("its channels have not a frequency and a width each")
    return found


def _of_field(field: Field) -> list[Any]:
    table = field.ephemeris
    moving = None if table is None else [table.time.tolist(), table.towards.tolist(), table.frame]
    return [field.number, field.name, field.frame, field.polynomial, field.epoch, moving]


def _field(
    number: int, name: str, frame: str, polynomial: list[list[float]], epoch: float, moving: list[Any] | None
) -> Field:
    table = None if moving is None else Ephemeris(np.array(moving[0]), np.array(moving[1]), moving[2])
    return Field(number, name, frame, tuple((float(x), float(y)) for x, y in polynomial), float(epoch), table)


def _of_part(part: Part) -> list[Any]:
    return [
        part.path, part.rows, part.begin, part.end, part.windows, part.fields, part.antennas, part.beam,
    ]  # fmt: skip


def _part(
    path: str,
    rows: int,
    begin: float,
    end: float,
    windows: list[int],
    fields: list[int],
    antennas: list[int],
    beam: int | None,
) -> Part:
    return Part(path, rows, begin, end, shared(tuple(windows)), shared(tuple(fields)), shared(tuple(antennas)), beam)


def _group(parts: list[list[Any]], missing: int) -> Group:
    return Group(tuple(_part(*part) for part in parts), missing)


def _odd(what: Oddity, path: str) -> Odd:
    if what not in get_args(Oddity):
        raise ValueError(f"there is no oddity {what}")
    return Odd(what, path)


def _observation(about: dict[str, str]) -> dict[str, str]:
    return {str(key): str(value) for key, value in about.items()}


_MAKERS: Mapping[str, Callable[..., Thing]] = {
    "antennas": _antennas,
    "window": _window,
    "field": _field,
    "group": _group,
    "oddity": _odd,
    "observation": _observation,
}
