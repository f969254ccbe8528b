"""Interference that the residual visibilities of a slice show. Pure.

A point source raises all baselines of a channel alike, and is on in a good part of the band. What stands out from that
is interference: a narrow channel, a sample of a baseline, a baseline, an antenna. All spreads are taken from the data,
so that a sky whose amplitudes differ over channels and baselines makes the limits wide (docs/corrections/flags.md).
Each integration is examined by itself.
"""

import hashlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fip.corrections.flags.amplitudes import Amplitudes, amplitudes
from fip.corrections.flags.dead import LEAST, dead_rows
from fip.corrections.flags.dead import LIMIT as DEAD_LIMIT
from fip.corrections.flags.flags import Flags
from fip.corrections.flags.robust import densest, median, running_median, spread
from fip.corrections.flags.sum_threshold import sum_threshold
from fip.corrections.observed import Observed
from fip.corrections.predicted import Predicted

VERSION = 2
"""The version of the algorithm: a new number for each change that flags other samples."""

LIMIT = 6.0
"""Standard deviations by which a marked sample stands out: in 10^5 samples of noise fewer than one does."""

CHANNEL_MARGIN = 0.1
BASELINE_MARGIN = 0.5
"""Marked samples also stand out by this share of the usual amplitude: less in a few places raises no image's noise."""

NARROW = 1 / 8
"""A share of the band. A signal that all baselines see alike over more channels is taken to be of the sky."""

MOST_MARKED = 0.5
"""A baseline with more of its samples marked goes as a whole; so does an antenna with more of its baselines marked."""

FEWEST_CHANNELS = 8
FEWEST_BASELINES = 10
"""With fewer, nobody can say what is usual."""


@dataclass(frozen=True, slots=True)
class Automatic(Flags):
    """Flags by the residuals of each slice alone."""

    @classmethod
    def opened(cls) -> Self:
        """Return flags that are ready for any recording."""
        limits = LIMIT, CHANNEL_MARGIN, BASELINE_MARGIN, NARROW, MOST_MARKED, LEAST, DEAD_LIMIT
        done = repr((VERSION, limits, FEWEST_CHANNELS, FEWEST_BASELINES))
        return cls(hashlib.sha256(done.encode()).hexdigest()[:16], "auto")

    def after(self, observed: Observed, predicted: Predicted | None = None) -> Observed:
        """Mark what stands out; with a model, also mark dead antennas."""
        first, last = observed.integration.min(initial=0), observed.integration.max(initial=0)
        if first == last:
            _mark(observed, slice(None))
        else:
            for integration in np.unique(observed.integration):
                _mark(observed, np.flatnonzero(observed.integration == integration))
        if predicted is not None:
            observed.bad[dead_rows(observed, predicted)] = True
        return observed


def _mark(observed: Observed, rows: slice | NDArray[np.intp]) -> None:
    """Mark what stands out in one integration, which has these rows."""
    seen = amplitudes(observed.visibility[rows], observed.weight[rows], observed.bad[rows])
    marked = interference(seen, observed.antenna1[rows], observed.antenna2[rows])
    if marked.any():
        observed.bad[rows] |= marked[..., None] & seen.good


def interference(seen: Amplitudes, antenna1: NDArray[np.integer], antenna2: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which samples [row, channel] of one integration stand out, for rows of these antennas [row]."""
    amplitude, there = seen.amplitude, np.isfinite(seen.amplitude)
    marked = np.zeros(amplitude.shape, bool)
    profile = median(amplitude.T)  # [channel] what baselines see alike
    marked[:, narrow(profile)] = True
    over = np.where(marked, np.nan, amplitude - profile)
    usual = float(np.nanmean(profile)) if np.isfinite(profile).any() else 0.0
    if amplitude.shape[1] >= FEWEST_CHANNELS:
        marked |= sum_threshold(over, LIMIT, longest=int(amplitude.shape[1] * NARROW / 2))
        over[marked] = np.nan
    whole = _baselines(over, usual)
    left, had = np.count_nonzero(there & ~marked, axis=1), np.count_nonzero(there & np.isfinite(profile), axis=1)
    whole |= left < (1 - MOST_MARKED) * had
    whole |= _antennas(whole, there.any(axis=1), antenna1, antenna2)
    marked |= whole[:, None]
    return np.asarray(marked & there)


def narrow(profile: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which channels of a profile [channel], NaN for no value, stand out from those around them."""
    found = np.zeros(profile.shape, bool)
    there = np.flatnonzero(np.isfinite(profile))
    if there.size < FEWEST_CHANNELS:
        return found
    around = running_median(profile[there], reach=int(there.size * NARROW))
    excess = np.divide(profile[there] - around, around, out=np.zeros(there.size), where=around > 0)
    found[there] = excess > max(CHANNEL_MARGIN, LIMIT * float(spread(excess)))
    return found


def _baselines(over: NDArray[np.floating], usual: float) -> NDArray[np.bool_]:
    """Return which rows [row] are too bright over all channels: `over` [row, channel] what all see, `usual`."""
    there = np.isfinite(over)
    count = np.count_nonzero(there, axis=1)
    mean = np.full(len(over), np.nan)
    np.divide(np.where(there, over, 0).sum(axis=1), count, out=mean, where=count > 0)
    if np.count_nonzero(count) < FEWEST_BASELINES:
        return np.zeros(len(over), bool)
    middle, scatter = densest(mean)
    limit = max(BASELINE_MARGIN * (usual + middle), LIMIT * scatter)
    return np.asarray(mean - middle > limit)  # NaN is not


def _antennas(
    whole: NDArray[np.bool_], there: NDArray[np.bool_], first: NDArray[np.integer], second: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Return the rows of antennas with most baselines marked, counting the rows that are `there` [row]."""
    if not whole.any():
        return whole
    both, count = np.concatenate([first, second]), 1 + int(max(first.max(), second.max()))
    marked, known = (np.bincount(both, np.concatenate([each, each]), count) for each in (whole & there, there))
    share = np.divide(marked, known, out=np.zeros(count), where=known > 0)
    lost = share > max(MOST_MARKED, 2 * float(np.median(share[known > 0])))  # it is the antenna, and not all of them
    return np.asarray(lost[first] | lost[second])
