"""Which ventilator a person's command speaks to."""

from pathlib import Path

import pytest

from fip.client import operator
from fip.client.operator import CONTROL, pointed


def test_on_a_node_it_is_that_of_its_layout_unless_another_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given by its address, by a configuration file, or by the environment."""
    node, other = tmp_path / "fip.toml", tmp_path / "other.toml"
    monkeypatch.setattr(operator, "NODE_FILE", node)
    assert pointed(None, None) == {CONTROL: None}
    for file, host in ((node, "head"), (other, "elsewhere")):
        file.write_text(f'[ventilator]\ncontrol = "tcp://{host}:5557"\n')
    assert pointed(None, None) == {CONTROL: "tcp://head:5557"}
    assert pointed(other, None) == {CONTROL: None}
    assert pointed(None, "tcp://third:5557") == {CONTROL: "tcp://third:5557"}
    monkeypatch.setenv("FIP__VENTILATOR__CONTROL", "tcp://fourth:5557")
    assert pointed(None, None) == {CONTROL: None}
