"""The detector: the search for transients as a follower, which sees each stored image of a run in order, once."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fip.archive.followed import FollowedImage
from fip.archive.lightcurve import Named
from fip.compiled.cache import use_cache
from fip.data.detecting import format_budget
from fip.events.keeping import as_json, from_json
from fip.events.means import write_mean
from fip.events.words import FOLDER, Asked
from fip.follower.course import Habits
from fip.follower.step import UNWRITTEN, State, Step

use_cache()  # before the search is compiled

from fip.events.live import Live  # noqa: E402
from fip.events.searching import Finding, conclude, take  # noqa: E402

CHECKPOINT = 512
"""Images from one checkpoint to the next. A checkpoint is as large as 55 images (36 for means): all that is needed to
go on as if nothing had been."""

NAME = "detector"
_LIVE = f"{UNWRITTEN}live"


def detector_step(asked: Asked, folder: str = FOLDER) -> Step:
    """Return the step of a search; its name says what is asked, so that a folder holds what one search found.

    Means that are to be stored go into `folder` beside the images.
    """

    def step(state: State, image: FollowedImage) -> tuple[State, Iterable[Finding]]:
        live = live_of(state)
        live.folder = str(image.path.parent / folder)
        found = [] if image.late else take(live, image, asked)
        _store_means(live)
        return {_LIVE: live}, found

    def end(state: State) -> Iterable[Finding]:
        live = live_of(state)
        found = conclude(live, asked)
        _store_means(live)
        return found

    return Step(written(asked), step, end=end, kept=_kept)


def _store_means(live: Live) -> None:
    """Write means before findings are entered: after a restart, the same are written again."""
    for of in live.fields.values():
        for mean in of.made:
            write_mean(Path(live.folder), of.header, mean)
        of.made.clear()


def habits(patience: float | None = None) -> Habits:
    """Return the habits with which it follows."""
    return Habits(CHECKPOINT, patience=patience)


def written(asked: Asked) -> str:
    """What is asked of a search, as it would be typed."""
    options = {
        "--reference": asked.reference, "--widths": asked.widest, "--stokes": asked.stokes and ",".join(asked.stokes),
        "--also-average": ",".join(map(str, asked.store_averages)),
        "--watch": _digest(asked.watch) if asked.watch else None,
    }  # fmt: skip
    told = [f"{name} {value}" for name, value in options.items() if value]
    return " ".join([f"fip detect --false-alarms '{format_budget(asked.budget)}'", *told])


def _digest(places: tuple[Named, ...]) -> str:
    """Return a digest of a list of places, whatever file it came in."""
    return hashlib.sha256(repr(places).encode()).hexdigest()[:8]


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
