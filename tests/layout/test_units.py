"""What units say, as systemd puts them together: a drop-in wins over the unit, and the later over the one before."""

from pathlib import Path

import pytest

from support.repository import ROOT

SYSTEMD = ROOT / "systemd"
UNITS = sorted(each.name for each in SYSTEMD.glob("*.service"))
GROW = {
    "Environment",
    "SystemCallFilter",
    "After",
    "Wants",
    "SetCredential",
    "LoadCredential",
}  # lists, to which more is added


def settings(file: Path) -> dict[tuple[str, str], str]:
    """Return the settings of a unit file by section and key."""
    found, section = dict[tuple[str, str], str](), ""
    for line in file.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[section, key] = value
    return found


def files(unit: str) -> list[Path]:
    """The unit, and its drop-ins in the order in which they are read."""
    return [SYSTEMD / unit, *sorted((SYSTEMD / f"{unit}.d").glob("*.conf"))]


@pytest.mark.parametrize("unit", UNITS)
def test_what_a_unit_says_itself_is_not_taken_back(unit: str) -> None:
    """Else it would stand there and do nothing: what differs from daemon.conf is in a drop-in behind it."""
    first, *others = map(settings, files(unit))
    lost = {key for each in others for key in first.keys() & each.keys() if key[1] not in GROW}
    assert not lost


def test_a_receiver_is_started_again_also_if_its_stream_has_ended() -> None:
    """It starts at once, and however often: the next stream of MeerKAT's is heard by the next receiver."""
    said = {key: value for each in map(settings, files("fip-receiver.service")) for key, value in each.items()}
    wanted = {
        ("Service", "Restart"): "always",
        ("Service", "RestartSec"): "100ms",
        ("Unit", "StartLimitIntervalSec"): "0",
        ("Service", "FileDescriptorStoreMax"): "64",  # else systemd would close what it is given
    }
    assert said.items() >= wanted.items()
    assert said["Service", "RestartPreventExitStatus"] == "78"
