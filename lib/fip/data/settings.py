"""What was asked of a run, option by option."""

from __future__ import annotations

from dataclasses import asdict, fields

from fip.data.directions import format_direction
from fip.data.quantities import format_angle
from fip.data.selection import texts
from fip.data.values import Direction, Selection, Subset


def facts(selection: Selection) -> dict[str, str]:
    """What was asked, option by option, as a person writes it."""
    values = asdict(selection)
    del values["subset"]
    selected = texts(selection.subset)
    subset = {each.name: selected.get(each.name, "default") for each in fields(Subset)}
    return {key: _shown(key, value) for key, value in values.items()} | subset


def _shown(key: str, value: object) -> str:
    if key in ("scale", "taper") and isinstance(value, float):
        return format_angle(value)
    if key == "phase_centre" and isinstance(value, dict):
        return format_direction(Direction(**value))
    if isinstance(value, (tuple, list)):
        return ("x" if key == "size" else ",").join(map(str, value))
    return "default" if value is None else str(value)
