"""A field of its own for each integration: what a search of that keeps is bounded, and what would help is said."""

from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from fip.archive.followed import read_followed
from fip.archive.lightcurve import stored_entries
from fip.events import searching
from fip.events.live import Live
from fip.events.words import Asked
from support.stored_run import store_run


def test_fields_of_one_image_each_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search of each begins with eight images: the field that has waited longest gives way, and one line says why."""
    store_run(tmp_path, 6)
    entries = stored_entries(tmp_path)
    images = [read_followed(tmp_path, "x", replace(each, label=f"f{at}")) for at, each in enumerate(entries)]
    room = 3.5 * images[0].pixels.astype("f4").nbytes / psutil.virtual_memory().total
    monkeypatch.setattr(searching, "MOST_WAITING", room)
    live, found = Live(folder=str(tmp_path / "found")), []
    for image in images:
        found += searching.take(live, image, Asked())
    assert [each["label"] for each in found] == ["f0", "f1"]
    assert all(each["what"] == "refused" and "--phase-centre DIRECTION" in each["why"] for each in found)
    assert [len(each.begun) for each in live.fields.values()] == [0, 0, 1, 1, 1, 1]
    assert [bool(each.header) for each in live.fields.values()] == [False, False, True, True, True, True]
