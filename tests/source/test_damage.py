"""MeasurementSets damaged in every way that we can think of: a right result, or one line that says what is wrong."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fip.archive.ledger import Ledger
from support import damaged_sets, small_ms
from support.fip_command import fip, images

TRIED = 240
IN_ALL_WITHIN = 400  # s, for all variants on a busy machine
UNREAD = ("FEED", "FLAG_CMD", "HISTORY", "POINTING", "PROCESSOR", "STATE", "table.info")
"""What FIP has no need of: damage to it changes nothing."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set without damage: three integrations."""
    return small_ms.write(tmp_path_factory.mktemp("whole") / "whole.ms", small_ms.rows())


def outcomes(whole: Path, folder: Path, numbers: list[int]) -> dict[str, str]:
    """What became of each variant, by its name; those after which the interpreter was gone have "died" of something."""
    found: dict[str, str] = {}
    left = numbers
    while left:
        done = subprocess.run(
            [sys.executable, "-W", "error", damaged_sets.__file__, whole, folder, json.dumps(left)],
            capture_output=True, text=True, timeout=IN_ALL_WITHIN, check=False,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        last = -1
        for line in done.stdout.splitlines():
            last, name, said = json.loads(line)
            found[name] = said or f"died ({done.returncode}): {done.stderr[-500:]}"
        if done.returncode == 0:
            break
        assert last in left, done.stderr
        left = left[left.index(last) + 1 :]
    return found


@pytest.mark.timeout(IN_ALL_WITHIN + 20)
def test_damage_gives_a_right_result_or_one_line(whole: Path, tmp_path: Path) -> None:
    """A few hundred variants, drawn from all: no traceback, no warning, no crash, no hang, and the set is named."""
    known = damaged_sets.variants(whole)
    numbers = sorted(random.Random(20).sample(range(len(known)), TRIED))
    found = outcomes(whole, tmp_path, [*numbers, len(known)])
    undamaged = found.pop("nothing")
    assert undamaged.startswith("right ")
    assert len(found) > 0.95 * TRIED  # casacore refuses to do some of the damage
    wrong = {
        name: said
        for name, said in found.items()
        if not said.startswith("right ")
        and not (said.startswith("exit 2: ") and "damaged.ms" in said and len(said.splitlines()) == 1)
    }
    assert not wrong
    unread = {name: said for name, said in found.items() if name.startswith(UNREAD) and "keyword" not in name}
    assert len(unread) > 20
    assert set(unread.values()) == {undamaged}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("table.dat: junk", "not a MeasurementSet"),
        ("table.f0: gone", "cannot read TIME"),
        ("FIELD: no rows", "subtable FIELD"),
        ("FIELD.PHASE_DIR = nan", "is not a direction"),
        ("main.UVW: text", "column UVW holds string"),
        ("CHAN_FREQ: none", "has no channels"),
    ],
)
def test_the_command_refuses_what_is_damaged(whole: Path, tmp_path: Path, name: str, says: str) -> None:
    """Exit 2, one line, nothing written."""
    ms = small_ms.write(tmp_path / "damaged.ms", small_ms.rows())
    dict(damaged_sets.variants(whole))[name](ms)
    (tmp_path / "here").mkdir()
    done = fip("run", ms, "--size", "16", cwd=tmp_path / "here")
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.parametrize("command", ["run", "info"])
def test_damage_that_kills_casacore_does_not_kill_the_command(tmp_path: Path, command: str) -> None:
    """If casacore aborts the process that opens a table, it is said in one line all the same."""
    ms = small_ms.write(tmp_path / "deadly.ms", small_ms.rows())
    damaged_sets.deadly(ms)
    alone = subprocess.run(
        [sys.executable, "-c", f"from casacore.tables import table; table('{ms / 'FIELD'}', ack=False)"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert alone.returncode < 0  # killed by a signal; should casacore learn better, this test is no longer needed
    done = fip(command, ms, cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.strip() == f"fip: {ms}: is damaged: casacore crashes when it reads its tables"


def test_damage_within_the_data_costs_its_own_slice(tmp_path: Path) -> None:
    """One bad row in the second of three integrations: the others are imaged, exit 1, and the ledger has the reason."""
    ms = small_ms.write(tmp_path / "late.ms", small_ms.rows())
    with small_ms.edit(ms) as table:
        table.putcell("DATA", 12, np.ones((2, 4), np.complex64))
    done = fip("run", ms, "--size", "16", "--output", tmp_path / "out")
    assert done.returncode == 1, done.stdout + done.stderr
    assert [image.name for image in images(tmp_path / "out")] == ["late-t000000-dirty.fits", "late-t000002-dirty.fits"]
    ledger = Ledger(tmp_path / "out", read_only=True)
    (totals,) = ledger.totals()
    ledger.close()
    assert totals.stored == 2
    ((number, reason),) = totals.failed
    assert number == 1
    assert "cannot read DATA" in reason
