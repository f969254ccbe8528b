"""ASKAP's sets: each beam about its own centre, in Jy, with Q and U of the sky.

Values are those of what fixms 0.4.1 makes of the same set (docs/directions.md), and of spherical trigonometry.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from casacore.tables import makecoldesc
from numpy.typing import NDArray

from fip.data.errors import InputError, UsageError
from fip.data.quantities import ARCSEC
from fip.data.settings import asked
from fip.source.open_run import open_run
from support import cut_slices, small_ms
from support.direct_sum import SPEED_OF_LIGHT

GRID: dict[str, Any] = {"size": (64, 64), "scale": 60 * ARCSEC, "stokes": ("I", "Q", "U", "V")}
MOSAIC = SkyCoord(82.99, -63.15, unit="deg", frame="fk5")
OFFSETS = np.radians([[0.0, 0.0], [0.45, 0.9], [-1.35, -0.45]])  # of three beams: positive x is to the west
STOKES = (1.0, 0.3, -0.2, 0.1)
SOURCE = (20 * 60 * ARCSEC, -10 * 60 * ARCSEC)  # l and m about the beam's centre


def beam_centre(beam: int) -> SkyCoord:
    """Return the centre by astropy: north along the meridian, then west along the great circle across it."""
    north = MOSAIC.directional_offset_by(0 * units.deg, OFFSETS[beam][1] * units.rad)
    return north.directional_offset_by(-90 * units.deg, OFFSETS[beam][0] * units.rad)


def askap_set(path: Path, beam: int, angle: float = 0.0) -> Path:
    """A set of one beam as ASKAPsoft writes it: DATA is half of what it is elsewhere, X stands at -`angle` (rad)."""
    columns = small_ms.rows(2, autocorrelations=True)
    stokes_i, stokes_q, stokes_u, stokes_v = STOKES
    rotated = (stokes_q + 1j * stokes_u) * np.exp(2j * angle)

    def sky(columns: small_ms.Columns, frequency: NDArray[np.float64], _: int) -> NDArray[np.complexfloating]:
        l, m = SOURCE  # noqa: E741
        lengths = columns["UVW"] @ [l, m, np.sqrt(1 - l * l - m * m) - 1]
        phasor = np.exp(2j * np.pi * lengths[:, None] * frequency / SPEED_OF_LIGHT)
        hands = np.array(
            [
                stokes_i + rotated.real,
                rotated.imag + 1j * stokes_v,
                rotated.imag - 1j * stokes_v,
                stokes_i - rotated.real,
            ]
        )
        return np.asarray(phasor[..., None] * hands / 2, np.complex64)

    small_ms.write(path, columns, fields=[("mosaic", (MOSAIC.ra.rad, MOSAIC.dec.rad))], data={"DATA": sky})
    for name in ("FEED1", "FEED2"):
        small_ms.change(path, name, lambda feed: np.full_like(feed, beam))
    antennas, beams = len(small_ms.POSITIONS), len(OFFSETS)
    with small_ms.edit(path / "OBSERVATION") as about, small_ms.edit(path / "ANTENNA") as dishes:
        about.putcol("TELESCOPE_NAME", ["ASKAP"])
        dishes.putcol("MOUNT", ["equatorial"] * antennas)
    rows = antennas * beams
    small_ms.fill(
        path, "FEED", rows,
        ANTENNA_ID=np.repeat(np.arange(antennas, dtype=np.int32), beams),
        FEED_ID=np.tile(np.arange(beams, dtype=np.int32), antennas),
        TIME=np.full(rows, small_ms.START), INTERVAL=np.full(rows, 1e9), NUM_RECEPTORS=np.full(rows, 2, np.int32),
        BEAM_OFFSET=np.tile(np.repeat(OFFSETS[:, None, :], 2, axis=1), (antennas, 1, 1)),
        RECEPTOR_ANGLE=np.tile(angle + np.array([0.0, np.pi / 2]), (rows, 1)),
    )  # fmt: skip
    return path


def fluxes(path: Path, **selection: Any) -> list[float]:
    """I, Q, U and V at the place of the source, in the first image."""
    piece = cut_slices.cut(path, **GRID, **selection)[0]
    made = []
    for plane in range(4):
        summed = total = 0.0
        for block in piece.blocks:
            l, m = SOURCE  # noqa: E741
            lengths = block.uvw @ [l, m, np.sqrt(1 - l * l - m * m) - 1]
            phasor = np.exp(-2j * np.pi * lengths[:, None] * block.frequency / SPEED_OF_LIGHT)
            summed += float((block.visibility[plane] * phasor).real.sum())
            total += float(block.weight[plane].sum())
        made.append(summed / total)
    return made


@pytest.mark.parametrize("beam", range(3))
def test_a_beam_is_imaged_about_its_own_centre(tmp_path: Path, beam: int) -> None:
    """PHASE_DIR is that of the mosaic; BEAM_OFFSET is in FEED, and its x goes to the west."""
    path = askap_set(tmp_path / "beam.ms", beam)
    (piece, _) = cut_slices.cut(path, **GRID)
    grid = SkyCoord(piece.grid.longitude, piece.grid.latitude, unit="rad", frame="fk5")
    assert grid.separation(beam_centre(beam)).arcsec < 1e-6
    notes = cut_slices.notes(path, **GRID)
    assert ("its phase centre is PHASE_DIR moved by FEED's BEAM_OFFSET" in notes) == (beam > 0)


def test_offsets_that_change_are_those_of_the_time(tmp_path: Path) -> None:
    """Observations take each beam to one source: the row of FEED counts that holds when a field begins."""
    path = askap_set(tmp_path / "beam.ms", 1)
    with small_ms.edit(path / "FEED") as feed:
        feed.putcol("INTERVAL", np.full(feed.nrows(), 4.0))
        row = 1  # of antenna 0 and beam 1
        feed.addrows(1)
        for name in feed.colnames():
            if feed.iscelldefined(name, row):
                feed.putcell(name, feed.nrows() - 1, feed.getcell(name, row))
        feed.putcell("TIME", row, small_ms.START - 100)
        feed.putcell("BEAM_OFFSET", row, np.radians([[5.0, 5.0]] * 2))
    (piece, _) = cut_slices.cut(path, **GRID)
    grid = SkyCoord(piece.grid.longitude, piece.grid.latitude, unit="rad", frame="fk5")
    assert grid.separation(beam_centre(1)).arcsec < 1e-6


@pytest.mark.parametrize("angle", [0.0, np.pi / 2, 0.3])
def test_flux_densities_and_the_angle_of_the_receptors(tmp_path: Path, angle: float) -> None:
    """I is XX + YY; Q and U are turned by RECEPTOR_ANGLE, in the sense in which ASKAP has it, with --parallactic."""
    path = askap_set(tmp_path / "beam.ms", 1, angle)
    assert fluxes(path, parallactic=True) == pytest.approx(STOKES, abs=1e-5)
    plain = fluxes(path)
    assert [plain[0], plain[3]] == pytest.approx([STOKES[0], STOKES[3]], abs=1e-5)
    assert fluxes(path, askap_scale=1) == pytest.approx([each / 2 for each in plain], abs=1e-5)
    assert "column DATA: times 2 (--askap-scale)" in cut_slices.notes(path, **GRID)
    ids = {open_run(path, asked(**GRID, askap_scale=scale)).id for scale in (None, 1, 3)}
    assert len(ids) == 3


def test_what_fixms_has_made_is_taken_as_it_is(tmp_path: Path) -> None:
    """It moves PHASE_DIR, makes offsets 0, and puts turned hands into CORRECTED_DATA: nothing is done twice."""
    path = askap_set(tmp_path / "beam.ms", 1)
    with small_ms.edit(path / "FEED") as feed:
        feed.addcols(makecoldesc("INSTRUMENT_RECEPTOR_ANGLE", feed.getcoldesc("RECEPTOR_ANGLE")))
        feed.putcol("BEAM_OFFSET", 0 * feed.getcol("BEAM_OFFSET"))
    with small_ms.edit(path) as table:
        table.addcols(makecoldesc("CORRECTED_DATA", table.getcoldesc("DATA")))
        table.putcol("CORRECTED_DATA", 2 * table.getcol("DATA"))
    assert fluxes(path) == pytest.approx(STOKES, abs=1e-5)
    (piece, _) = cut_slices.cut(path, **GRID)
    assert (piece.grid.longitude, piece.grid.latitude) == (MOSAIC.ra.rad, MOSAIC.dec.rad)
    with pytest.raises(UsageError, match="--parallactic: its feeds have no RECEPTOR_ANGLE"):
        cut_slices.cut(path, **GRID, parallactic=True)


def test_beams_in_one_set_are_refused(tmp_path: Path) -> None:
    """FIELD has one centre for all of them."""
    path = askap_set(tmp_path / "beams.ms", 1)
    for name in ("FEED1", "FEED2"):
        small_ms.change(path, name, lambda feed: np.where(np.arange(len(feed)) % 30 < 15, 0, 2).astype(np.int32))
    with pytest.raises(InputError, match=r"beams\.ms: field 0 has beams 0, 2 of ASKAP \(FEED1\), each with a phase"):
        cut_slices.cut(path, **GRID)


def test_beams_that_turn_on_the_sky_are_refused(tmp_path: Path) -> None:
    """fixms refuses them, too: their places are not known."""
    path = askap_set(tmp_path / "beam.ms", 1)
    with small_ms.edit(path / "ANTENNA") as dishes:
        dishes.putcol("MOUNT", ["ALT-AZ"] * dishes.nrows())
    with pytest.raises(InputError, match=r"beam\.ms: is of ASKAP with the mounts ALT-AZ, of which beams turn"):
        cut_slices.cut(path, **GRID)
