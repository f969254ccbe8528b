"""The promises hold in every simulated run: what is said stored is on disk, and every job ends."""

from dataclasses import replace
from unittest.mock import patch

import pytest

from fip.ventilator.ring import Ring
from simulated.faults import Fault
from simulated.mutants import MUTANTS
from simulated.scenario import Scenario, play, scenario
from simulated.sky import MadeSet

SEEDS, AT_A_TIME = 300, 25


@pytest.mark.parametrize("first", range(0, SEEDS, AT_A_TIME))
def test_every_promise_holds_whatever_goes_wrong(first: int) -> None:
    """Kills, cuts, full and lost disks, clocks that step, damaged ledgers, junk: for each seed others."""
    found = {seed: play(scenario(seed)).violation for seed in range(first, first + AT_A_TIME)}
    broken = {seed: violation for seed, violation in found.items() if violation}
    assert not broken, f"`python -m benchmarks.simulation SEED` tells what happened: {broken}"


@pytest.mark.parametrize("line", MUTANTS)
def test_a_fault_that_is_put_back_is_found(line: str) -> None:
    """Each of those that trials found, by its seed, which has nothing to say of FIP as it is."""
    mutant = MUTANTS[line]
    with mutant.put_back():
        assert mutant.found in play(scenario(mutant.seed)).violation
    assert play(scenario(mutant.seed)).violation == ""


def test_a_run_that_falls_behind_sets_aside_what_waits_if_that_is_asked_for() -> None:
    """By default nothing is set aside: images come in order, later and later."""
    slow = replace(scenario(94), faults=())
    assert slow.falls_behind
    newest, oldest = (play(replace(slow, behind=behind)) for behind in ("newest", "oldest"))
    assert (newest.violation, oldest.violation) == ("", "")
    assert newest.backlog > 0
    assert oldest.backlog == 0


AWAY = {
    "a worker": [Fault(4.0, "stop", 2, lasts=14.0)],
    "the sink": [Fault(4.0, "stop", 1, lasts=14.0)],
}


@pytest.mark.parametrize("who", AWAY)
def test_a_stream_loses_nothing_while_others_are_away_for_longer_than_its_data_stay(who: str) -> None:
    """The ventilator is killed meanwhile; it cuts what comes, and finds what it had cut."""
    faults = (*AWAY[who], Fault(12.0, "kill", 0))
    made = MadeSet("/made/live.ms", 60, every=0.25, stays=7.0)
    live = Scenario(1, 1, (made,), {"ventilator": {"lane_depth": 2}}, faults, may_leave=False)
    assert play(live).violation == ""
    without = replace(live, config={"ventilator": {"ring": "1kB"}})
    assert "were lost" in play(without).violation
    with patch.object(Ring, "_find", lambda self: None):
        assert "is cut again, and is in the ring" in play(live).violation


def test_a_seed_replays_to_the_same_trace() -> None:
    """What a seed found can be looked at, and mended."""
    for seed in (3, 18, 131):
        once, again = play(scenario(seed)), play(scenario(seed))
        assert (once.trace, once.story) == (again.trace, again.story)
        assert once.trace != play(scenario(seed + 1)).trace


@pytest.mark.parametrize("seed", [82272, 82312])
def test_a_ventilator_that_has_just_started_cuts_nothing_that_its_ring_has(seed: int) -> None:
    """A run becomes known to it between two looks at what the ring has."""
    assert play(scenario(seed)).violation == ""


def test_slices_that_cannot_be_imaged_fail_whoever_sent_them() -> None:
    """The ventilator begins anew, and with it the numbers of attempts; four workers have copies of two of them."""
    assert play(scenario(86479)).violation == ""
