"""Directions on the sky: how they are written, and what turns one phase centre into another."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fip.data.directions import Direction, format_direction, parse_direction, shown
from fip.data.rotations import axes, rephase, separation, turn
from fip.data.values import Grid
from support.direct_sum import SPEED_OF_LIGHT, direct_sum, pixel_directions
from support.synthetic import array_uvw, make_block

# --- how they are written -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "degrees", "frame"),
    [
        ("05h31m58.7s +33d08m52s", (82.99458333333, 33.14777777778), None),
        ("J2000 05h31m58.7s +33d08m52s", (82.99458333333, 33.14777777778), "FK5"),
        ("05:31:58.7,+33:08:52", (82.99458333333, 33.14777777778), None),
        ("b1950 05h31m58.7 33.08.52", (82.99458333333, 33.14777777778), "FK4"),
        ("ICRS 82.5deg -33.25deg", (82.5, -33.25), "ICRS"),
        ("galactic 184d30m00s -05d30m00s", (184.5, -5.5), "GALACTIC"),
        ("-0.5rad -.25rad", (360 - np.degrees(0.5), -np.degrees(0.25)), None),
        ("00h00m00s -00d30m00s", (0, -0.5), None),
    ],
)
def test_directions_are_read_as_astronomers_write_them(
    text: str, degrees: tuple[float, float], frame: str | None
) -> None:
    """Hours or degrees, with or without a frame; the sign of -00 counts."""
    found = parse_direction(text)
    assert (np.degrees(found.longitude), np.degrees(found.latitude)) == pytest.approx(degrees, abs=1e-10)
    assert found.frame == frame


@pytest.mark.parametrize(
    "text",
    [
        *("", "J2000", "05h31m58.7s", "5 33", "AZEL 10deg 20deg", "nandeg 5deg", "1e400deg 0deg", "٣deg 5deg"),
        *("25h00m00s +10d00m00s", "05h61m00s +10d00m00s", "05h31m00s +95d00m00s", "05h31m00s 10deg 3"),
        "galactic 05h31m00s 5deg",
    ],
)
def test_what_is_no_direction_is_refused(text: str) -> None:
    """The message has the text itself."""
    with pytest.raises(ValueError, match="direction") as raised:
        parse_direction(text)
    assert text in str(raised.value)


@given(
    st.floats(0, 2 * np.pi), st.floats(-np.pi / 2, np.pi / 2), st.sampled_from(["FK5", "ICRS", "FK4", "GALACTIC", None])
)
def test_a_direction_is_read_back_as_it_was_written(longitude: float, latitude: float, frame: Any) -> None:
    """It is exact to a thousandth of a microarcsecond."""
    one = Direction(longitude % (2 * np.pi), latitude, frame)
    other = parse_direction(format_direction(one))
    assert other.frame == frame
    np.testing.assert_allclose(
        axes(other.longitude, other.latitude), axes(one.longitude, one.latitude), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        (Direction(np.radians(82.99458333333), np.radians(33.14777777778), "FK5"), "J2000 05h31m58.700s +33d08m52.00s"),
        (Direction(np.radians(359.99999999), np.radians(-0.5), "ICRS"), "ICRS 00h00m00.000s -00d30m00.00s"),
        (Direction(np.radians(184.5), np.radians(-5.5), "GALACTIC"), "GALACTIC 184.500000deg -5.500000deg"),
    ],
)
def test_the_log_shows_directions_in_hours_and_degrees(direction: Direction, expected: str) -> None:
    """They look as in a catalogue, rounded as a whole: no 60 seconds."""
    assert shown(direction) == expected


# --- another phase centre, by the science alone ---------------------------------------------------------------


@given(
    st.tuples(st.floats(0, 6), st.floats(-np.pi / 2, np.pi / 2)),
    st.tuples(st.floats(0, 6), st.floats(-np.pi / 2, np.pi / 2)),
    st.integers(0, 99),
)
def test_a_turn_is_a_rotation_between_the_two_centres(
    centre: tuple[float, float], other: tuple[float, float], seed: int
) -> None:
    """It keeps lengths and handedness, leads back, and takes one centre to the place at which the other sees it."""
    one, two = Direction(*centre, "FK5"), Direction(*other, "FK5")
    matrix = turn(one, two)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-14)
    assert np.linalg.det(matrix) == pytest.approx(1)
    np.testing.assert_allclose(turn(two, one) @ matrix, np.eye(3), atol=1e-14)
    cosine = np.sin(centre[1]) * np.sin(other[1]) + np.cos(centre[1]) * np.cos(other[1]) * np.cos(centre[0] - other[0])
    assert np.cos(separation(one, two)) == pytest.approx(cosine, abs=1e-14)


@pytest.mark.parametrize("other", [(1.003, 0.498), (1.4, 0.1), (4.0, -0.4), (1.0, np.pi / 2)])
def test_rephasing_is_exact(other: tuple[float, float]) -> None:
    """The image about another centre is the Fourier sum in the original (u, v, w) at each pixel's place on the sky."""
    centre, target = Direction(1.0, 0.5, "FK5"), Direction(*other, "FK5")
    block = make_block(array_uvw(3, 10, 800.0, 0.7, 0.2), np.linspace(1.0e9, 1.2e9, 6), [(2e-3, 1e-3, 1.0)], 1e-9)
    east, north = pixel_directions(Grid(16, 12, 3e-4, *other, "FK5"))
    image = direct_sum([rephase(block, turn(centre, target))], east, north)[0]
    places = np.stack([east, north, np.sqrt(1 - east**2 - north**2)]).reshape(3, -1).T @ axes(*other)  # on the sky
    path = block.uvw @ (axes(1.0, 0.5) @ places.T - np.array([[0], [0], [1]]))
    exact = np.zeros(path.shape[1])
    for node, frequency in enumerate(block.frequency):
        fringe = np.exp(-2j * np.pi * frequency / SPEED_OF_LIGHT * path)
        exact += (block.visibility[0, :, node] @ fringe).real
    assert np.linalg.norm(image.ravel() - exact) <= 1e-11 * np.linalg.norm(exact)
