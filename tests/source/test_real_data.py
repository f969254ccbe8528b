"""Real MeasurementSets of ten telescopes and writers, from file to image: the sky that each is known to show."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fip.data.directions import parse_direction
from fip.data.quantities import ARCSEC
from fip.data.settings import Asked, asked
from fip.data.values import Grid, Slice
from fip.imaging.antennas import health
from fip.imaging.dirty import dirty_image
from fip.imaging.kernels import make_kernel
from fip.source.info import describe
from fip.source.open_run import open_run
from fip.state.antennas import antennas_view
from fip.worker.stages import pass_through

pytestmark = pytest.mark.data
Unpack = Callable[[str], Path]


@dataclass(frozen=True)
class Peak:
    """The brightest pixel of an image."""

    flux: float
    east: float  # arcsec from the phase centre
    north: float  # arcsec
    sigma: float  # its height over the noise, 1.4826 x the median absolute deviation

    @classmethod
    def of(cls, piece: Slice) -> "Peak":
        """Find the peak of the first plane."""
        plane = dirty_image(piece, make_kernel(piece.settings, piece.grid)).pixels[0, 0]
        y, x = np.unravel_index(np.nanargmax(plane), plane.shape)
        grid: Grid = piece.grid
        noise = 1.4826 * float(np.nanmedian(np.abs(plane - np.nanmedian(plane))))
        return cls(
            flux=float(plane[y, x]),
            east=-(int(x) - grid.width // 2) * grid.scale / ARCSEC,
            north=(int(y) - grid.height // 2) * grid.scale / ARCSEC,
            sigma=float(plane[y, x]) / noise,
        )


def slices(path: Path, selection: Asked) -> list[Slice]:
    """Return all slices of an MS."""
    run = open_run(path, selection)
    found = [run.read(number) for number in range(len(run.slices))]
    run.close()
    return found


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("vla_frb121102", "uvw 1.0000 x (r1 - r2) of the antenna positions"),
        ("aavs3_sun", "uvw 1.0000 x (r1 - r2) of the antenna positions"),
        ("wsrt_3c343", "uvw 1.0000 x (r2 - r1) of the antenna positions"),
        # Positions turned by the observatory's longitude, 74.05 deg, and UVW of another source than the FIELD's.
        ("gmrt_1543p480", "turned by 73.9 deg they are 1.0000 x (r2 - r1)"),
        ("vla_day2_jitter", "turned by 10.7 deg they are 1.0000 x (r1 - r2)"),
    ],
)
def test_uvw_are_compared_with_the_antennas(real_ms: Unpack, name: str, says: str) -> None:
    """Both signs occur, and `fip info` says if UVW are of other antennas, another direction or another time."""
    text = " ".join(describe(real_ms(name)).split())
    assert says in text
    assert ("warning: UVW disagree" in text) == ("turned" in says)


SILENT = "SB22-11 SB4-9 SB4-5 SB3-10 SB2-11 SB15-4 SB16-10 SB7-5 SB7-2"  # amplitudes of 0.005 of the others' and less


@pytest.mark.parametrize(
    ("name", "ill"),
    [
        ("vla_frb121102", {}),
        ("wsrt_3c343", {}),
        ("gmrt_1543p480", dict.fromkeys(("E02", "E03", "S02", "W06"), "flagged")),
        ("vla_day2_jitter", {"7": "low"}),
        ("aavs3_sun", dict.fromkeys((*SILENT.split(), "SB4-1", "SB18-1"), "low")),  # the last two: 0.23 and 0.44
    ],
)
def test_antennas_that_are_ill(real_ms: Unpack, name: str, ill: dict[str, str]) -> None:
    """Antennas that are flagged away or hear next to nothing are found in one slice, and no others."""
    run = open_run(real_ms(name), asked(size=(256, 256)))
    _, tally, _ = run.read_with_antennas(0)
    run.close()
    seen = antennas_view(health(run.id, tally))
    assert seen
    assert {each.name: each.fault for each in seen.faulty} == ill


def test_a_fast_radio_burst(real_ms: Unpack) -> None:
    """FRB 121102: eight windows in one image, the field of the rows, CORRECTED_DATA by itself."""
    (piece,) = slices(real_ms("vla_frb121102"), asked(size=(1024, 1024), scale=0.5 * ARCSEC))
    assert len(piece.blocks) == 8
    assert piece.observation.column == "CORRECTED_DATA"
    assert (np.degrees(piece.grid.longitude), np.degrees(piece.grid.latitude)) == pytest.approx(
        (83.020833, 33.116944), abs=1e-6
    )
    burst = Peak.of(piece)
    # In pixels of 0.5 arcsec the brightest one is within half a pixel of the burst, and a little fainter.
    assert (burst.east, burst.north) == pytest.approx((-79.25, 111.5), abs=0.25)
    assert burst.flux == pytest.approx(0.369, abs=0.005)
    assert burst.sigma > 80


def test_a_burst_in_the_middle(real_ms: Unpack) -> None:
    """FRB 121102 imaged about its place in the catalogue (Marcote et al. 2017): there it is, as bright as before."""
    place = parse_direction("05h31m58.698s +33d08m52.586s")
    selection = asked(size=(512, 512), scale=0.25 * ARCSEC, phase_centre=place)
    (piece,) = slices(real_ms("vla_frb121102"), selection)
    burst = Peak.of(piece)
    assert np.hypot(burst.east, burst.north) < 0.5  # the beam is 2.5 arcsec wide, the burst has 70 sigma
    assert burst.flux == pytest.approx(0.37, abs=0.005)


def test_a_calibrator_in_every_integration(real_ms: Unpack) -> None:
    """GMRT 1543+480: fifteen integrations, a third of the samples flagged, the same source in each."""
    found = slices(real_ms("gmrt_1543p480"), asked(size=(1024, 1024), scale=0.5 * ARCSEC))
    used = [piece.visibilities.item() for piece in found]
    # As counted in the tables: both hands unflagged in 63.5 per cent of the samples.
    assert sum(used) / (15 * 435 * 10) == pytest.approx(0.6354, abs=1e-4)
    for piece, count in zip(found, used, strict=True):
        source = Peak.of(piece)
        # 20 sigma at least if most samples are good; the noise grows as their number falls (one hand is flagged
        # on many baselines from the eleventh integration on). 0.65 to 0.71, give or take that noise.
        sigma = 20 * np.sqrt(count / max(used))
        assert source.sigma > 0.95 * sigma
        assert 0.65 * (1 - 1 / sigma) < source.flux < 0.71 * (1 + 1 / sigma)
        # Phase errors move the peak, by less than half the beam of 4 arcsec.
        assert (source.east, source.north) == pytest.approx((-1.3, 2.7), abs=2)


def test_integrations_are_not_distinct_times(real_ms: Unpack) -> None:
    """VLA at 36 GHz: nine dumps of 10 s under fifteen TIMEs, with an INTERVAL of 0.04 s."""
    found = slices(real_ms("vla_day2_jitter"), asked(size=(64, 64)))
    assert len(found) == 9
    assert sum(piece.samples for piece in found) == 1360 * 64
    averages = np.array([piece.times.average for piece in found])
    assert np.diff(averages) == pytest.approx(10, abs=1)
    assert all(9 < piece.times.end - piece.times.begin < 11 for piece in found)


def test_the_sun_without_autocorrelations(real_ms: Unpack) -> None:
    """AAVS3: 256 antennas, the whole sky in one image, the Sun 24 degrees from the zenith."""
    (piece,) = slices(real_ms("aavs3_sun"), Asked())
    assert piece.samples == 256 * 255 // 2
    assert np.abs(piece.blocks[0].uvw).sum(axis=1).min() > 0
    assert piece.grid.frame == "ICRS"
    assert piece.grid.width * piece.grid.scale >= 2
    sun = Peak.of(piece)
    assert sun.sigma > 100
    # RA 229.80, Dec -17.95 as seen from the zenith at RA 205.482, Dec -26.587 (SIN projection).
    hour, sun_north, zenith = np.radians([229.80 - 205.482387, -17.95, -26.586695])
    east = np.cos(sun_north) * np.sin(hour)
    north = np.sin(sun_north) * np.cos(zenith) - np.cos(sun_north) * np.sin(zenith) * np.cos(hour)
    pixel = piece.grid.scale / ARCSEC
    assert (sun.east, sun.north) == pytest.approx((east / ARCSEC, north / ARCSEC), abs=pixel)


def test_channels_that_descend(real_ms: Unpack) -> None:
    """WSRT 3C343.1: eighteen scans of one integration, no WEIGHT_SPECTRUM, frequencies in falling order."""
    found = slices(real_ms("wsrt_3c343"), asked(size=(64, 64), scale=10 * ARCSEC))
    assert len(found) == 18
    centres = []
    for piece in found:
        (block,) = piece.blocks
        assert (np.diff(block.frequency) > 0).all()
        # Few baselines on a line: the source repeats across the field, so it is looked up at the centre.
        centres.append(dirty_image(piece, make_kernel(piece.settings, piece.grid)).pixels[0, 0, 32, 32])
    assert np.mean(centres) == pytest.approx(2.9, abs=0.05)
    assert np.std(centres) < 0.2


def test_an_interval_longer_than_the_cadence_is_no_average(real_ms: Unpack) -> None:
    """EHT Sgr A*: two scans, INTERVAL 25 s for dumps of 10 s, few baselines: 145 images."""
    run = open_run(real_ms("eht_sgra_two_scans"), asked(size=(64, 64)))
    assert len(run.slices) == 145
    assert run.cadence == pytest.approx(10, abs=0.01)
    run.close()


def test_averages_by_baseline_in_one_window(real_ms: Unpack) -> None:
    """Rows of 2 to 16 s, the longest once: one image of all, and nothing wrong with INTERVAL."""
    path = real_ms("pyuvdata_sim_bda")
    (piece,) = slices(path, asked(size=(64, 64)))
    assert piece.samples == 17 * 4
    assert piece.times.end - piece.times.begin == pytest.approx(16, abs=0.001)
    assert "INTERVAL is wrong" not in describe(path)


def test_averages_by_baseline_with_a_window_for_each(real_ms: Unpack) -> None:
    """LOFAR by DP3: rows of 10 and 20 s in four windows of one band: three images, each of all baselines."""
    found = slices(real_ms("dp3_bda_windows"), asked(size=(64, 64)))
    assert len(found) == 3
    assert {piece.samples for piece in found} == {2 * 3 + 2 * 2 * 4 + 3 * 1 + 22 * 2 * 8}


def test_no_two_images_overlap_in_time(real_ms: Unpack) -> None:
    """VLBA: a dump every 10 s that claims to be minutes long: 217 images, the core in the middle of each."""
    selection = asked(size=(64, 64), scale="0.12marcsec", kernel="wgridder")
    found = slices(real_ms("casa_vlba_j1033"), selection)
    assert len(found) == 217
    for before, after in pairwise(found):
        assert before.times.end <= after.times.begin
    for piece in found:
        assert 0 < piece.times.exposure <= piece.times.end - piece.times.begin < 10.1
    core = Peak.of(found[100])
    assert np.hypot(core.east, core.north) < 0.4e-3


@pytest.mark.parametrize(
    ("name", "rows", "complete"),
    [
        ("vla_day2_jitter", [1] * 9, [1] * 9),
        ("pyuvdata_sim_bda", [1], [1]),
        ("dp3_bda_windows", [1] * 3, [0.6233, 0.6233, 0.4377]),  # of three in eight samples all hands are exactly 0
        ("pyuvdata_ata_garbled", [1], [0.7482]),  # a quarter is filled in with zeros
    ],
)
def test_how_complete_they_are(real_ms: Unpack, name: str, rows: list[float], complete: list[float]) -> None:
    """Antennas that come late and averages by baseline lack nothing."""
    run = open_run(real_ms(name), asked(size=(64, 64), scale=1e-5))
    assert [run.picked.share_there(each.integrations) for each in run.slices] == rows
    assert [run.read(number).complete for number in range(len(run.slices))] == complete
    run.close()


@pytest.mark.parametrize(
    ("name", "least", "mean"), [("eht_sgra_two_scans", 1 / 6, 0.75), ("casa_vlba_j1033", 5 / 7, 0.99)]
)
def test_how_complete_they_are_if_antennas_come_and_go(real_ms: Unpack, name: str, least: float, mean: float) -> None:
    """This is VLBI: what each scan had before counts. EHT: its last dump has one baseline of six."""
    run = open_run(real_ms(name), asked(size=(64, 64), scale=1e-9))
    found = [run.picked.share_there(each.integrations) for each in run.slices]
    run.close()
    assert min(found) == pytest.approx(least)
    assert np.mean(found) == pytest.approx(mean, abs=0.005)


@pytest.mark.parametrize("kernel", ["slant", "wgridder"])
def test_garbled_values_are_named(real_ms: Unpack, kernel: str) -> None:
    """ATA 3C286, values up to 4e37: one image by any kernel, that is not called good."""
    (piece,) = slices(real_ms("pyuvdata_ata_garbled"), asked(size=(128, 128), kernel=kernel))
    assert piece.garbled > 0
    image = pass_through(piece, make_kernel(piece.settings, piece.grid))[0].images["dirty"]
    assert np.isfinite(image.pixels).all()
    assert image.kernel == kernel
    assert image.quality == "garbled"
