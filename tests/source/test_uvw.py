"""UVW from the places of antennas: what others say of it, and that a source far out is in its place."""

import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import ITRS, EarthLocation, SkyCoord
from astropy.time import Time
from astropy.utils import iers

from fip.data.quantities import ARCSEC, SECONDS_PER_DAY, UNIX_EPOCH
from fip.data.rotations import Array, axes
from fip.simulation.layouts import LOCAL_AXES, meerkat_like
from fip.source.advice.geometry import celestial_to_itrf
from fip.source.spooled import orientation as earth
from fip.source.spooled.orientation import orientation
from fip.source.spooled.uvw import antenna_uvw, baseline_uvw
from fip.spool.writing import Open
from support import cut_slices, spools

THREE = np.array([5109271.497, 2006808.893, -3239130.738]) + np.array(
    [[0.0, 0.0, 0.0], [-3000.0, 5000.0, 1000.0], [2500.0, -6000.0, 3000.0]]
)
OTHERS = [
    # s UTC, ra and dec in deg (ICRS); katpoint 0.10.3's u, v, w of antennas 1 and 2 from 0 (Target.uvw); pyuvdata
    # 3.2.8's w of them (calc_uvw by calc_app_coords), and its w towards 0.8 deg more of ra, 0.7 deg more of dec
    (1772399521.5, 79.957, -45.779, [[2147.630, -3181.376, -4501.837], [-3255.722, 6120.820, 1784.890]],
     [-4501.83170, 1784.87811], [-4518.81691, 1827.03879]),
    (1700000000.25, 201.365, -43.019, [[-4693.456, 3097.428, 1837.773], [5739.236, 96.521, -4278.066]],
     [1837.79946, -4278.09040], [1826.80071, -4217.12236]),
    (1751371200.0, 266.4, 12.5, [[-4190.114, 109.998, 4175.026], [5287.075, 3736.265, -3055.677]],
     [4175.04874, -3055.70108], [4118.73793, -2937.59653]),
]  # fmt: skip


def lmn(centre: tuple[float, float], ra: float, dec: float) -> Array:
    """l, m and n - 1 of a place (rad) about a centre."""
    return np.asarray(axes(*centre) @ axes(ra, dec)[2] - np.array([0.0, 0.0, 1.0]))


def seen(time: float, positions: Array, ra: float, dec: float) -> Array:
    """The unit vector, ITRF, in which astropy sees a place in the sky from the middle of an array."""
    here = EarthLocation.from_geocentric(*positions.mean(axis=0), unit="m")
    with iers.conf.set_temp("auto_download", False):
        at = ITRS(obstime=Time(time, format="unix", scale="utc"), location=here)
        towards = SkyCoord(ra, dec, unit="rad", frame="icrs").transform_to(at).cartesian.xyz
    return np.asarray((towards / np.linalg.norm(towards)).value, dtype=np.float64)


@pytest.mark.parametrize(("time", "ra", "dec", "katpoint", "here", "there"), OTHERS)
def test_uvw_are_those_of_katpoint_and_pyuvdata(
    time: float, ra: float, dec: float, katpoint: list[list[float]], here: list[float], there: list[float]
) -> None:
    """katpoint's u and v are of turned axes, which leave out differential aberration, 1e-4 at most, and its w are of
    PyEphem, to an arcsec; pyuvdata's w are astropy's."""
    centre = math.radians(ra), math.radians(dec)
    found = antenna_uvw(time, *centre, THREE)
    assert np.abs(found[1:] - katpoint).max() < 1e-4 * np.linalg.norm(THREE - THREE[0], axis=1).max()
    assert np.abs(found[1:] - katpoint)[:, 2].max() < ARCSEC * 7000
    assert np.abs(found[1:, 2] - here).max() < 1e-3
    further = found @ lmn(centre, math.radians(ra + 0.8), math.radians(dec + 0.7))
    assert np.abs(further[1:] - np.subtract(there, here)).max() < 0.005 * ARCSEC * 7000


@pytest.mark.parametrize("angle", [10.0, 100.0, 190.0, 280.0])
@pytest.mark.parametrize("west", [0.0, 0.6, 1.2])
def test_a_source_a_degree_out_is_where_astropy_sees_it(west: float, angle: float) -> None:
    """The paths of its wave to each antenna are astropy's, from the zenith to 20 deg above the horizon.

    That it seems to be along w by 1e-4 of n - 1 is aberration, too. As the antennas stand on flat ground, it moves the
    source in a snapshot if that looks aslant.
    """
    time, positions = 1772399521.5, meerkat_like(32)
    zenith = LOCAL_AXES[2] @ celestial_to_itrf(time + UNIX_EPOCH)
    centre = math.atan2(zenith[1], zenith[0]) - west, math.asin(zenith[2])
    out, turned = math.radians(1.0), math.radians(angle)
    place = np.array([math.sin(out) * math.sin(turned), math.sin(out) * math.cos(turned), math.cos(out)])
    x, y, z = place @ axes(*centre)
    uvw, astropys = antenna_uvw(time, *centre, positions), seen(time, positions, *centre)
    baselines = positions - positions[0]
    assert np.abs(uvw[:, 2] - baselines @ astropys).max() < 1e-4
    paths = baselines @ (seen(time, positions, math.atan2(y, x), math.asin(z)) - astropys)
    left = paths - uvw @ (place - (0.0, 0.0, 1.0))
    moved, *_ = np.linalg.lstsq(uvw, left)
    in_snapshot, *_ = np.linalg.lstsq(uvw[:, :2], left)
    assert np.hypot(*moved[:2]) < 0.005 * ARCSEC
    assert np.hypot(*in_snapshot) < (0.025 if west else 0.005) * ARCSEC


def test_a_baseline_is_the_first_antennas_less_the_seconds() -> None:
    """katdal and CASA agree: e1 conj(e2) of a source to the east turns forwards if antenna 1 is to the east."""
    uvw = antenna_uvw(1772399521.5, 1.4, -0.8, THREE)
    pairs = np.array([0, 0, 1]), np.array([1, 2, 2])
    assert np.array_equal(baseline_uvw(uvw, *pairs), uvw[[0, 0, 1]] - uvw[[1, 2, 2]])
    assert uvw[0].tolist() == [0.0, 0.0, 0.0]
    east = np.stack([THREE[0], THREE[0] + 100 * axes(math.atan2(THREE[0, 1], THREE[0, 0]), 0.0)[0]])
    assert antenna_uvw(1772399521.5, 1.4, -0.8, east)[1, 0] > 0


def test_the_earths_orientation_is_that_of_astropys_table() -> None:
    """Also on a day that ends with a leap second; to what Bulletins A and B differ by."""
    table = iers.IERS_A.open(iers.IERS_A_FILE)
    for day in (57753.75, 57754.25, 60000.5, 61100.0):
        found = orientation(day)
        pole = [each.to_value("rad") for each in table.pm_xy(2400000.5, day)]
        assert abs(found.dut1 - table.ut1_utc(2400000.5, day).to_value("s")) < 1e-4
        assert np.abs(np.subtract([found.x, found.y], pole)).max() < 1e-3 * ARCSEC


@pytest.mark.parametrize("time", [0.0, 4e9])
def test_a_time_out_of_the_table_is_said_once(time: float, caplog: pytest.LogCaptureFixture) -> None:
    """UVW are worked out all the same, with what is known of the nearest day."""
    earth._warn.cache_clear()  # noqa: SLF001  this process may have said it
    with caplog.at_level(logging.WARNING, "fip"):
        for later in range(3):
            assert np.isfinite(antenna_uvw(time + later, 1.4, -0.8, THREE)).all()
    (said,) = caplog.messages
    assert "astropy-iers-data" in said
    edge = orientation((time + UNIX_EPOCH) / SECONDS_PER_DAY)
    assert abs(edge.dut1) < 0.9
    assert edge == orientation((time + UNIX_EPOCH) / SECONDS_PER_DAY + (-90 if time == 0 else 90))


def has_uvw(opened: Open) -> None:
    """Put random UVW: any will do."""
    uvw = np.asarray(opened.arrays["uvw"])
    uvw[...] = np.random.default_rng(1).normal(0, 100, uvw.shape)


@pytest.mark.parametrize(("time", "times"), [(1.79e9, 0), (4e9, 1)])
def test_a_run_warns_of_a_time_out_of_the_table(time: float, times: int, tmp_path: Path) -> None:
    """This is for a spool without UVW of its own; one that has them needs no table."""
    for own, wanted in ((False, times), (True, 0)):
        writing = spools.writer(tmp_path, replace(spools.SETUP, uvw=own))
        spools.put(writing, [0], alter=has_uvw if own else spools.nothing, time=time)
        writing.close()
        notes = cut_slices.notes(writing.path, size=(64, 64), scale=ARCSEC * 40)
        assert notes.count("astropy-iers-data knows more") == wanted
