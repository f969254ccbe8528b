"""Options: each is declared once, its text is exact, and at its default it leaves no trace."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fip.config import all_options
from fip.data.directions import Direction, Frame, format_direction, parse_direction
from fip.data.errors import UsageError
from fip.data.options import hints, options
from fip.data.quantities import exact_angle, parse_angle
from fip.data.selection import Average, UvRange, WindowChoice
from fip.data.settings import TABLES, Asked, Imaging, all_texts, asked, cards, differences, from_texts, texts
from support.repository import ROOT

ANGLE = st.floats(1e-12, 6.0, allow_subnormal=False)
FRAMES: list[Frame | None] = ["FK5", "ICRS", "FK4", "GALACTIC", None]
PLACE = st.builds(
    Direction,
    st.floats(0, 2 * math.pi, exclude_max=True, allow_subnormal=False),
    st.floats(-math.pi / 2, math.pi / 2, allow_subnormal=False),
    st.sampled_from(FRAMES),
)
NUMBER = st.integers(0, 999_999_999)
RANGE = st.tuples(NUMBER, NUMBER).map(lambda ends: (min(ends), max(ends)))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "size": st.tuples(st.integers(2, 9999), st.integers(2, 9999)),
    "scale": ANGLE,
    "stokes": st.sampled_from([("I",), ("I", "Q", "U", "V"), ("pseudoI",), ("XX",), ("V", "I")]),
    "weight": st.sampled_from(["natural", "uniform", "briggs"]),
    "robust": st.floats(-10, 10),
    "taper": ANGLE,
    "epsilon": st.floats(1e-11, 0.1),
    "kernel": st.sampled_from(["auto", "slant", "wgridder", "ska-sdp-func", "mine@0123456789abcdef"]),
    "channels_out": st.integers(1, 9999),
    "compress": st.sampled_from([None, "rice:16", "rice:4", "rice:2.5"]),
    "make_psf": st.sampled_from([False, True, "bright"]),
    "phase_centre": PLACE,
    "stages": st.sampled_from([(), ("mine",), ("yours:one", "mine@0123456789abcdef")]),
    "primary_beam": st.sampled_from(["airy", "gaussian:1.1deg", "/a/beam.fits@0123456789abcdef"]),
    "join": st.sampled_from([(), ("bands",), ("bands", "/a/b.ms", "/a b/c.ms")]),
    "column": st.sampled_from(["auto", "DATA", "CORRECTED_DATA"]),
    "gains": st.sampled_from([(), ("one.B",), ("/a/one.B", "two.h5")]),
    "flag": st.sampled_from(["none", "auto", "/a/bands.txt", "aoflagger:mine"]),
    "sky_model": st.sampled_from([(), ("field.skymodel", "sun"), ("A-team",)]),
    "subtract_model": st.booleans(),
    "smear": st.sampled_from(["auto", "none"]),
    "parallactic": st.booleans(),
    "keep_zeros": st.booleans(),
    "askap_scale": st.floats(1e-3, 1e3),
    "uvw": st.sampled_from(["field", "zenith"]),
    "field": st.lists(st.sampled_from(["target", "3C48", "2"]), min_size=1).map(tuple),
    "spw": st.lists(st.builds(WindowChoice, RANGE, st.lists(RANGE, max_size=2).map(tuple)), min_size=1).map(tuple),
    "scan": st.lists(RANGE, min_size=1, max_size=3).map(tuple),
    "antenna": st.sampled_from([("m000", "m001"), ("!m012",), ("7",)]),
    "uv_range": st.sampled_from([UvRange(0.1, 1e3 / 3, "m"), UvRange(0, 5000, "lambda")]),
    "interval": st.integers(0, 999).flatmap(lambda first: st.tuples(st.just(first), st.integers(first + 1, 9999))),
    "time_range": st.just((5e9, 5e9 + 60.25)),
    "average": st.sampled_from([Average(4, "integrations"), Average(1 / 3, "s")]),
}


def test_every_option_has_values_here() -> None:
    """This makes sure that the tests below are about all of them."""
    assert set(VALUES) == {name for table in TABLES.values() for name in hints(table)}


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_texts_are_exact_and_defaults_leave_none(values: dict[str, Any]) -> None:
    """What is written of any options is read back to the last bit; what is at its default is not written."""
    wanted = asked(**values)
    written = texts(wanted)
    assert from_texts(written) == wanted
    assert {key.partition(".")[2] for key in written} <= {*values, "robust"}  # which Briggs weighting settles
    assert all(text != all_texts(Asked())[key.partition(".")[2]] for key, text in written.items())


@given(ANGLE, PLACE)
def test_angles_and_directions_are_written_to_the_last_bit(angle: float, place: Direction) -> None:
    """A pixel, or a phase centre, of a directory is the one that was asked for."""
    assert parse_angle(exact_angle(angle)) == angle
    assert parse_direction(format_direction(place)) == place


def test_what_differs_in_the_last_bit_is_named() -> None:
    """Two scales that are equal in six digits."""
    one, other = asked(scale="1.2345671arcsec"), asked(scale="1.2345674arcsec")
    assert differences(one, other) == "scale 1.2345671arcsec (now 1.2345674arcsec)"
    assert differences(one, one) == ""
    assert differences(asked(), asked(spw="0:1~9", robust=1, weight="briggs")) == (
        "weight natural (now briggs), robust default (now 1.0), spw default (now 0:1~9)"
    )


@pytest.mark.parametrize(
    ("given", "imaging"),
    [
        ({"weight": "briggs"}, Imaging(weight="briggs", robust=0.0)),
        ({"weight": "briggs:0.5"}, Imaging(weight="briggs", robust=0.5)),
        ({"weight": "briggs:-.5", "robust": 2}, Imaging(weight="briggs", robust=-0.5)),
        ({"weight": "Briggs", "robust": "-1"}, Imaging(weight="briggs", robust=-1.0)),
        ({"weight": "natural", "robust": 2}, Imaging()),
        ({"size": 64, "scale": "1deg"}, Imaging(size=(64, 64), scale=math.pi / 180)),
        ({"size": "64x32", "stokes": "IV"}, Imaging(size=(64, 32), stokes=("I", "V"))),
    ],
)
def test_text_and_values_are_taken_alike(given: dict[str, Any], imaging: Imaging) -> None:
    """A person types text, a program has values; robust goes with Briggs weighting alone."""
    assert asked(**given) == Asked(imaging)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"sise": 64}, "no option sise"),
        ({"scale": "2"}, "scale: '2' is not an angle with its unit"),
        ({"scale": 0.0}, "scale: .*greater than 0"),
        ({"weight": "heavy"}, "weight: 'heavy' is not a weighting"),
        ({"weight": "briggs:much"}, "weight: 'briggs:much' is not a weighting"),
        ({"weight": "briggs:11"}, "robust: .*less than or equal to 10"),
        ({"kernel": "fa st"}, "kernel: "),
        ({"average": True}, "average: "),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(given: dict[str, Any], says: str) -> None:
    """The message is one line."""
    with pytest.raises(UsageError, match=says) as error:
        asked(**given)
    assert "\n" not in str(error.value)


def test_cards_tell_the_options_that_are_set() -> None:
    """Values are in the units of the header."""
    assert [each[:2] for each in cards(Imaging())] == [("FIPWGT", "natural"), ("FIPEPS", 1e-5)]
    tapered = replace(Imaging(), weight="briggs", robust=0.5, taper=math.radians(0.25))
    assert {name: value for name, value, _ in cards(tapered)} == {
        "FIPWGT": "briggs", "FIPROBST": 0.5, "FIPTAPER": pytest.approx(0.25, rel=1e-15), "FIPEPS": 1e-5,
    }  # fmt: skip


def test_the_readme_names_every_option() -> None:
    """The names are those of the command line."""
    readme = Path(ROOT / "README.md").read_text()
    for key, option in all_options().items():
        names = option.names or (f"--{key.rpartition('.')[2].replace('_', '-')}",)
        assert any(f"`{name}" in readme for name in names), key
    assert all(options(table) for table in TABLES.values())
