"""The Sun, the Moon and the planets at the place of an event."""

import math
from dataclasses import replace

import erfa
import numpy as np
import pytest

from fip.catalogues.bodies import UNCERTAIN, beside, where
from fip.catalogues.words import Match, Seen
from fip.corrections.sky.bodies import seen as seen_by_erfa
from fip.data.quantities import SECONDS_PER_DAY

NOON = 61100 * SECONDS_PER_DAY + 10 * 3600.0
SITE: tuple[float, float, float] = tuple(erfa.gd2gc(1, math.radians(21.44), math.radians(-30.71), 1050.0).tolist())


def event_at(body: str, off: float = 0.0, site: tuple[float, float, float] | None = SITE) -> Seen:
    """Return an event so many rad to the north of a body's place, as erfa has it."""
    x, y, z = seen_by_erfa(body, NOON, np.array(SITE))[0].tolist()
    return Seen(math.atan2(y, x), math.asin(z) + off, 1e-4, NOON - 30, NOON + 30, 1, site)


def names(matches: tuple[Match, ...]) -> list[tuple[str, str, str]]:
    return [(each.name, each.of, each.label) for each in matches]


@pytest.mark.parametrize("body", ["sun", "moon", "jupiter"])
def test_a_body_is_where_erfa_has_it_and_nowhere_else(body: str) -> None:
    towards, radius = where(body, NOON, SITE)
    assert np.linalg.norm(towards - seen_by_erfa(body, NOON, np.array(SITE))[0]) < math.radians(5 / 3600)
    (match,) = beside(event_at(body))
    assert names((match,)) == [(body.capitalize(), "solar system", "solar-system")]
    assert match.separation < math.radians(5 / 3600)
    assert match.chance < 1e-3
    assert beside(event_at(body, radius + 0.9 * UNCERTAIN))
    assert not beside(event_at(body, radius + 1.2 * UNCERTAIN))
    assert not beside(replace(event_at(body), begin=NOON - 40 * SECONDS_PER_DAY, end=NOON - 40 * SECONDS_PER_DAY + 1))


def test_the_moon_is_not_looked_for_if_it_is_not_known_where_the_array_is() -> None:
    """Its place is another one, by up to a degree, from one side of the Earth to the other."""
    assert names(beside(event_at("sun", site=None))) == [("Sun", "solar system", "solar-system")]
    assert beside(event_at("moon", site=None)) == ()


def test_what_images_follow_is_named_and_speaks_against_nothing() -> None:
    """Who follows the Sun looks for bursts of the Sun."""
    assert names(beside(replace(event_at("sun"), follows="sun"))) == [("Sun", "solar system", "")]
