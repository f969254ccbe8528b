"""Matches as tables, JSON and people have them."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fip.catalogues.words import Match
from fip.data.quantities import ARCSEC


def told(matches: Iterable[Match]) -> list[dict[str, Any]]:
    """Matches as JSON values: separation in arcsec, a chance that is not known as None; what is "" is left out."""
    return [
        {
            "name": each.name, "of": each.of, "separation": round(each.separation / ARCSEC, 3),
            "chance": float(f"{each.chance:.3g}") if math.isfinite(each.chance) else None,
        }
        | {name: said for name, said in (("label", each.label), ("target", each.target)) if said}
        for each in matches
    ]  # fmt: skip


def as_text(matches: Sequence[Match]) -> str:
    """Matches as one word of a table: "" if there are none."""
    return json.dumps(told(matches)) if matches else ""


def listed_matches(text: str) -> list[dict[str, Any]]:
    """Read the matches in a text that `as_text` has written. ValueError for another text."""
    found = json.loads(text) if text else []
    if not isinstance(found, list) or not all(map(_is_told, found)):
        raise ValueError(f"'{text:.40}' are no matches")
    return found


def in_words(match: Mapping[str, Any]) -> str:
    """Return a match, as `listed_matches` gives it, in words for a person."""
    chance = "" if match["chance"] is None else f", by chance {match['chance']:.2g}"
    return f"{match['name']} ({match['of']}), {match['separation']:.3g} arcsec away{chance}"


def _is_told(value: object) -> bool:
    wanted = {"name": str, "of": str, "separation": int | float, "chance": int | float | None}
    given = {"label": str, "target": str}
    if not isinstance(value, dict):
        return False
    return all(isinstance(value.get(name, ...), kind) for name, kind in wanted.items()) and all(
        isinstance(value.get(name, ""), kind) for name, kind in given.items()
    )
