"""The changes to the samples of a slice before Stokes are formed, in this order: gains, flags, model, flags again.

Opened once for a run; from then on a pure function of the samples, whatever recording they come from.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fip.corrections.feeds import check_hands, upright
from fip.corrections.flags.flags import Flags
from fip.corrections.flags.opening import open_flags
from fip.corrections.gains.opening import Gains, open_gains, paths_read
from fip.corrections.observed import Expected, Observed
from fip.corrections.predict.feeds import correlated, less
from fip.corrections.predict.smearing import Smearing
from fip.corrections.predicted import Predicted, fit, hands_of
from fip.corrections.sky.opening import Sky, open_sky
from fip.corrections.tally import Tally
from fip.data.corrections import NO_FLAGS, is_file
from fip.data.errors import UsageError
from fip.data.names import LONGEST_LINE
from fip.data.settings import Selection
from fip.data.values import Card

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Corrections:
    """The corrections of a run; each is None if it was not asked for."""

    path: Path  # of the recording, for messages
    gains: Gains | None
    flags: Flags | None
    sky: Sky | None
    smear: bool  # whether the sky is predicted as time and bandwidth smear it
    parallactic: bool  # whether samples are turned as if the feeds did not turn on the sky
    epsilon: float  # accuracy asked of images
    files: tuple[str, ...]  # and folders that they are read from

    @property
    def digests(self) -> dict[str, str]:
        """Return the digest of the content of each, by the name of its option: the run's id has it, not the paths."""
        return {name: each.digest for name, each in self._named()}

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what the log should say."""
        return tuple(f"{name}: {note}" for name, each in self._named() for note in (each.named, *each.notes))

    def cards(self, time: float) -> Iterator[Card]:
        """Yield the header cards that say what was applied at a time (s UTC since MJD 0)."""
        if self.gains:
            yield Card("FIPGAINS", self.gains.used(time)[:LONGEST_LINE], "gains applied @ digest")
        if self.flags:
            yield Card("FIPFLGBY", self.flags.named[:LONGEST_LINE], "flagged by, @ digest, beside FLAG")
        if self.sky:
            yield Card("FIPSKY", self.sky.named[:LONGEST_LINE], "sky model subtracted @ digest")
        if self.parallactic:
            yield Card("FIPPARAL", True, "feeds are turned: Q and U are of the sky")

    def apply(self, observed: Observed, model: NDArray[np.complexfloating] | None) -> tuple[Observed, Tally]:
        """Return the samples without the gains, the flagged ones, and the steady sky; and the tally of that.

        `model` [row, channel, correlation] is also subtracted: it is that of the recording (MODEL_DATA).
        """
        work = _Work(observed)
        if self.gains:
            work.change("gains", self.gains.apply)
        if self.flags:
            work.change("flags", self.flags.before)
        predicted = None
        if self.sky or model is not None:
            predicted = work.subtract(lambda seen: self._less_models(seen, model))
        if self.flags:
            flags = self.flags
            work.change("auto", lambda residual: flags.after(residual, predicted))
        if predicted is not None:
            work.tally += fit(work.observed, predicted)
        if self.parallactic:
            work.change("feeds", upright)
        return work.observed, work.tally

    def _less_models(self, observed: Observed, model: NDArray[np.complexfloating] | None) -> tuple[Observed, Predicted]:
        """Subtract the sky model and `model`; also return both together as parallel hands see them."""
        names, visibility = observed.correlations, observed.visibility
        parts: list[Predicted] = []
        if model is not None:
            parts.append(Predicted.of(names, model))
            visibility = np.subtract(visibility, model)
        if self.sky:
            stokes, hands = self._predicted(observed), hands_of(names)
            parallel = correlated(stokes, tuple(names[at] for at in hands), observed.feed_angle)
            parts.append(Predicted(hands, parallel))
            visibility = visibility.astype(np.result_type(visibility, stokes), copy=False)
            less(visibility, stokes, names, observed.feed_angle)
        return replace(observed, visibility=visibility), reduce(add, parts)

    def _predicted(self, observed: Observed) -> NDArray[np.complexfloating]:
        """Return what the sky model gives, [row, channel, 1 or 4] in Jy."""
        from fip.corrections.predict.predicting import predict  # late: it imports ducc0, and numba

        assert self.sky
        when = float(np.mean(observed.time))
        components = self.sky.components(observed.frequency, observed.field, when)
        return predict(components, self.sky.images, observed, self.epsilon, smear=Smearing() if self.smear else None)

    def _named(self) -> Iterator[tuple[str, Gains | Flags | Sky]]:
        for name, each in (("gains", self.gains), ("flag", self.flags), ("sky_model", self.sky)):
            if each is not None:
                yield name, each


class _Work:
    """Samples while they are corrected, and the tally of it."""

    def __init__(self, observed: Observed) -> None:
        self.observed = observed
        self.tally = Tally(samples=_good(observed))

    def change(self, name: str, correct: Callable[[Observed], Observed]) -> None:
        """Correct, and count what has become bad."""
        before = _good(self.observed)
        self.observed = self._timed(name, lambda: correct(self.observed))
        if flagged := before - _good(self.observed):
            self.tally += Tally(flagged={name: flagged})

    def subtract(self, correct: Callable[[Observed], tuple[Observed, Predicted]]) -> Predicted:
        """Subtract models, and return them."""
        self.observed, predicted = self._timed("model", lambda: correct(self.observed))
        return predicted

    def _timed(self, name: str, work: Callable[[], Result]) -> Result:
        begun = time.perf_counter()
        found = work()
        self.tally += Tally(seconds={name: time.perf_counter() - begun})
        return found


def open_corrections(source: Selection, expected: Expected) -> Corrections | None:
    """Open what is asked for, checked against the data; None for nothing. Raise InputError and UsageError."""
    gains = open_gains(source.gains, expected) if source.gains else None
    flags = open_flags(source.flag, expected) if source.flag != NO_FLAGS else None
    sky = open_sky(source.sky_model, expected) if source.sky_model else None
    if sky and sky.polarised and expected.feeds:
        raise UsageError(
            f"--sky-model {','.join(source.sky_model)}: has Q or U, which turn with the feeds, and its feeds "
            f"{expected.feeds} ({expected.path}): leave them out of the model"
        )
    if source.parallactic:
        for window in expected.windows:
            check_hands(window.correlations, f"{expected.path}, spectral window {window.spectral_window}")
        if expected.feeds:
            raise UsageError(f"{expected.path}: --parallactic: its feeds {expected.feeds}")
    if not (gains or flags or sky or source.subtract_model or source.parallactic):
        return None
    files = _files(source, expected)
    smeared = source.smear != "none"
    return Corrections(expected.path, gains, flags, sky, smeared, source.parallactic, expected.epsilon, files)


def _files(source: Selection, expected: Expected) -> tuple[str, ...]:
    return (*map(str, paths_read(source.gains, expected)), *filter(is_file, (source.flag, *source.sky_model)))


def _good(observed: Observed) -> int:
    return observed.bad.size - int(np.count_nonzero(observed.bad))
