"""Arrays that look up: images about the zenith of each time, and uvw that are the zenith's whatever FIELD says."""

import pickle
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.quantities import ARCSEC
from fip.data.rotations import axes
from fip.data.settings import asked as settings
from fip.data.values import Slice
from fip.fits.header import header_cards
from fip.imaging.kernels import make_kernel
from fip.source.growing import Growing
from support import cut_slices, small_ms
from support.direct_sum import SPEED_OF_LIGHT, direct_sum
from support.grown_sets import Filling
from support.one_sky import NIGHT
from support.synthetic import image_slice

GRID: dict[str, Any] = {"size": (64, 64), "scale": 60 * ARCSEC}
STEP = 120.0  # s, in which the zenith moves by half a degree
TIMES = [NIGHT + STEP * number for number in range(3)]
PLACE = EarthLocation(*(small_ms.POSITIONS.mean(axis=0) * units.m))


def up(time: float, altitude: float = 90.0, azimuth: float = 0.0) -> SkyCoord:
    """The zenith (or another place above the horizon) as astropy has it, J2000: an independent authority."""
    there = AltAz(
        alt=altitude * units.deg, az=azimuth * units.deg, obstime=Time(time / 86400, format="mjd"), location=PLACE
    )
    star = SkyCoord(there).icrs
    return SkyCoord(star.ra, star.dec).fk5


def apart(one: float, other: float) -> str:
    """The angle from the zenith at one time to that at another."""
    return f"{up(one).separation(up(other)).arcmin:.3g}arcmin"


SOURCE = up(TIMES[1], 89.6, 70.0)


def looking_up(path: Path, frame: str, place: tuple[float, float]) -> Path:
    """Three integrations, two minutes apart, whose (u, v, w) are east, north and up, and a PHASE_DIR."""
    columns = small_ms.rows(len(TIMES), STEP)
    columns["TIME"] += NIGHT - small_ms.START
    lon, lat = PLACE.lon.rad, PLACE.lat.rad
    columns["UVW"] = columns["UVW"] @ axes(lon, lat).T
    seen = SOURCE.transform_to(AltAz(obstime=Time(columns["TIME"] / 86400, format="mjd"), location=PLACE))
    alt, az = seen.alt.rad, seen.az.rad
    cosines = np.stack([np.cos(alt) * np.sin(az), np.cos(alt) * np.cos(az), np.sin(alt) - 1], axis=1)
    lengths = np.sum(columns["UVW"] * cosines, axis=1)

    def sky(_: small_ms.Columns, frequency: NDArray[np.float64], correlations: int) -> NDArray[np.complexfloating]:
        values = np.zeros((len(lengths), frequency.size, correlations), np.complex64)
        values[..., [0, -1]] = np.exp(2j * np.pi * lengths[:, None] * frequency / SPEED_OF_LIGHT)[..., None]
        return values

    small_ms.write(path, columns, fields=[("up", place)], data={"DATA": sky})
    small_ms.set_frame(path, "FIELD", "PHASE_DIR", frame)
    return path


def found(piece: Slice) -> tuple[SkyCoord, float]:
    """Return the place of the one source by the header, near its true place, and how bright it is, 1 for 1 Jy."""
    image = image_slice(piece, make_kernel(piece.settings, piece.grid))
    wcs = WCS(fits.Header.fromstring(header_cards(piece, image, "dirty"))).celestial
    x, y = map(float, wcs.world_to_pixel(SOURCE))
    around = np.array([-0.1, 0.0, 0.1])
    for _ in range(5):
        east = -(x + around - piece.grid.width / 2) * piece.grid.scale
        north = (y + around - piece.grid.height / 2) * piece.grid.scale
        values = direct_sum(piece.blocks, *np.meshgrid(east, north))[0]
        across, along = values.sum(axis=0), values.sum(axis=1)
        x -= 0.05 * (across[2] - across[0]) / (across[2] - 2 * across[1] + across[0])
        y -= 0.05 * (along[2] - along[0]) / (along[2] - 2 * along[1] + along[0])
    return wcs.pixel_to_world(x, y), float(values.max() / piece.sum_of_weights[0, 0])


STUCK = up(TIMES[0] - STEP / 2)  # the direction in FIELD, all the time
CASES = {
    "AZELGEO": ("AZELGEO", (np.pi, np.pi / 2), {}),
    "AZEL": ("AZEL", (0.0, np.pi / 2), {"uvw": "zenith"}),
    "J2000": ("J2000", (STUCK.ra.rad, STUCK.dec.rad), {"uvw": "zenith"}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("centre", [None, "zenith", "own"])
def test_a_source_is_in_its_place_whatever_the_grid_does(tmp_path: Path, case: str, centre: str | None) -> None:
    """To 0.01 pixel: on a grid that stays, or about the zenith of each image; one kernel does for all of them."""
    frame, place, options = CASES[case]
    path = looking_up(tmp_path / "up.ms", frame, place)
    asked = GRID | options | ({} if centre is None else {"phase_centre": centre})
    pieces = cut_slices.cut(path, **asked)
    for piece in pieces:
        where, brightness = found(piece)
        assert where.separation(SOURCE).arcsec < 0.6
        assert brightness == pytest.approx(1.0, abs=1e-3)
    centres = [SkyCoord(piece.grid.longitude, piece.grid.latitude, unit="rad", frame="fk5") for piece in pieces]
    for at, time in zip(centres, TIMES, strict=True):
        assert at.separation(up(TIMES[1] if centre is None else time)).arcsec < 1
    notes = cut_slices.notes(path, **asked)
    assert "UVW" not in notes
    if centre is None:
        assert f"up to {apart(TIMES[1], TIMES[0])} from where it is at other times: --phase-centre own" in notes
    else:
        assert [(piece.integration, piece.label) for piece in pieces] == [(0, ""), (1, ""), (2, "")]


@pytest.mark.parametrize("case", ["AZEL", "J2000"])
def test_uvw_of_the_zenith_are_told_from_those_of_a_phase_centre(tmp_path: Path, case: str) -> None:
    """One line, with what would work: whether PHASE_DIR stays behind, or v is not to the north as it says."""
    frame, place, _ = CASES[case]
    path = looking_up(tmp_path / "up.ms", frame, place)
    notes = cut_slices.notes(path, **GRID)
    (said,) = [line for line in notes.splitlines() if "UVW" in line]
    away = apart(TIMES[0], TIMES[0] - STEP / 2) if case == "J2000" else "10.1arcmin"  # AZEL's is geocentric
    assert said.startswith("warning: field up: UVW at 2020-05-31T06:00:00")
    assert f"are those of the zenith, {away} from its PHASE_DIR: 1.0000 x" in said
    assert said.endswith("--uvw zenith takes them as such")


def test_a_phase_centre_at_the_zenith_of_the_begin_is_found_to_stay_behind_by_the_end(tmp_path: Path) -> None:
    """A set made of a template: its first integration is right by both."""
    place = up(TIMES[0])
    path = looking_up(tmp_path / "up.ms", "J2000", (place.ra.rad, place.dec.rad))
    said = f"UVW at 2020-05-31T06:04:00.000000 are those of the zenith, {apart(TIMES[0], TIMES[2])} from"
    assert said in cut_slices.notes(path, **GRID)


def test_a_set_that_begins_at_the_zenith_says_what_to_mind_while_it_is_written(tmp_path: Path) -> None:
    """Its first integration cannot show whether it stays there; with --uvw zenith there is nothing to mind."""
    place = up(TIMES[0])
    filling = Filling(looking_up(tmp_path / "up.ms", "J2000", (place.ra.rad, place.dec.rad)), tmp_path / "live.ms", 2)
    for uvw, times in (("field", 1), ("zenith", 0)):
        with closing(Growing(filling.path, settings(**GRID, uvw=uvw))) as growing:
            run = growing.look()
            notes = "\n".join(run.notes)
            assert notes.count("its PHASE_DIR is the zenith at 2020-05-31T06:00:00.000000: if nothing tracks") == times
            assert ("moves by 12.9arcmin a minute" in notes) == (times == 0)
            handed = pickle.loads(pickle.dumps(run.picked.rephasing))  # as to another child
            assert handed.target(0, TIMES[0]) == run.picked.rephasing.target(0, TIMES[0])


def test_a_primary_beam_moves_with_the_phase_centre_or_it_is_said_that_it_does_not(tmp_path: Path) -> None:
    """It is about the middle of each image; of another direction than that of the data it is refused."""
    path = looking_up(tmp_path / "up.ms", *CASES["AZELGEO"][:2])
    beam = GRID | {"primary_beam": "gaussian:2deg"}
    assert "warning: --primary-beam is about the middle of each image" in cut_slices.notes(path, **beam)
    assert "primary-beam" not in cut_slices.notes(path, phase_centre="own", **beam)
    with pytest.raises(UsageError, match="leave one of them out, or give --phase-centre own"):
        cut_slices.notes(path, phase_centre="zenith", **beam)
