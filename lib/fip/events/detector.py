"""The detector: the search for transients as a follower, which sees each stored image of a run in order, once."""

from collections.abc import Iterable
from typing import Any

from fip.archive.followed import FollowedImage
from fip.events.keeping import as_json, from_json
from fip.events.words import Asked
from fip.follower.course import Habits
from fip.follower.step import UNWRITTEN, State, Step
from fip.imaging.slant.cache import use_cache

use_cache()  # before the search is compiled

from fip.events.searching import Finding, Live, conclude, take  # noqa: E402

CHECKPOINT = 512
"""Images from one checkpoint to the next. It is as large as 55 images (36 for means): all that is needed to go on as if
nothing had been."""

NAME = "detector"
_LIVE = f"{UNWRITTEN}live"


def detector_step(asked: Asked) -> Step:
    """The step of a search; its name tells what is asked, so that a folder holds what one search found."""

    def step(state: State, image: FollowedImage) -> tuple[State, Iterable[Finding]]:
        live = live_of(state)
        return {_LIVE: live}, [] if image.late else take(live, image, asked)

    def end(state: State) -> Iterable[Finding]:
        return conclude(live_of(state), asked)

    return Step(written(asked), step, end=end, kept=_kept)


def habits(patience: float | None = None) -> Habits:
    """How it follows."""
    return Habits(CHECKPOINT, patience=patience)


def written(asked: Asked) -> str:
    """What is asked of a search, as it would be typed."""
    options = {
        "--reference": asked.reference, "--widths": asked.widest, "--stokes": asked.stokes and ",".join(asked.stokes),
        "--watch": asked.watch,
    }  # fmt: skip
    told = [f"{name} {value}" for name, value in options.items() if value]
    return " ".join([f"fip detect --false-alarms {asked.budget.events:g}/{asked.budget.seconds:g}s", *told])


def live_of(state: State) -> Live:
    """The search that a state is, or that it was when it was kept; before the first image a new one."""
    if _LIVE in state:
        live: Live = state[_LIVE]
        return live
    return from_json(Live, state["live"], state) if "live" in state else Live()


def _kept(state: State) -> State:
    kept: dict[str, Any] = {}
    kept["live"] = as_json(live_of(state), kept)
    return kept
