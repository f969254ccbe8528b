"""The documentation: what it links to is there, and what it shows of Python runs."""

import re
from pathlib import Path

import pytest

import fip
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support.repository import ROOT

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")


def test_each_link_leads_somewhere() -> None:
    """Within the checkout, from each page."""
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))
        if not (page.parent / target).exists()
    ]
    assert not broken


def test_each_page_is_in_an_index() -> None:
    """docs/README.md lists the pages beside it, and docs/decisions/README.md the decisions."""
    for folder in (ROOT / "docs", ROOT / "docs" / "decisions"):
        index = (folder / "README.md").read_text()
        assert [
            page.name for page in folder.glob("*.md") if page.name != "README.md" and f"({page.name})" not in index
        ] == []


def test_the_page_about_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first block, as it stands there, on an observation of its name."""
    monkeypatch.chdir(tmp_path)
    simulate(Path("obs.ms"), Simulation(antennas=6, channels=4, integrations=2))
    block = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)[0]
    names: dict[str, object] = {}
    for shown, small in {
        "size=1024": "size=64",
        "1.2arcsec": "40arcsec",
        "05h31m58.7s +33d08m52s": "155deg -45deg",
    }.items():
        block = block.replace(shown, small)
    exec(compile(block, "python.md", "exec"), names)
    assert (tmp_path / "first.fits").exists()
    assert len(fip.archive("obs.fip").images) == 2
