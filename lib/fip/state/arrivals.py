"""What became of sets that arrive in a folder: what was odd about them, and what is waited for. Pure."""

from collections.abc import Iterator, Sequence
from typing import get_args

from fip.data.arriving import Oddity
from fip.state.panel import Fact, Number
from fip.state.pipeline import RunView
from fip.state.words import number

HELP = "Sets that arrived otherwise than they should: missing, late, truncated, foreign, removed, out of order."


def arrival_facts(runs: Sequence[RunView]) -> Iterator[Fact]:
    """Of each run in which something is odd, or waited for."""
    for run in runs:
        counted = tuple(f"{number(count)} {what}" for what, count in run.oddities.items() if count)
        if counted:
            yield Fact(f"sets of {run.name}", counted, "warn")
        if run.waits and not run.over:
            yield Fact(f"{run.name} waits for", (run.waits,))


def arrival_numbers(runs: Sequence[RunView]) -> Number:
    """How often each oddity was, of the runs that come in sets."""
    values = tuple(
        ((run.run, run.name, what), float(run.oddities.get(what, 0)))
        for run in runs
        if run.oddities
        for what in get_args(Oddity)
    )
    return Number("fip_run_oddities", HELP, ("run", "name", "oddity"), values)
