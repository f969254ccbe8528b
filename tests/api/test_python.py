"""`import fip`, as a program uses it: the same slices, images, errors and archive as `fip run`."""

import inspect
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import psutil
import pytest
from astropy.io import fits
from astropy.table import QTable

import fip
from fip.api.opening import OpenedSet
from fip.archive.opened import Archive
from fip.archive.sky_image import SkyImage
from fip.data.values import Slice
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support.fip_command import WITHIN, images
from support.fip_command import fip as command

OPTIONS: dict[str, Any] = {"size": 128, "scale": "20arcsec", "make_psf": True, "channels_out": 2}
TYPED = ("--size", "128", "--scale", "20arcsec", "--make-psf", "--channels-out", "2")
SLICES = 4


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MeasurementSet of a few slices."""
    path = tmp_path_factory.mktemp("few") / "few.ms"
    simulate(path, Simulation(antennas=8, channels=8, integrations=SLICES))
    return path


@pytest.fixture(scope="module")
def typed(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command `fip run` makes of it."""
    output = tmp_path_factory.mktemp("typed") / "few.fip"
    done = command("run", few, "--output", output, *TYPED)
    assert done.returncode == 0, done.stderr
    return output


def test_a_slice_is_imaged_bit_for_bit_as_by_the_command(few: Path, typed: Path, tmp_path: Path) -> None:
    """Opened, imaged and written here, under the same names."""
    with fip.open(few, **OPTIONS) as opened:
        assert_type(opened, OpenedSet)
        assert_type(opened.slices[0], Slice)
        assert len(opened.slices) == SLICES
        made = [fip.image(each) for each in opened.slices[1:3]]
    assert_type(made[0], SkyImage)
    for image in made:
        written = fip.write(image, tmp_path)
        assert written.read_bytes() == (typed / image.name).read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        f"few-t{n:06d}-{kind}.fits" for n in (1, 2) for kind in ("dirty", "psf")
    ]
    psf = made[0]["psf"]
    assert (tmp_path / psf.name).read_bytes() == (typed / psf.name).read_bytes()
    assert psf.pixels[0, 64, 64] == pytest.approx(1, abs=1e-5)


def test_an_image_says_what_its_file_says(few: Path, typed: Path) -> None:
    """Pixels, coordinates, header, beam and times of one that was just made, and of the one that is stored."""
    with fip.open(few, **OPTIONS) as opened:
        values = opened.slices[2]
    stored = fip.archive(typed).images[2]
    for image in (fip.image(values), stored):
        with fits.open(typed / "few-t000002-dirty.fits") as expected:
            np.testing.assert_array_equal(image.pixels, expected[0].data[:, 0])
            assert image.channels is not None
            np.testing.assert_array_equal(image.channels, expected["CHANNELS"].data)
            assert image.header == expected[0].header
        assert image.pixels.dtype == np.float32
        assert image.stokes == ("I",)
        centre = image.wcs.pixel_to_world(64, 64)
        assert (centre.ra.rad, centre.dec.rad) == pytest.approx((values.grid.longitude, values.grid.latitude))
        assert image.beam is not None
        assert (image.beam.major, image.beam.minor) == pytest.approx(
            (
                np.radians(image.header["BMAJ"]),
                np.radians(image.header["BMIN"]),
            )
        )
        assert image.times.average == pytest.approx(values.times.average, abs=1e-5)
        assert image.times.exposure == values.times.exposure
    assert stored.entry is not None
    assert stored.entry.quality == stored.header["FIPQUAL"]


def test_values_do_as_texts_do(few: Path) -> None:
    """An option as a value, in FIP's units, is the same as its text."""
    texts = fip.open(few, size="64x32", scale="20arcsec", stokes="I,V", interval="1~3")
    values = fip.open(few, size=(64, 32), scale=texts.asked.imaging.scale, pol=("I", "V"), interval=(1, 3))
    with texts, values:
        assert values.asked == texts.asked
        assert len(values.slices) == 2
        assert values.facts.run == texts.facts.run


def test_an_option_is_refused_in_the_words_of_the_command(few: Path, tmp_path: Path) -> None:
    """One line, by the name of who said it; also what only the data can show."""
    wrong: dict[str, Any] = {"size": "63", "scale": "2", "robust": "1"}  # by the data, a parser, the configuration
    for name, value in wrong.items():
        done = command("run", few, f"--{name}", value, cwd=tmp_path)
        with pytest.raises(fip.FipError) as refused:
            fip.open(few, **{name: value})
        assert f"fip: {refused.value}" == done.stderr.strip().replace("command line:", "fip.open:")
    with pytest.raises(fip.FipError, match=r"there is no option sise; did you mean size\?"):
        fip.open(few, sise=64)
    with pytest.raises(fip.FipError, match="psf is another name of an option that is given, too"):
        fip.open(few, make_psf=True, psf=True)
    with pytest.raises(fip.FipError, match=r"pace is of a run: give it to fip\.run"):
        fip.open(few, pace=2)
    with pytest.raises(fip.FipError, match=r"absent\.ms"):
        fip.open(tmp_path / "absent.ms")
    with pytest.raises(fip.FipError, match=r"no fip\.sqlite in it"):
        fip.archive(tmp_path)


def test_a_run_is_the_command(few: Path, typed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The same files; progress is reported up to the end; what the command prints is logged; run again, it resumes."""
    told: list[tuple[int, int]] = []
    caplog.set_level(logging.INFO, "fip.run")
    archive = fip.run(
        few, output=tmp_path / "out", workers=1, progress=lambda stored, total: told.append((stored, total)), **OPTIONS
    )
    assert_type(archive, Archive)
    assert [each.name for each in archive.images] == [each.name for each in images(typed)]
    assert all(each.content == (typed / each.name).read_bytes() for each in archive.images)
    assert told[-1] == (SLICES, SLICES)
    assert "4 of 4 images are in" in caplog.text
    fip.run(few, output=tmp_path / "out", **OPTIONS)
    assert "nothing was left to do" in caplog.text


def test_a_run_that_cannot_store_all_says_so(few: Path, tmp_path: Path) -> None:
    """What the command's summary says is the error; what could be stored is in the archive."""
    (tmp_path / "few-t000001-dirty.fits").write_text("not FIP's")
    with pytest.raises(fip.FipError, match=r"few-t000001-dirty\.fits is there already"):
        fip.run(few, output=tmp_path, workers=1, size=64, scale="20arcsec")
    archive = fip.archive(tmp_path)
    assert len(archive.images) == SLICES - 1
    assert [index for index, _ in archive.runs[0].failed] == [1]


def test_a_run_is_stopped_by_an_interrupt(few: Path, tmp_path: Path) -> None:
    """Ctrl-C: the pipeline stops cleanly before all is imaged, and nothing of it is left; it can be resumed."""

    def interrupt(stored: int, total: int) -> None:
        if stored:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fip.run(few, output=tmp_path / "out", workers=1, progress=interrupt, pace="0.01", **OPTIONS)
    assert not (tmp_path / "out" / ".fip-run.json").exists()
    assert 1 <= len(fip.archive(tmp_path / "out").images) < SLICES
    assert len(fip.run(few, output=tmp_path / "out", workers=1, **OPTIONS).images) == SLICES


def test_a_run_ends_with_its_program(few: Path, tmp_path: Path) -> None:
    """A program that is killed leaves no process behind, and a directory that is whole as far as it goes."""
    program = "import fip, sys; fip.run(sys.argv[1], output='out', workers=1, size=64, pace='0.01', progress=print)"
    command_ = [sys.executable, "-uc", program, str(few)]
    with subprocess.Popen(command_, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline() != f"1 {SLICES}\n":
            assert process.poll() is None
        left = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert len(left) > 3  # that which runs it, and its daemons
    _, alive = psutil.wait_procs(left, timeout=WITHIN)
    assert alive == []
    assert not (tmp_path / "out" / ".fip-run.json").exists()
    assert 1 <= len(fip.archive(tmp_path / "out").images) < SLICES


def test_an_archive_gives_tables_of_astropy(typed: Path) -> None:
    """The light curve is that of the command, the table is the ledger's, with units."""
    archive = fip.archive(typed)
    place = archive.images[0].wcs.pixel_to_world(70, 60)
    curve = archive.lightcurve(place)
    assert_type(curve, QTable)
    written = command("lightcurve", typed, f"ICRS {place.icrs.ra.deg}deg", f"{place.icrs.dec.deg}deg")
    as_typed = QTable.read(written.stdout, format="ascii.ecsv")
    assert curve.colnames == as_typed.colnames
    for name in ("mjd", "flux_I", "bmaj"):
        np.testing.assert_array_equal(curve[name], as_typed[name])
    assert curve["flux_I"][0].value == archive.images[0].pixels[0, 60, 70]
    table = archive.table()
    assert list(table["file"]) == [image.name for image in archive.images]
    assert [f"{table[name].unit}" for name in ("mjd", "rms", "bmaj", "frequency")] == ["d", "Jy / beam", "arcsec", "Hz"]
    assert list(table["zeros"]) == [0.0] * SLICES


def test_a_file_in_the_way_is_not_overwritten(few: Path, tmp_path: Path) -> None:
    """Unless that is asked for; and a directory of stored images is not added to."""
    with fip.open(few, **OPTIONS) as opened:
        image = fip.image(opened.slices[0])
    (tmp_path / "mine.fits").write_text("mine")
    with pytest.raises(fip.FipError, match=r"mine\.fits: is there already; overwrite=True"):
        fip.write(image, tmp_path / "mine.fits")
    assert (tmp_path / "mine.fits").read_text() == "mine"
    assert fip.write(image, tmp_path / "mine.fits", overwrite=True).read_bytes() == image.content
    assert [each.name for each in tmp_path.iterdir()] == ["mine.fits"]
    (tmp_path / "fip.sqlite").touch()
    with pytest.raises(fip.FipError, match="only `fip run` adds to"):
        fip.write(image, tmp_path)
    with pytest.raises(fip.FipError, match="there is no image of kind 'model'"):
        fip.write(image["model"], tmp_path / "model.fits")


def test_whoever_reads_survives_what_kills_the_reader(few: Path) -> None:
    """Another process reads; if it is killed, a new one reads the next slice."""
    with fip.open(few, **OPTIONS) as opened:
        first = opened.slices[0]
        opened._reading._child.kill()  # type: ignore[union-attr]  # noqa: SLF001 as damage that casacore does not survive
        assert opened.slices[0].run == first.run
    assert "casacore" not in subprocess.run(
        [sys.executable, "-c", f"import fip, sys; fip.open({str(few)!r}).slices[0]; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip


def test_importing_is_lean_and_each_name_has_a_type() -> None:
    """`import fip` imports neither numpy nor pydantic; the stub for type checkers has the same names."""
    program = "import fip, sys; print(*sys.modules); print(*dir(fip))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules, names = (line.split() for line in ended.stdout.splitlines())
    assert not {"numpy", "pydantic", "astropy", "zmq", "fip.data"} & set(modules)
    stub = Path(fip.__file__).with_suffix(".pyi").read_text()
    assert {name for name in names if name != "__version__"} == {
        line.split(" as ")[1].split()[0] for line in stub.splitlines() if " as " in line
    }
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        fip.opne  # type: ignore[attr-defined]  # noqa: B018 it is asked for


def test_help_lists_the_options() -> None:
    """Each by its name, with the help of the command line."""
    help_, signature = fip.open.__doc__ or "", str(inspect.signature(fip.run))
    assert "size: Pixels, as 1024 or 1024x768." in help_
    assert "scale=None" in signature
    assert "pace=None" in signature


def test_a_stage_of_a_user_runs_here_as_in_a_worker(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image that it adds is beside the other, bit for bit as `fip.run` stores it; its number is in the table."""
    (tmp_path / "half.py").write_text(
        "from dataclasses import replace\n"
        "def half(so_far):\n"
        "    dirty = so_far.images['dirty']\n"
        "    made = so_far.with_image('half', replace(dirty, pixels=dirty.pixels / 2))\n"
        "    return made.with_number('share', 0.5, '')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    options = OPTIONS | {"stages": ["half:half"], "kernel": "wgridder"}
    with fip.open(few, **options) as opened:
        image = fip.image(opened.slices[1])
    np.testing.assert_array_equal(image["half"].pixels, image.pixels / 2)
    archive = fip.run(few, output=tmp_path / "out", workers=1, **options)
    assert archive.images[1]["half"].content == image["half"].content
    assert list(archive.table()["share"]) == [0.5] * SLICES
