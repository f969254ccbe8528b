"""Weighting, point spread functions and output channels, against sums over samples that the tests weigh themselves."""

import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash
from astropy.io import fits
from casacore.tables import table
from numpy.typing import NDArray

from fip.config import load
from fip.data.errors import ConfigError, StoreError, UsageError
from fip.data.settings import Asked, Imaging, asked
from fip.data.values import Block, Grid, Slice
from fip.fits.header import header_cards
from fip.imaging.dirty import psf_image
from fip.imaging.kernels import make_kernel
from fip.imaging.weighting import weigh
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.sink.store import Store
from fip.source.open_run import open_run
from fip.wire.messages import RunPlan
from fip.worker.stages import image_file
from support import small_ms
from support.fip_command import fip, images
from support.synthetic import array_uvw, image_slice
from support.weighted_samples import ARCSEC, Array, Sky, TableSamples, imaging_weights, relative_error

SIZE = (96, 64)
SCALE = 6 * ARCSEC
CHANNELS_OUT = 3
INTEGRATION = 1
EPSILON = 1e-5

WEIGHTINGS: dict[str, dict[str, Any]] = {
    "natural": {},
    "uniform": {"weight": "uniform"},
    "robust -2": {"weight": "briggs", "robust": -2.0},
    "robust 0": {"weight": "briggs", "robust": 0.0},
    "robust 1.5": {"weight": "briggs", "robust": 1.5},
    "tapered": {"taper": 40 * ARCSEC},
    "robust 0.5, tapered": {"weight": "briggs", "robust": 0.5, "taper": 40 * ARCSEC},
}


@pytest.fixture(scope="module")
def uneven_ms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An observation whose correlations differ in weights and flags, the two hands too."""
    path = tmp_path_factory.mktemp("uneven") / "uneven.ms"
    simulate(path, Simulation(antennas=12, channels=12, integrations=2, noise=0.2, flag_fraction=0.02))
    random = np.random.default_rng(3)
    with table(str(path), readonly=False, ack=False) as main:
        weight, flag = main.getcol("WEIGHT"), main.getcol("FLAG")
        main.putcol("WEIGHT", random.uniform(0.3, 3.0, weight.shape).astype(np.float32))
        main.putcol("FLAG", flag | (random.random(flag.shape) < 0.05))
    return path


@pytest.fixture(scope="module")
def samples(uneven_ms: Path) -> TableSamples:
    """One integration of it, from the tables."""
    return TableSamples(uneven_ms, INTEGRATION)


@pytest.fixture(scope="module")
def sky(samples: TableSamples) -> Sky:
    """Return the fringes of the grid for these samples."""
    return Sky(samples, SIZE, SCALE)


def cut(path: Path, **selection: Any) -> Slice:
    """The slice that these tests look at."""
    run = open_run(path, asked(stokes=("I", "Q", "U", "V"), size=SIZE, scale=SCALE, **selection))
    slice_ = run.read(INTEGRATION)
    run.close()
    return slice_


def channel_of(samples: TableSamples) -> NDArray[np.int64]:
    """The output channel of each sample: thirds of the band, by frequency."""
    return (samples.frequency.argsort(kind="stable").argsort() * CHANNELS_OUT) // samples.frequency.size


def exact_planes(sky: Sky, samples: TableSamples, weight: Array, psf: bool = False) -> list[Array]:
    """Images [stokes, y, x] of the whole band and of each output channel."""
    visibility = np.ones_like(samples.visibility) if psf else samples.visibility
    channel = channel_of(samples)
    parts = [np.ones(channel.size, bool), *(channel == number for number in range(CHANNELS_OUT))]
    return [sky.image(visibility, weight * part) for part in parts]


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_image_and_psf_are_the_weighted_sums(name: str, uneven_ms: Path, samples: TableSamples, sky: Sky) -> None:
    """I, Q, U and V, of the whole band and of each output channel, to epsilon, on a rectangular grid."""
    slice_ = cut(uneven_ms, channels_out=CHANNELS_OUT, **WEIGHTINGS[name])
    weight = imaging_weights(samples, SIZE, SCALE, **WEIGHTINGS[name])
    kernel = make_kernel(slice_.settings, slice_.grid)
    np.testing.assert_allclose(slice_.sum_of_weights.sum(axis=1), weight.sum(axis=1), rtol=1e-6)
    assert slice_.visibilities.sum(axis=1).tolist() == np.count_nonzero(weight, axis=1).tolist()
    for psf, pixels in ((False, image_slice(slice_, kernel).pixels), (True, psf_image(slice_, kernel).pixels)):
        for plane, exact in enumerate(exact_planes(sky, samples, weight, psf)):
            for stokes in range(4):
                assert relative_error(pixels[stokes, plane], exact[stokes]) <= EPSILON, (psf, plane, stokes)
        if psf:
            np.testing.assert_allclose(pixels[:, :, SIZE[1] // 2, SIZE[0] // 2], 1, atol=EPSILON)


def test_scaling_all_weights_changes_nothing_but_their_sum(uneven_ms: Path) -> None:
    """Weights in other units, or far from 1, give the same image under density weighting."""
    before = cut(uneven_ms, weight="briggs", robust=0.0)
    blocks = [
        Block(0, b.uvw, b.frequency, b.visibility * 2e-20, b.weight * np.float32(2e-20)) for b in cut(uneven_ms).blocks
    ]
    after = weigh(blocks, before.settings, before.grid)
    np.testing.assert_allclose(after[0].weight / np.float32(2e-20), before.blocks[0].weight, rtol=1e-5)


def test_density_is_that_of_all_windows_together() -> None:
    """A block divided into two windows is weighted as the whole, the same in cells far beyond the pixels' plane."""
    settings = Imaging(stokes=("I",), epsilon=EPSILON, kernel="wgridder", weight="uniform")
    uvw, frequency = array_uvw(2, 9, 3000.0, 0.8), np.linspace(1.0e9, 1.3e9, 16)
    weight = np.random.default_rng(0).uniform(0.5, 2, (1, len(uvw), 16))
    block = Block(0, uvw, frequency, weight.astype(complex), weight)
    parts = [
        Block(0, uvw, frequency[at], weight[..., at].astype(complex), weight[..., at])
        for at in (slice(5), slice(5, 16))
    ]
    for scale in (1e-6, 1e-4, 1e-2):
        grid = Grid(4096, 4096, scale, 0.0, 0.0, "FK5")
        (whole,) = weigh([block], settings, grid)
        divided = weigh(parts, settings, grid)
        np.testing.assert_array_equal(np.concatenate([part.weight for part in divided], axis=2), whole.weight)
        cells = np.floor(
            np.where(uvw[:, 1:2] < 0, -1, 1)[..., None] * uvw[:, :2, None] * frequency * 4916 * scale / 299792458.0
        )
        occupied = len(np.unique(cells.transpose(0, 2, 1).reshape(-1, 2), axis=0))
        assert whole.weight.sum() == pytest.approx(occupied, rel=1e-9)


def test_natural_blocks_are_left_alone() -> None:
    """Natural weighting without a taper copies nothing, and no blocks are no blocks."""
    weight = np.ones((1, 36, 4), np.float32)
    block = Block(0, array_uvw(2, 9, 300.0, 0.8), 1e9 + np.arange(4.0), weight.astype(np.complex64), weight)
    grid = Grid(64, 64, 1e-5, 0.0, 0.0, "FK5")
    natural = Imaging(stokes=("I",), epsilon=EPSILON, kernel="wgridder", weight="natural")
    assert weigh([block], natural, grid)[0] is block
    for weighting in WEIGHTINGS.values():
        assert weigh([], Imaging(epsilon=EPSILON, kernel="wgridder", **weighting), grid) == ()


@pytest.fixture(scope="module")
def imaged(uneven_ms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Image that observation with every option of this page at once."""
    output = tmp_path_factory.mktemp("weighted") / "out"
    done = fip("run", uneven_ms, "--output", output, *OPTIONS)
    assert done.returncode == 0, done.stdout + done.stderr
    return output


OPTIONS = (
    *("--size", f"{SIZE[0]}x{SIZE[1]}", "--scale", "6arcsec", "--stokes", "IQUV", "--make-psf"),
    *("--weighting", "briggs", "--robust", "0.5", "--taper", "40asec", "--channels-out", CHANNELS_OUT),
)


@pytest.mark.parametrize("kind", ["dirty", "psf"])
def test_files_of_a_run_are_the_weighted_sums(imaged: Path, kind: str, samples: TableSamples, sky: Sky) -> None:
    """What `fip run` stores: whole band first, output channels behind it, of the image and of its PSF."""
    weight = imaging_weights(samples, SIZE, SCALE, "briggs", 0.5, 40 * ARCSEC)
    whole, *channels = exact_planes(sky, samples, weight, psf=kind == "psf")
    with fits.open(imaged / f"uneven-t{INTEGRATION:06d}-{kind}.fits", checksum=True) as units:
        assert [unit.name for unit in units] == ["PRIMARY", "CHANNELS", "BEAMS"]
        for stokes in range(4):
            assert relative_error(units[0].data[stokes, 0], whole[stokes]) <= EPSILON
            for number, exact in enumerate(channels):
                assert relative_error(units[1].data[stokes, number], exact[stokes]) <= EPSILON
        header, beams = units[0].header, units[2].data
    assert (header["FIPWGT"], header["FIPROBST"], header["FIPTAPER"]) == ("briggs", 0.5, pytest.approx(40 / 3600))
    assert header["FIPWSUM"] == pytest.approx(weight[0].sum(), rel=1e-6)
    np.testing.assert_allclose(beams["WSUM"].sum(), weight.sum(), rtol=1e-6)
    assert header["BTYPE"] == {"dirty": "Intensity", "psf": "Beam"}[kind]
    assert ("BUNIT" in header) == (kind == "dirty")
    verified = subprocess.run(
        ["fitsverify", "-q", str(imaged / f"uneven-t{INTEGRATION:06d}-{kind}.fits")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert verified.stdout.startswith("verification OK"), verified.stdout


def test_ledger_and_list_of_a_run_with_psfs(imaged: Path) -> None:
    """The ledger has both files of each slice; images.txt has the dirty images alone."""
    names = [f"uneven-t{number:06d}-dirty.fits" for number in range(2)]
    assert [path.name for path in images(imaged)] == names
    assert (imaged / "images.txt").read_text().split() == names
    with sqlite3.connect(imaged / "fip.sqlite") as ledger:
        rows = ledger.execute("SELECT file, bytes, psf, psf_bytes, psf_digest FROM slices ORDER BY slice").fetchall()
    for (file, size, psf, psf_size, digest), name in zip(rows, names, strict=True):
        assert (file, psf) == (name, name.replace("dirty", "psf"))
        assert (size, psf_size) == ((imaged / file).stat().st_size, (imaged / psf).stat().st_size)
        assert digest == xxhash.xxh3_64_hexdigest((imaged / psf).read_bytes())


def test_other_weights_need_another_directory_and_overwrite_removes_psfs(uneven_ms: Path, imaged: Path) -> None:
    """Changed options are refused, each by its name; with --overwrite every file of the old run goes."""
    options = ("--output", imaged, "--size", f"{SIZE[0]}x{SIZE[1]}", "--scale", "6arcsec", "--weight", "briggs:0.5")
    done = fip("run", uneven_ms, *options)
    assert done.returncode == 2
    for each in ("taper 40arcsec (now default)", "channels_out 3 (now 1)", "make_psf True (now False)"):
        assert each in done.stderr
    assert len(list(imaged.glob("*-psf.fits"))) == 2
    done = fip("run", uneven_ms, *options, "--overwrite")
    assert done.returncode == 0, done.stderr
    assert not list(imaged.glob("*-psf.fits"))
    with fits.open(images(imaged)[0]) as units:
        assert len(units) == 1


@pytest.mark.parametrize("options", [("--robust", "1"), ("--weight", "briggs:0", "--robust", "1")])
def test_a_robustness_that_would_do_nothing_is_refused(uneven_ms: Path, tmp_path: Path, options: tuple[str]) -> None:
    """--robust without briggs, or beside another one, is a usage error before anything is started."""
    done = fip("run", uneven_ms, "--output", tmp_path / "out", *options)
    assert done.returncode == 2
    assert "--robust 1: " in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("weight", "radial", "'radial' is not a weighting"),
        ("weight", "uniform:2", "'uniform:2' is not a weighting"),
        ("weight", "briggs:much", "'briggs:much' is not a weighting"),
        ("weight", "briggs:nan", "'briggs:nan' is not a weighting"),
        ("robust", float("nan"), "finite"),
        ("taper", "30", "'30' is not an angle"),
        ("taper", "0arcsec", "greater than 0"),
        ("channels_out", 0, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_a_fault(key: str, value: object, complaint: str) -> None:
    """A setting that makes no sense is named, with what was found."""
    with pytest.raises(ConfigError, match=rf"imaging\.{key}: .*{complaint}"):
        load(overrides={f"imaging.{key}": value})


@pytest.mark.parametrize(
    ("text", "robust"),
    [("natural", None), ("Uniform", None), ("briggs", 0.7), ("briggs:0", 0.0), ("briggs:-0.5", -0.5)],
)
def test_robustness_is_that_of_briggs(text: str, robust: float | None) -> None:
    """The key `robust` is for "briggs" alone, and gives way to the one that briggs:R says itself."""
    imaging = load(overrides={"imaging.weight": text, "imaging.robust": 0.7}).config.imaging
    assert imaging.robust == robust
    assert imaging.weight == text.lower().partition(":")[0]


def test_more_output_channels_than_channels_are_refused(uneven_ms: Path) -> None:
    """There is nothing to put into them."""
    with pytest.raises(UsageError, match="there are 12 channels"):
        open_run(uneven_ms, asked(channels_out=13))


def test_gap_between_windows_is_a_plane_of_nan(tmp_path: Path) -> None:
    """Windows go to output channels by frequency; a channel that none reaches is NaN, and the log says so."""
    low, high = np.linspace(1.000e9, 1.005e9, 6), np.linspace(1.013e9, 1.016e9, 4)
    path = small_ms.write(tmp_path / "gap.ms", small_ms.rows(windows=2), bands=(low, high))
    run = open_run(path, asked(size=(32, 32), channels_out=4))
    slice_ = run.read(0)
    run.close()
    assert any("no channel lies in output channel 2" in note for note in run.notes)
    parts = [(each.channel_out, each.frequency.tolist()) for each in slice_.blocks]
    assert parts == [
        (0, low[:4].tolist()),
        (1, low[4:].tolist()),
        (3, high.tolist()),
    ]  # quarters of 999.5 to 1016.5 MHz
    image = image_slice(slice_, make_kernel(slice_.settings, slice_.grid))
    assert np.isnan(image.pixels[0]).all(axis=(1, 2)).tolist() == [False, False, False, True, False]
    assert [beam is None for beam in image.channel_beams] == [False, False, True, False]


def test_image_and_psf_are_stored_both_or_not_at_all(uneven_ms: Path, tmp_path: Path) -> None:
    """A foreign file in the PSF's place: neither is stored. One left by a sink that died between the two: both are."""
    run = open_run(uneven_ms, asked(size=(32, 32), make_psf=True))
    plan = RunPlan(run.id, run.name, 2, str(uneven_ms), Asked(), "")
    slice_ = run.read(0)
    run.close()
    image = image_file(slice_, make_kernel(slice_.settings, slice_.grid), "host/cpu0", 0.0)
    store = Store(tmp_path / "out")
    assert store.open_run(plan) == ""
    psf = tmp_path / "out" / "uneven-t000000-psf.fits"
    psf.write_text("not FIP's")
    with pytest.raises(StoreError, match=r"uneven-t000000-psf\.fits is there already"):
        store.put(image)
    assert store.ledger.stored(run.id) == ()
    assert images(tmp_path / "out") == []
    psf.write_bytes(image.files[1].content)
    assert store.put(image).read_bytes() == image.files[0].content
    assert store.ledger.stored(run.id) == ((0, 1),)
    assert psf.read_bytes() == image.files[1].content
    store.clear()
    store.close()
    assert not list((tmp_path / "out").glob("*.fits"))


def test_pseudo_i_says_what_it_is(uneven_ms: Path) -> None:
    """If one hand is flagged, the image made of the other is not passed off as Stokes I, nor its run as the same."""
    header, ids = {}, set()
    for stokes in ("I", "pseudoI"):
        run = open_run(uneven_ms, asked(stokes=(stokes,), size=(32, 32)))
        slice_ = run.read(0)
        run.close()
        image = image_slice(slice_, make_kernel(slice_.settings, slice_.grid))
        header[stokes] = fits.Header.fromstring(header_cards(slice_, image, "dirty"))
        ids.add(run.id)
    assert (header["I"]["FIPSTOKE"], header["pseudoI"]["FIPSTOKE"]) == ("I", "pseudoI")
    assert "hand" in str(header["pseudoI"]["COMMENT"])
    assert header["pseudoI"]["FIPNVIS"] > header["I"]["FIPNVIS"]
    assert len(ids) == 2
