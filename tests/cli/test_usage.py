"""What a user can get wrong is said in one line, with exit 2, before anything is begun; and what `fip run` says."""

import shutil
from pathlib import Path

import pytest

from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support.fip_command import fip, images
from support.repository import CONFIG

SMALL = ("--size", "64", "--scale", "40arcsec")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MeasurementSet of three slices."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.ms"
    simulate(path, Simulation(antennas=8, channels=4, integrations=3))
    return path


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--size", "63"), "even"),
        (("--size", "0"), "even"),
        (("--size", "wide"), "'wide' is not a size in pixels, as 1024 or 1024x768"),
        (("--size", "1000000"), "size"),
        (("--scale", "2"), "'2' is not an angle with its unit"),
        (("--scale", "-1arcsec"), "is not an angle"),
        (("--scale", "0arcsec"), "imaging.scale"),
        (("--stokes", "IX"), "names no Stokes planes"),
        (("--stokes", "RR"), "RR"),
        (("--epsilon", "1e-30"), "imaging.epsilon"),
        (("--column", "CORECTED_DATA"), "but DATA, MODEL_DATA"),
        (("--pace", "quick"), "'quick' is not a pace"),
        (("--output", "/proc/nowhere"), "--output"),
        (("--config", "absent.toml"), "absent.toml cannot be read"),
    ],
)
def test_a_wrong_option_is_refused(tiny: Path, tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    """Exit 2, one line that says what is wrong and what would work, no traceback, nothing written."""
    done = fip("run", tiny, *options, cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_path_that_is_no_measurement_set_is_refused(tiny: Path, tmp_path: Path) -> None:
    """A missing path, a folder, and a file are each refused by name."""
    (tmp_path / "folder.ms").mkdir()
    (tmp_path / "file.ms").touch()
    for name in ("absent.ms", "folder.ms", "file.ms"):
        done = fip("run", tiny, name, cwd=tmp_path)
        assert done.returncode == 2
        assert name in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.ms", "folder.ms"]


def test_other_settings_are_refused_unless_overwritten(tiny: Path, tmp_path: Path) -> None:
    """A directory holds images of one kind: others are refused, and replaced only when that is asked."""
    output = tmp_path / "out"
    assert fip("run", tiny, "--output", output, *SMALL).returncode == 0
    (output / "mine.txt").write_text("not FIP's")
    before = {image.name: image.read_bytes() for image in images(output)}
    other = ("--size", "32", "--scale", "80arcsec")
    refused = fip("run", tiny, "--output", output, *other)
    assert refused.returncode == 2
    assert "size 64x64 (now 32x32), scale 40arcsec (now 80arcsec)" in refused.stderr
    assert {image.name: image.read_bytes() for image in images(output)} == before
    assert fip("run", tiny, "--output", output, *other, "--overwrite").returncode == 0
    after = {image.name: image.read_bytes() for image in images(output)}
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in after)
    assert (output / "mine.txt").exists()


def test_measurement_sets_of_equal_stems_share_a_directory(tiny: Path, tmp_path: Path) -> None:
    """Two MeasurementSets of one name are two runs: the second's files begin with "-2"."""
    simulate(tmp_path / "tiny.ms", Simulation(antennas=8, channels=4, integrations=2, seed=7))
    done = fip("run", tiny, tmp_path / "tiny.ms", "--output", tmp_path / "out", *SMALL)
    assert done.returncode == 0, done.stderr
    names = [image.name for image in images(tmp_path / "out")]
    assert names == [f"tiny-2-t{n:06d}-dirty.fits" for n in range(2)] + [f"tiny-t{n:06d}-dirty.fits" for n in range(3)]


def test_a_copy_is_the_same_run(tiny: Path, tmp_path: Path) -> None:
    """A MeasurementSet that was moved is known again: nothing is imaged twice."""
    shutil.copytree(tiny, tmp_path / "tiny.ms")
    assert fip("run", tiny, "--output", tmp_path / "out", *SMALL).returncode == 0
    done = fip("run", tmp_path / "tiny.ms", "--output", tmp_path / "out", *SMALL)
    assert done.returncode == 0
    assert "nothing was left to do" in done.stdout


def test_a_file_in_the_way_is_not_overwritten(tiny: Path, tmp_path: Path) -> None:
    """A foreign file of an image's name stays as it is; the run goes on, and ends with exit 1 and its name."""
    output = tmp_path / "out"
    output.mkdir()
    (output / "tiny-t000001-dirty.fits").write_text("not FIP's")
    done = fip("run", tiny, "--output", output, *SMALL)
    assert done.returncode == 1
    assert "tiny-t000001-dirty.fits is there already" in done.stdout
    assert "2 of 3 images" in done.stdout
    assert (output / "tiny-t000001-dirty.fits").read_text() == "not FIP's"


def test_a_pace_is_kept(tiny: Path, tmp_path: Path) -> None:
    """At 8 times real time, three slices of 8 s take two seconds at the least."""
    done = fip("run", tiny, "--output", tmp_path / "out", *SMALL, "--pace", "8")
    assert done.returncode == 0
    words = done.stdout.split("made in ")[1]
    assert float(words.split()[0]) >= 2.0


def test_info_and_check_say_what_there_is(tiny: Path, tmp_path: Path) -> None:
    """`fip info` suggests a grid, `fip check` says who set what, and names every fault at once."""
    info = fip("info", tiny)
    assert info.returncode == 0
    assert "MeerKAT" in info.stdout
    good = CONFIG / "fip.toml"
    checked = fip("check", good)
    assert checked.returncode == 0, checked.stderr
    assert "localhost runs ventilator, sink, worker.cpu0" in checked.stdout
    bad = tmp_path / "bad.toml"
    bad.write_text('[imaging]\nscale = "2"\nepsilo = 1\n[sink]\nimages = "5559"\n[node.a]\nruns = ["flink"]\n')
    faults = fip("check", bad)
    assert faults.returncode == 2
    for says in ("imaging.scale", "did you mean epsilon?", "sink.images", "'flink'"):
        assert says in faults.stderr
