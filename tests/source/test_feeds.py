"""How feeds stand on the sky, against astropy; and samples whose feeds are turned upright."""

import math
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.quantities import SECONDS_PER_DAY
from fip.data.rotations import axes
from fip.source.feeds import feed_angles, of_baselines, unknown
from fip.source.tables.subtables import Antennas
from support import small_ms
from support.cut_slices import PAIRS, cut
from support.direct_sum import direct_sum

MEERKAT = (5109224.3, 2006790.2, -3239130.7)  # m, ITRF
TIME = 61_100.2 * SECONDS_PER_DAY


def _antennas(*mounts: str, angle: float = 0.0) -> Antennas:
    count = len(mounts)
    return Antennas(
        tuple(f"m{at}" for at in range(count)), np.tile(MEERKAT, (count, 1)), np.full(count, 13.5), ("",) * count,
        mounts, np.full(count, angle),
    )  # fmt: skip


@pytest.mark.parametrize("place", [(155.0, -45.0), (60.0, 20.0), (100.0, -31.0), (60.0, -80.0)])
def test_the_angle_of_a_feed_is_that_of_the_zenith(place: tuple[float, float]) -> None:
    """astropy agrees, in another way, aberration with it: within 0.1 degrees; an equatorial mount does not turn."""
    towards = SkyCoord(*place, unit="deg")
    here = EarthLocation.from_geocentric(*MEERKAT, unit="m")
    frame = AltAz(obstime=Time(TIME / SECONDS_PER_DAY, format="mjd", scale="utc"), location=here)
    zenith = SkyCoord(alt=90 * u.deg, az=0 * u.deg, frame=frame).icrs
    expected = towards.position_angle(zenith).wrap_at(180 * u.deg).rad
    found = feed_angles(_antennas("ALT-AZ", "EQUATORIAL", angle=0.3), [axes(*np.radians(place))], [TIME])[0]
    assert abs(math.remainder(found[0] - 0.3 - expected, 2 * math.pi)) < math.radians(0.1)
    assert found[1] == 0.3


def test_the_mean_of_two_angles_is_between_them_whatever_turn_they_are_in() -> None:
    """Angles are alike if they differ by half a turn: Q and U turn twice as fast."""
    angles = np.array([3.1, -3.1, 0.2])
    mean = of_baselines(angles, np.array([0, 1], np.int32), np.array([1, 0], np.int32))
    np.testing.assert_allclose(np.exp(2j * mean), np.exp(2j * math.pi), atol=1e-12)


@pytest.mark.parametrize("mount", ["", "X-Y", "ALT-AZ+ROTATOR"])
def test_a_mount_that_is_not_known_is_named(mount: str) -> None:
    """The antenna is named, too."""
    assert f"antenna m1 has the mount '{mount}'" in unknown(_antennas("ALT-AZ", mount))


STOKES = (1.0, 0.5, -0.3, 0.2)
RECEPTOR = 0.4  # rad


def _polarised(columns: small_ms.Columns, frequency: NDArray[np.float64], correlations: int) -> NDArray[Any]:
    """A point with all Stokes, seen by feeds that turn with the zenith; the whole of it by hand."""
    i, q, u_, v = STOKES
    angles = np.empty(columns["TIME"].size)
    feeds = _antennas("ALT-AZ", angle=RECEPTOR)
    feeds = Antennas(
        feeds.names, small_ms.POSITIONS[:1], feeds.diameter, feeds.stations, feeds.mounts, feeds.receptor_angle
    )
    for time in np.unique(columns["TIME"]):
        angles[columns["TIME"] == time] = feed_angles(feeds, [axes(*small_ms.FIELDS[0][1])], [time])[0, 0]
    turned = (q + 1j * u_) * np.exp(-2j * angles)
    seen: dict[tuple[int, ...], tuple[NDArray[Any], ...]] = {
        small_ms.LINEAR: (i + turned.real, turned.imag + 1j * v, turned.imag - 1j * v, i - turned.real),
        small_ms.CIRCULAR: (i + v + 0 * angles, turned, turned.conj(), i - v + 0 * angles),
    }
    point = small_ms.point_source(columns, frequency, correlations)[..., 0]
    return np.stack([point * hand[:, None] for hand in seen[_HANDS[0]]], axis=-1)


_HANDS: list[tuple[int, ...]] = [small_ms.LINEAR]


def _feeds(path: Path, mount: str = "ALT-AZ") -> None:
    count = len(small_ms.POSITIONS)
    with small_ms.edit(path / "ANTENNA") as sub:
        sub.putcol("MOUNT", [mount] * count)
    small_ms.fill(
        path, "FEED", count, ANTENNA_ID=np.arange(count, dtype=np.int32), RECEPTOR_ANGLE=np.full((count, 2), RECEPTOR)
    )


@pytest.mark.parametrize("hands", [small_ms.LINEAR, small_ms.CIRCULAR])
def test_parallactic_images_the_sky(tmp_path: Path, hands: tuple[int, ...]) -> None:
    """Q and U of a source come out as they are on the sky, hours apart; without it they turn with the feeds."""
    _HANDS[0] = hands
    path = small_ms.write(tmp_path / "q.ms", small_ms.rows(2, cadence=7200.0), codes=hands, data={"DATA": _polarised})
    _feeds(path)
    east, north = (np.array([each]) for each in small_ms.DIRECTION)
    for piece in cut(path, stokes="IQUV", parallactic=True):
        found = [direct_sum(piece.blocks, east, north)[k, 0] / piece.sum_of_weights[k, 0] for k in range(4)]
        np.testing.assert_allclose(found, STOKES, atol=5e-4)  # zeniths 700 m apart, 1e-4 rad; twice that
        assert ("FIPPARAL", True) in [(each.keyword, each.value) for each in piece.cards]
    one, other = (direct_sum(piece.blocks, east, north)[1, 0] for piece in cut(path, stokes="IQUV"))
    assert abs(one - other) > 0.1 * PAIRS


def test_parallactic_is_refused_if_it_cannot_be_done(tmp_path: Path) -> None:
    """Without all four hands, or with feeds that turn in an unknown way."""
    path = small_ms.write(tmp_path / "x.ms", small_ms.rows(1))
    with pytest.raises(UsageError, match="RECEPTOR_ANGLE"):
        cut(path, stokes="Q", parallactic=True)
    _feeds(path, "BIZARRE")
    with pytest.raises(UsageError, match="BIZARRE"):
        cut(path, stokes="Q", parallactic=True)
    two = small_ms.write(tmp_path / "two.ms", small_ms.rows(1), codes=(9, 12))
    _feeds(two)
    with pytest.raises(UsageError, match="all four hands"):
        cut(two, parallactic=True)
