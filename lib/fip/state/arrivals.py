"""What became of sets that arrive in a folder: what was odd about them, and what is waited for. Pure."""

from collections.abc import Sequence
from typing import get_args

from fip.data.arriving import Oddity
from fip.state.panel import Fact, Number, Panel
from fip.state.pipeline import RunView
from fip.state.words import number

HELP = "Sets that arrived otherwise than they should: missing, late, truncated, foreign, removed, out of order."


def arrivals_panel(runs: Sequence[RunView]) -> Panel:
    """Return the panel of the runs of folders; nothing is shown if there is nothing to say."""
    odd = {run.name: {what: often for what, often in run.oddities.items() if often} for run in runs}
    waits = [f"{run.name} waits for {run.waits}" for run in runs if run.waits and not run.over]
    total = sum(sum(each.values()) for each in odd.values())
    words = [*([f"{number(total)} sets not as they should be"] if total else []), *waits]
    facts = [
        Fact(name, tuple(f"{number(often)} {what}" for what, often in each.items()), "warn")
        for name, each in odd.items()
        if each
    ]
    return Panel("arrivals", "Arrivals", " · ".join(words), facts=tuple(facts), numbers=(_numbers(runs),))


def _numbers(runs: Sequence[RunView]) -> Number:
    """How often each oddity was, of the runs in which there was one."""
    known = {(run.run, run.name): run.oddities for run in runs if run.oddities}  # the last if one was submitted twice
    values = tuple(
        ((*run, what), float(oddities.get(what, 0))) for run, oddities in known.items() for what in get_args(Oddity)
    )
    return Number("fip_run_oddities", HELP, ("run", "name", "oddity"), values)
