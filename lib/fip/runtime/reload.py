"""What became of a daemon's settings when it read its configuration again. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from fip.config import Config, flatten


@dataclass(frozen=True)
class Change:
    """A setting that a daemon reads and that has another value now."""

    key: str  # dotted, as ventilator.pace
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.key} = {self.new!r} (was {self.old!r})"


def changes(old: Config, new: Config, keys: Collection[str], apart_from: Collection[str] = ()) -> list[Change]:
    """The settings that differ, of `keys`, which are dotted or name a table as a whole."""
    before, after = (dict(flatten(config.model_dump(mode="json"))) for config in (old, new))
    return [
        Change(key, before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
        and key not in apart_from
        and any(key == each or key.startswith(f"{each}.") for each in keys)
    ]
