"""`fip warmup` compiles all that a search needs: the first image that is searched does not wait for a compiler."""

import subprocess
import sys
from pathlib import Path

import pytest

from fip.events import warm
from fip.search import passes
from support.fip_command import WITHIN
from support.stored_run import store_run

SEARCHES = """
import sys
from fip.events.warm import warm_up_search
from fip.search import passes

def compiled():
    return {name: set(each.signatures) for name, each in vars(passes).items() if hasattr(each, "signatures")}

warm_up_search(print)
warmed = compiled()
print("not compiled:", [name for name, found in warmed.items() if not found and not name.startswith("_")])
from fip.cli import app
for reference in ("none", "running"):
    app(["detect", sys.argv[1], "--reference", reference, "--anew"], standalone_mode=False)
print("compiled later:", {name: found - warmed[name] for name, found in compiled().items() if found - warmed[name]})
"""


def test_a_search_needs_nothing_that_was_not_compiled_before(tmp_path: Path) -> None:
    """It runs in a process of its own: here other tests have compiled what they need."""
    store_run(tmp_path, 40)
    ran = subprocess.run(
        [sys.executable, "-c", SEARCHES, str(tmp_path)], capture_output=True, text=True, timeout=WITHIN, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "not compiled: []" in ran.stdout
    assert "compiled later: {}" in ran.stdout
    assert (tmp_path / "transients").exists()


def test_that_it_is_compiled_is_known_until_its_source_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIP_CACHE", str(tmp_path))
    monkeypatch.setattr(warm, "FOLDER", tmp_path)
    monkeypatch.setattr(warm, "search_something", lambda reference: 0)
    warm.mark().parent.mkdir()
    told: list[str] = []
    for _ in range(2):
        warm.warm_up_search(told.append)
    assert [line[:36] for line in told] == ["compiling the search for transients,"]
    changed = tmp_path / "passes.py"
    changed.write_text("another")
    before = warm.mark()
    monkeypatch.setattr(passes, "__file__", str(changed))
    assert warm.mark() != before
