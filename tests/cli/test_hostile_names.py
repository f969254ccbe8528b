"""Names that look like markup, emoji, URLs or orders to a terminal are names: in paths, and in what is in the data."""

from pathlib import Path

import pytest
from casacore import tables

from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support.fip_command import fip

NAME = "2018-03-21:26 [/b][red] :sun: \x1b[2J\x9b31m"
SHOWN = "2018-03-21:26 [/b][red] :sun: \N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}31m"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a MeasurementSet, its images in a directory of such a name, and data that hold such names."""
    folder = tmp_path_factory.mktemp("names")
    simulate(folder / "night.ms", Simulation(antennas=8, channels=4, integrations=2))
    with tables.table(str(folder / "night.ms" / "OBSERVATION"), readonly=False, ack=False) as table:
        table.putcell("OBSERVER", 0, NAME)
        table.putcell("PROJECT", 0, NAME)
    done = fip("run", "night.ms", "--output", NAME, "--size", "64", "--scale", "40arcsec", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert f"2 of 2 images are in {SHOWN}" in done.stdout
    return folder


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("status", NAME), 0),
        (("movie", NAME), 0),
        (("report", NAME), 0),
        (("movie", NAME, "--output", f"{NAME}/x.avi"), 2),
        (("lightcurve", f"{NAME}x", "01h00m00s", "+02d00m00s"), 2),
        (("web", f"{NAME}x"), 2),
        (("run", f"{NAME}.ms"), 2),
        (("info", f"{NAME}.ms"), 2),
        (("check", f"{NAME}.toml"), 2),
        (("simulate", f"{NAME}/no/such.ms"), 2),
    ],
)
def test_a_path_is_printed_as_it_is(folder: Path, arguments: tuple[str, ...], code: int) -> None:
    """No traceback, no markup, no emoji, nothing that a terminal would act on."""
    done = fip(*arguments, cwd=folder)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert SHOWN in said
    assert not set(said) & {"\x1b", "\x9b"}
    assert "Traceback" not in said


def test_what_is_in_data_cannot_act_on_a_terminal(folder: Path) -> None:
    """`fip info` prints the names of a MeasurementSet; what is no character is replaced."""
    done = fip("info", "night.ms", cwd=folder)
    assert done.returncode == 0
    assert SHOWN in done.stdout
    assert not set(done.stdout) & {"\x1b", "\x9b"}


def test_a_log_cannot_act_on_a_terminal(folder: Path) -> None:
    """What daemons log of it cannot act either."""
    log = (folder / NAME / "fip.log").read_text()
    assert "[red]" in log
    assert not set(log) & {"\x1b", "\x9b"}
