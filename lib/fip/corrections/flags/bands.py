"""Known bands of interference, from a text file: these channels of these baselines are never used.

A line is `LOW~HIGHUNIT`, and a limit on the baseline may follow: `933~960MHz uv<1000m`. docs/corrections/flags.md has
the whole format.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.corrections.flags.flags import Flags
from fip.corrections.observed import ExpectedWindow, Observed
from fip.data.errors import UsageError

_HERTZ = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9}
_METRES = {"m": 1.0, "km": 1e3}
_NUMBER = r"([0-9]+\.?[0-9]*|\.[0-9]+)"
_LINE = re.compile(rf"{_NUMBER} ?~ ?{_NUMBER} ?(Hz|kHz|MHz|GHz)(?: +uv ?< ?{_NUMBER} ?(m|km))?")
_LIKE = "a band is LOW~HIGH with a unit, as 933~960MHz, or with a limit on baselines, as 933~960MHz uv<1000m"


@dataclass(frozen=True, slots=True)
class KnownBand:
    """An interval of frequency in which baselines shorter than a limit are not to be used."""

    low: float  # Hz
    high: float  # Hz
    shorter: float  # m, of |(u, v)|; infinite for all baselines

    def channels(self, frequency: NDArray[np.float64], width: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which channels [channel] it reaches into, of these frequencies and widths [channel] Hz."""
        half = np.abs(width) / 2
        return np.asarray((frequency + half > self.low) & (frequency - half < self.high))


@dataclass(frozen=True, slots=True)
class KnownBands(Flags):
    """Flags from a file of known bands."""

    bands: tuple[KnownBand, ...] = ()

    def before(self, observed: Observed) -> Observed:
        """Mark the channels that a band reaches into, on the baselines that it is for."""
        length = np.hypot(observed.uvw[:, 0], observed.uvw[:, 1])
        for band in self.bands:
            channels = band.channels(observed.frequency, observed.width)
            if not channels.any():
                continue
            first, end = int(np.argmax(channels)), len(channels) - int(np.argmax(channels[::-1]))  # they are ascending
            observed.bad[length < band.shorter, first:end] = True
        return observed


def parse_bands(path: Path, content: str) -> tuple[KnownBand, ...]:
    """Return the bands of a file of this content. UsageError, with the number of the line, if a line is no band."""
    bands = []
    for number, line in enumerate(content.splitlines(), start=1):
        text = line.partition("#")[0].strip()
        if text:
            bands.append(_band(f"--flag {path}: line {number}", text))
    if not bands:
        raise UsageError(f"--flag {path}: holds no band; {_LIKE}")
    return tuple(bands)


def unmet(bands: Iterable[KnownBand], windows: Iterable[ExpectedWindow]) -> int:
    """Return how many of these bands reach into no channel of these windows."""
    known = list(windows)
    return sum(not any(band.channels(each.frequency, each.width).any() for each in known) for band in bands)


def _band(where: str, text: str) -> KnownBand:
    match = _LINE.fullmatch(text)
    if not match:
        raise UsageError(f"{where}: {text!r:.60} is no band; {_LIKE}")
    low, high = (float(match[at]) * _HERTZ[match[3]] for at in (1, 2))
    if not low < high:
        raise UsageError(f"{where}: {text!r:.60} ends before it begins; {_LIKE}")
    shorter = float(match[4]) * _METRES[match[5]] if match[4] else math.inf
    if not shorter > 0:
        raise UsageError(f"{where}: {text!r:.60} is for no baseline: give a length above 0 m, or leave uv<... out")
    return KnownBand(low, high, shorter)
