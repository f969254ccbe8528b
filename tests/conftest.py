"""What tests share: real MeasurementSets, a small simulated one, and daemons that are ended when a test ends."""

import os
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer

from fip.imaging.slant.cache import is_warm
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support import small_ms
from support.fip_command import FIP, images
from support.machine import Machine, why_not
from support.many_slices import SELECTION, SLICES
from support.mesh import Mesh
from support.node import Installed, install_on, pip_wheel
from support.repository import ROOT
from support.turns import Turns, in_turn

REAL_DATA = ROOT.resolve().parent / "shared" / "data"
ALLOWED_SKIPS = ("no GPU", "no schema of GCN")
"""With FIP_STRICT=1, as in CI, a test that is skipped for another reason than these has failed."""

# In CI hypothesis draws the same examples each time, so that what fails there fails again, and says how to replay it;
# elsewhere it draws new ones, so that more is tried over time.
settings.register_profile("ci", derandomize=True, print_blob=True, deadline=None)
settings.register_profile("elsewhere", print_blob=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "elsewhere")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--long` to pytest."""
    parser.addoption("--long", action="store_true", help="also run the tests marked long: minutes of kills at random")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, without a skip, the tests that run only with `--long`; processes that share the rest take turns."""
    left_out = [] if config.getoption("--long") else [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    if hasattr(config, "workerinput"):
        items[:] = in_turn(items)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Turns | None:
    """Return the scheduler that takes files in the order of `in_turn`, for `--dist loadfile`."""
    config.option.loadscopereorder = False  # xdist's own order: by how many tests a file has
    return Turns(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a function by its argument, not by its place in memory: in each process a test has the same name."""
    return argname if callable(val) and getattr(val, "__name__", "") == "<lambda>" else None


def pytest_sessionstart() -> None:
    """Compile the kernels, once for a state of their sources, at a time that counts for no test's time-out."""
    if not is_warm():
        subprocess.run([FIP, "warmup"], check=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip that is not allowed into a failure."""
    report = yield
    if report.skipped and os.environ.get("FIP_STRICT") == "1" and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr)
        if not any(allowed in reason for allowed in ALLOWED_SKIPS):
            report.outcome = "failed"
            report.longrepr = f"skipped, which FIP_STRICT=1 does not allow: {reason}"
    return report


@pytest.fixture
def ms(tmp_path: Path) -> Path:
    """Three integrations of ten baselines and four channels, linear feeds, 1 Jy."""
    return small_ms.write(tmp_path / "small.ms", small_ms.rows())


@pytest.fixture(scope="session")
def real_ms(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Unpack one of the real sets, by the name of its archive; skip if the archive is absent."""
    unpacked: dict[str, Path] = {}

    def unpack(name: str) -> Path:
        archive = REAL_DATA / f"{name}.tar.xz"
        if not archive.exists():
            pytest.skip(f"the real data are absent: {archive.name} is not in ../shared/data")
        if name not in unpacked:
            folder = tmp_path_factory.mktemp(name)
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
            unpacked[name] = next(
                table.parent for table in folder.rglob("table.dat") if (table.parent / "ANTENNA").is_dir()
            )
        return unpacked[name]

    return unpack


@pytest.fixture(scope="session")
def simulation() -> Simulation:
    """A small observation: few antennas, channels enough to be compressed, the transient on in the middle."""
    return Simulation(antennas=16, channels=32, integrations=10, transient=1.0, transient_on=(4, 6), noise=0.05)


@pytest.fixture(scope="session")
def simulated_ms(tmp_path_factory: pytest.TempPathFactory, simulation: Simulation) -> Path:
    """Write the MeasurementSet of `simulation`."""
    path = tmp_path_factory.mktemp("simulated") / "sim.ms"
    simulate(path, simulation)
    return path


@pytest.fixture(scope="session")
def many_ms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MeasurementSet of many small slices."""
    path = tmp_path_factory.mktemp("many") / "many.ms"
    simulate(path, Simulation(antennas=8, channels=4, integrations=SLICES))
    return path


@pytest.fixture(scope="session")
def undisturbed(many_ms: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The images of a run of `many_ms` that nobody disturbed."""
    with Mesh(tmp_path_factory.mktemp("undisturbed")) as mesh:
        job = mesh.submit([many_ms], SELECTION)
        mesh.wait_for_job(job)
        return {image.name: image.read_bytes() for image in images(mesh.images / job)}


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FIP and all that it needs, as a telescope without a network is given it."""
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("wheels")
    pip_wheel(folder, tmp_path_factory.mktemp("build"), "--constraint", str(ROOT / "constraints.txt"))
    return folder


@pytest.fixture(scope="session")
def installed(wheels: Path, many_ms: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """A machine that is a node, with a MeasurementSet of many slices; made once, as that takes a minute."""
    with Machine("head", {"/src": ROOT, "/wheels": wheels, "/data/many.ms": many_ms}) as machine:
        yield install_on(machine, tmp_path_factory.mktemp("copies"))


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that all may look into, and its owner alone may write."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)
