"""`fip run --compress rice`: each view shows what it shows of plain images, and `fip export` gives plain ones."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image as Picture

import fip as package
from fip.archive.cube import write_cube
from fip.archive.export import export_images
from fip.archive.file_names import LEDGER
from fip.archive.gallery import Gallery
from fip.archive.ledger import Ledger
from fip.archive.lightcurve import light_curve
from fip.archive.movie import Shown, make_movie
from fip.archive.report import write_report
from fip.archive.verify import verify
from fip.archive.views import Window
from fip.data.compressing import parse_compress
from fip.data.errors import UsageError
from fip.data.settings import asked
from fip.data.values import Grid, Slice
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.sink.store import Store
from fip.wire.messages import RunPlan
from fip.worker.imager import Imager
from support.fip_command import fip, images
from support.measured_run import store_flare
from support.synthetic import array_uvw, make_block, make_slice

OPTIONS = ("--size", "256", "--scale", "4arcsec", "--stokes", "IV", "--channels-out", "2", "--subtract-model")
SLICES = 12


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """The same observation twice, plain and compressed, with a transient in slices 4 to 6."""
    scratch = tmp_path_factory.mktemp("compressed")
    ms = scratch / "sim.ms"
    simulate(
        ms, Simulation(antennas=12, channels=4, integrations=SLICES, transient=1.0, transient_on=(4, 6), noise=0.2)
    )
    for name, more in (("plain", ()), ("rice", ("--compress", "rice", "--detect"))):
        done = fip("run", ms, *OPTIONS, "--workers", "1", "--output", scratch / name, *more)
        assert done.returncode == 0, done.stderr
        if more:
            assert "12 of 12 images are in" in done.stdout
            assert "transient at" in done.stdout
    yield scratch / "plain", scratch / "rice"
    shutil.rmtree(scratch)


def test_files_are_small_and_those_that_were_stored(runs: tuple[Path, Path]) -> None:
    """A fourth of the bytes, of images as small as that; nothing is left to do, and what is there is named."""
    plain, rice = (sum(each.stat().st_size for each in images(folder)) for folder in runs)
    assert rice < plain / 4
    assert verify(runs[1], digests=True) == 0
    path = images(runs[1])[3]
    kept = path.read_bytes()
    try:
        path.write_bytes(images(runs[1])[4].read_bytes().ljust(len(kept), b"\0")[: len(kept)])
        said: list[str] = []
        assert verify(runs[1], say=said.append) == 1
        assert said[0].startswith(f"{path.name} is foreign: it is the image (dirty) of integration 4")
    finally:
        path.write_bytes(kept)


def test_light_curves_are_those_of_plain_images(runs: tuple[Path, Path]) -> None:
    """All bands agree to a share of the noise: an error is uniform within half of a sixteenth of it."""
    place = fits.getheader(images(runs[0])[0])
    there = f"{place['CRVAL1'] - 0.05}deg {place['CRVAL2'] + 0.04}deg"
    plain, rice = (light_curve(folder, there, apart=True).points for folder in runs)
    assert len(plain) == len(rice) == 3 * SLICES
    for one, other in zip(plain, rice, strict=True):
        assert (np.abs(other.flux - one.flux) < 0.1 * one.error).all()  # weights may add up to more than one
        assert not np.array_equal(other.flux, one.flux)
        np.testing.assert_allclose(other.error, one.error, rtol=0.02)


def test_pages_movies_cubes_and_python_show_them(runs: tuple[Path, Path], tmp_path: Path) -> None:
    """Each within half a step of the plain ones: of its own noise, but at most twice what is expected."""
    headers = [fits.getheader(each) for each in images(runs[0])]
    half = np.array([min(each["RMS"], 2 * each.get("FIPNOISE", np.inf)) for each in headers]) / 16 / 2
    views = []
    for folder in runs:
        gallery = Gallery(folder)
        (row,) = gallery.runs()
        view = gallery.view(row.run, 5, 0, Window(40, 60, 64, 48), 512, "difference")
        cube = write_cube(folder, output=tmp_path / f"{folder.name}.fits")
        assert cube.images == SLICES
        with fits.open(cube.path, checksum=True) as opened:
            pixels = np.array(opened[0].data)
        make_movie(folder, tmp_path / f"{folder.name}.mp4", tmp_path / folder.name, shown=Shown(every=6))
        (frame, *_) = sorted((tmp_path / folder.name).iterdir())
        assert write_report(folder, tmp_path / f"{folder.name}.html").stat().st_size > 10_000
        image = package.archive(folder).images[0]
        views.append((view.width, pixels, np.asarray(Picture.open(frame), float), image))
    (width, cube_, frame_, image_), (width_rice, cube_rice, frame_rice, image_rice) = views
    assert width == width_rice
    off = np.abs(cube_[0] - cube_rice[0]).max(axis=(1, 2)) / half
    assert ((off > 0.9) & (off < 1.001)).all()
    assert np.abs(frame_ - frame_rice).max() < 40 and np.abs(frame_ - frame_rice).mean() < 1
    assert np.abs(image_.pixels[0] - image_rice.pixels[0]).max() <= 1.001 * half[0]
    assert image_.channels is not None and image_rice.channels is not None
    assert image_.channels.shape == image_rice.channels.shape == (2, 2, 256, 256)
    assert image_.beam == image_rice.beam
    assert image_.header["FIPSLICE"] == image_rice.header["FIPSLICE"]


def test_what_is_exported_is_plain(runs: tuple[Path, Path], tmp_path: Path) -> None:
    """TraP can open it: the image is in the first unit; nothing that is there is written over."""
    done = fip("export", runs[1], "--output", tmp_path / "plain")
    assert done.returncode == 0, done.stderr
    names = {each.name for each in runs[1].glob("*.fits")}
    assert {each.name for each in (tmp_path / "plain").glob("*.fits")} == names
    assert done.stdout == f"{len(names)} plain files are in {tmp_path / 'plain'}\n"
    listed = (tmp_path / "plain" / "images.txt").read_text()
    assert listed == (runs[1] / "images.txt").read_text()
    for name in listed.split():
        with fits.open(tmp_path / "plain" / name, checksum=True) as plain, fits.open(runs[1] / name) as stored:
            plain.verify("exception")
            np.testing.assert_array_equal(plain[0].data, stored[1].data)
            np.testing.assert_array_equal(plain["CHANNELS"].data, stored["CHANNELS"].data)
    with pytest.raises(UsageError, match="is there already; give another folder"):
        export_images(runs[1], tmp_path / "plain")
    with pytest.raises(UsageError, match="is a directory of stored images"):
        export_images(runs[1], runs[0])
    with pytest.raises(UsageError, match=r"no fip\.sqlite in it"):
        export_images(tmp_path, tmp_path / "other")


def test_a_directory_holds_images_of_one_kind(tmp_path: Path) -> None:
    """A run is another one if its images are compressed, and one line says so."""
    with closing(Store(tmp_path)) as store:
        assert store.open_run(RunPlan("run", "night", 9, "/night.ms", asked(compress="rice"), "")) == ""
        said = store.open_run(RunPlan("other", "night", 9, "/night.ms", asked(), ""))
        assert "holds images made with compress rice:16 (now default)" in said


def test_an_image_that_the_last_sink_did_not_enter_is_entered_as_it_is(tmp_path: Path) -> None:
    """Its file is there, but not in the ledger. Another attempt's differs; what is there is identified by itself."""
    imager = Imager()

    def slice_of(flux: float) -> Slice:
        block = make_block(array_uvw(1, 12, 300.0, 0.9), np.linspace(1.395e9, 1.405e9, 5), [(3e-4, -2e-4, flux)])
        made = make_slice([block], Grid(128, 96, 2e-5, 1.2, -0.6, "FK5"))
        return replace(made, settings=replace(made.settings, compress="rice:16"))

    first, second = (imager(slice_of(flux), "", "head/cpu0", 0.0) for flux in (1.0, 1.5))
    plan = RunPlan(first.run, "night", 9, "/night.ms", asked(compress="rice"), "")
    with closing(Store(tmp_path)) as store:
        assert store.open_run(plan) == ""
        path = store.put(first)
    for each in tmp_path.glob(f"{LEDGER}*"):
        each.unlink()
    with closing(Store(tmp_path)) as store:
        assert store.open_run(plan) == ""
        assert store.put(second) == path
    assert path.read_bytes() == bytes(first.files[0].content) != bytes(second.files[0].content)
    with closing(Ledger(tmp_path, read_only=True)) as ledger:
        (entry,) = ledger.entries()
        assert entry.rms == pytest.approx(fits.getheader(path, 1)["RMS"])
    assert verify(tmp_path, digests=True) == 0


def test_events_are_measured_in_them(tmp_path: Path) -> None:
    """The PSF that is stored beside an image stays as it is: it is multiplied by the brightest source."""
    store_flare(tmp_path, 3, on=(1,), sigma=0.1, compress="rice", make_psf="true")
    for path in images(tmp_path):
        with fits.open(path) as dirty, fits.open(path.with_name(path.name.replace("dirty", "psf"))) as psf:
            assert isinstance(dirty[1], fits.CompImageHDU)
            assert psf[0].data.shape == dirty[1].data.shape


@pytest.mark.parametrize(
    ("text", "due"),
    [("rice", "rice:16"), ("rice:4", "rice:4"), (" rice:2.50 ", "rice:2.5"), ("rice:1024", "rice:1024")],
)
def test_a_compression_is_written_in_one_way(text: str, due: str) -> None:
    """A directory knows its own then."""
    assert parse_compress(text) == due
    assert asked(compress=text).imaging.compress == due
    assert asked().imaging.compress is None


@pytest.mark.parametrize("text", ["gzip", "rice:", "rice:0", "rice:0.5", "rice:1e3", "rice:2000", "rice:nan", "16", ""])
def test_another_is_refused(text: str) -> None:
    """The message says what would work."""
    with pytest.raises(UsageError, match="as rice:16"):
        asked(compress=text)
