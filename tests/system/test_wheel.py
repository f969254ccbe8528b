"""The wheel alone, in an environment without a checkout: the command, the program's names, the files to deploy."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from support.node import pip_wheel
from support.repository import ROOT


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean virtual environment in which the wheel is installed; what FIP needs is lent to it, FIP itself is not."""
    folder = tmp_path_factory.mktemp("wheel")
    pip_wheel(folder, tmp_path_factory.mktemp("build"), "--no-deps")
    (wheel,) = folder.glob("fip-*.whl")
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = (venv / "lib").glob("python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib"))  # a path there has no say in what else is a path
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True, env=clean())
    return venv / "bin"


def clean() -> dict[str, str]:
    """This environment, without ways to the checkout."""
    return {name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def run_in(folder: Path, *words: object) -> str:
    """What a command prints that ends well in this folder."""
    done = subprocess.run(
        list(map(str, words)), cwd=folder, env=clean(), capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_wheel_images_alone(environment: Path, tmp_path: Path) -> None:
    """`fip simulate` and `fip run` with its daemons, and `import fip`; none of it is the checkout's."""
    where = run_in(tmp_path, environment / "python", "-c", "import fip, fip_daemons; print(fip.__file__, fip.archive)")
    assert str(ROOT) not in where
    (site,) = environment.parent.glob("lib/python*/site-packages")
    for package, source in (("fip", ROOT / "lib" / "fip"), ("fip_daemons", ROOT / "daemons")):
        installed, expected = ({path.relative_to(at) for path in at.rglob("*.py")} for at in (site / package, source))
        assert installed == expected, "a package is missing in pyproject.toml"
    run_in(tmp_path, environment / "fip", "simulate", "obs.ms", "--antennas", 8, "--channels", 4, "--integrations", 2)
    said = run_in(tmp_path, environment / "fip", "run", "obs.ms", "--size", 64, "--kernel", "wgridder", "--workers", 1)
    assert "2 of 2 images are in obs.fip" in said
    run_in(tmp_path, environment / "fip", "report", "obs.fip")
    shown = run_in(
        tmp_path, environment / "python", "-c", "import fip; print(fip.archive('obs.fip').images[1].pixels.shape)"
    )
    assert shown.strip() == "(1, 64, 64)"


def test_a_wheel_has_what_an_operator_deploys(environment: Path, tmp_path: Path) -> None:
    """Each unit and configuration, as in the checkout; given again it does nothing, and replaces nothing."""
    run_in(tmp_path, environment / "fip", "units", "out")
    expected = {
        path.relative_to(ROOT): path.read_bytes()
        for folder in ("systemd", "config")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".sh"
    }
    assert {
        path.relative_to(tmp_path / "out"): path.read_bytes()
        for path in (tmp_path / "out").rglob("*.*")
        if path.is_file()
    } == expected
    assert Path("config/grafana.json") in expected
    run_in(tmp_path, environment / "fip", "units", "out")
    mine = tmp_path / "out" / "config" / "fip.toml"
    mine.write_text("# mine\n")
    done = subprocess.run(
        [environment / "fip", "units", "out"], cwd=tmp_path, env=clean(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, mine.read_text()) == (2, "# mine\n")
    assert "out/config/fip.toml: is there already, and is another" in done.stderr


def test_help_version_and_completion(environment: Path, tmp_path: Path) -> None:
    """-h is --help, for each command; completion knows commands and options."""
    assert "lightcurve" in run_in(tmp_path, environment / "fip", "-h")
    assert "--phase-centre" in run_in(tmp_path, environment / "fip", "run", "-h")
    assert run_in(tmp_path, environment / "fip", "--version") == run_in(tmp_path, environment / "fip-sink", "--version")
    asks = {"_FIP_COMPLETE": "complete_bash", "COMP_WORDS": "fip run --we", "COMP_CWORD": "2"}
    done = subprocess.run([environment / "fip"], env=clean() | asks, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["--web", "--weight", "--weighting"]
