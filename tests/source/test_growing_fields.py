"""Sets that are being written and whose fields come to be known late: whoever looks, whenever, has the same images."""

from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord

from fip.data.arriving import Writing
from fip.data.errors import InputError
from fip.data.quantities import ARCSEC
from fip.data.settings import asked
from fip.source import requests
from fip.source.cutting import Run
from fip.source.growing import Growing
from support import small_ms
from support.grown_sets import Filling
from support.one_sky import NIGHT, observe, own_axes

GRID: dict[str, Any] = {"size": (64, 64), "scale": 60 * ARCSEC}
SOURCE = SkyCoord(83.3, 33.4, unit="deg", frame="icrs")
ONE, OTHER = (SkyCoord(ra, 33.15, unit="deg", frame="fk5") for ra in (82.99, 83.59))
RATE = 2e-5  # rad/s


def two_fields(path: Path) -> Path:
    """Three integrations of a field, four of another, which moves, and one of the first again."""
    own = [ONE] * 3 + [OTHER] * 4 + [ONE]
    seen = [each.spherical_offsets_by(0 * units.rad, 0 * units.rad) for each in own]
    for number in range(3, 7):
        seen[number] = SkyCoord(OTHER.ra.rad + RATE * 10 * number, OTHER.dec.rad, unit="rad", frame="fk5")
    pointings = [((each.ra.rad, each.dec.rad), own_axes(at)) for each, at in zip(own, seen, strict=True)]
    observe(path, SOURCE, pointings, "J2000")
    with small_ms.edit(path / "FIELD") as table:
        table.putcell("TIME", 1, NIGHT)
        table.putcell("NUM_POLY", 1, 1)
        table.putcell("PHASE_DIR", 1, np.array([[OTHER.ra.rad, OTHER.dec.rad], [RATE, 0.0]]))
    return path


def told(run: Run) -> list[tuple[Any, ...]]:
    """Return what would be stored of each slice, and its grid."""
    return [(each.integrations, each.number, each.field, each.label, run.grids[each.field]) for each in run.slices]


@pytest.mark.parametrize("centre", [None, "own", "83.2deg 33.3deg"])
def test_a_field_that_comes_late_is_the_same_to_whoever_looks_whenever(tmp_path: Path, centre: str | None) -> None:
    """Names and numbers in files, and the grids: also of one that moves, and whose middle nobody knows yet."""
    whole = two_fields(tmp_path / "whole.ms")
    wanted = asked(**GRID) if centre is None else asked(phase_centre=centre, **GRID)
    filling = Filling(whole, tmp_path / "live.ms", 2)
    with closing(Growing(filling.path, wanted)) as growing:
        early = growing.look()
        seen = [(early.id, told(early))]
        for count in range(3, 9):
            filling.more(count)
            run = growing.look(complete=count == 8)
            with closing(Growing(filling.path, wanted)) as late:
                other = late.look(complete=count == 8)
                assert (other.id, told(other)) == (run.id, told(run))
            seen.append((run.id, told(run)))
        labels = [each.label for each in run.slices]
        pieces = [run.read(number) for number in range(8)]
    assert {each for each, _ in seen} == {early.id}
    for (_, before), (_, after) in pairwise(seen):
        assert after[: len(before)] == before
    assert len(seen[-1][1]) == 8
    if centre is None:
        assert labels == [""] * 3 + ["f1"] * 4 + [""]
        assert [each.number for each in run.slices] == [0, 1, 2, 0, 1, 2, 3, 3]
        assert pieces[3].grid.longitude == pytest.approx(OTHER.ra.rad + RATE * 30, abs=1e-12)
        assert len({each.grid for each in pieces[3:7]}) == 1
    else:
        assert labels == [""] * 8
        assert [each.number for each in run.slices] == list(range(8))


def test_of_a_field_that_comes_late_the_log_says_once_what_is_to_be_said(tmp_path: Path) -> None:
    """When its first slice is known, and to whoever looks for the first time later."""
    filling = Filling(two_fields(tmp_path / "whole.ms"), tmp_path / "live.ms", 3)
    wanted, writing = asked(**GRID), Writing()

    def seen(known: int) -> tuple[int, list[str]]:
        facts = requests.look(filling.path, wanted, writing, known=known)
        return known + len(facts.times), [note for note in facts.notes if "its phase centre moves" in note]

    assert seen(0) == (2, [])
    filling.more(4)
    assert seen(2) == (3, []), "of the fourth integration nothing is imaged yet"
    filling.more(5)
    known, notes = seen(3)
    assert known == 4
    assert [note.partition(":")[0] for note in notes] == ["field f1"]
    filling.more(6)
    assert seen(known) == (5, [])
    requests.forget(filling.path, wanted, writing)
    assert seen(0) == (5, notes)
    requests.forget(filling.path, wanted, writing)


def test_it_says_it_once_also_if_no_slice_of_the_field_is_whole_yet(tmp_path: Path) -> None:
    """Several integrations are averaged: whoever looks meanwhile hears of the field when there is a slice of it."""
    filling = Filling(two_fields(tmp_path / "whole.ms"), tmp_path / "live.ms", 3)
    wanted, writing = asked(average=3, **GRID), Writing()
    known, told = 0, list[int]()
    for count in (3, 5, 6, 8, 8):
        filling.more(count)
        quiet = count == 3  # the first field is over: nothing came for long
        facts = requests.look(filling.path, wanted, writing, complete=quiet, ended=quiet, known=known)
        known += len(facts.times)
        told += [known for note in facts.notes if "its phase centre moves" in note]
    requests.forget(filling.path, wanted, writing)
    assert told == [2]


def test_a_phase_centre_that_is_rewritten_ends_the_run_in_one_line(tmp_path: Path) -> None:
    """Nothing shows which rows were written under which; what was imaged before stays as it is."""
    whole = observe(tmp_path / "whole.ms", SOURCE, [((ONE.ra.rad, ONE.dec.rad), own_axes(ONE))] * 5, "J2000")
    filling = Filling(whole, tmp_path / "live.ms", 3)
    with closing(Growing(filling.path, asked(**GRID))) as growing:
        before = growing.look()
        small_ms.change(filling.path / "FIELD", "PHASE_DIR", lambda place: place + 0.01)
        filling.more(5)
        with pytest.raises(InputError, match=r"live\.ms: field 0 \(f0\): PHASE_DIR was \(82\.99.* is \(83\.56") as said:
            growing.look()
        assert "needs a row of FIELD of its own" in str(said.value)
        assert growing.up_to(1) is before
