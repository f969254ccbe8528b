"""The promises hold in every simulated run: what is said stored is on disk, and every job ends."""

from dataclasses import replace

import pytest

from simulated.mutants import MUTANTS
from simulated.scenario import play, scenario

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
    """And nothing by default: then images come in order, later and later."""
    slow = replace(scenario(94), faults=())
    assert slow.falls_behind
    newest, oldest = (play(replace(slow, behind=behind)) for behind in ("newest", "oldest"))
    assert (newest.violation, oldest.violation) == ("", "")
    assert newest.backlog > 0
    assert oldest.backlog == 0


def test_a_seed_replays_to_the_same_trace() -> None:
    """So that what a seed found can be looked at, and mended."""
    for seed in (3, 18, 131):
        once, again = play(scenario(seed)), play(scenario(seed))
        assert (once.trace, once.story) == (again.trace, again.story)
        assert once.trace != play(scenario(seed + 1)).trace
