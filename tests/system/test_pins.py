"""The versions that constraints.txt pins: all that FIP and its tests need, for each Python that FIP is for."""

from importlib.metadata import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from support.repository import ROOT

PINS = ROOT / "constraints.txt"
OLDEST = "3.11.2"  # Debian 12's


def test_pins_are_for_the_oldest_python_too() -> None:
    """If one is not, pip looks through all versions of all packages for a way out, for hours."""
    pins = [Requirement(line).name for line in PINS.read_text().splitlines()]
    suits = {name: SpecifierSet(metadata(name)["Requires-Python"] or "") for name in pins}
    assert [name for name in pins if not suits[name].contains(OLDEST)] == []
