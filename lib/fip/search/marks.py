"""Marks of a slice: what is wrong with all of it, by those before it. `mark` is called once for each image."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from fip.data.quality import GAUSSIAN_RMS_PER_MAD
from fip.search.labels import INCOHERENT, NOISY
from fip.search.words import Look

LOUD = 2.0
"""The noise of a slice without a mark is at most so many times the median of recent slices."""

SURE = 5.0
"""Standard deviations by which the power of a marked slice is above that of recent ones."""

KEPT = 64  # slices that are remembered
_FEWEST = 8  # slices with which others can be compared
_ITS_OWN = 2.0  # times the power by the peaks of a slice: they may be brighter in it than in all of their slices


@dataclass(frozen=True, slots=True)
class Power:
    """The mean of |V|^2 over the samples of a slice, by their weights: all power of its baselines, coherent or not."""

    mean: float  # Jy^2
    scatter: float  # Jy^2, standard deviation of that for noise: |V|^2 has an exponential distribution


@dataclass(frozen=True, slots=True)
class Late:
    """What is remembered of recent slices, oldest first."""

    noise: tuple[float, ...] = ()  # Jy/beam
    power: tuple[float, ...] = ()  # Jy^2


def power_of(numbers: Mapping[str, float]) -> Power | None:
    """Compute it from the numbers that the ledger has of a slice (docs/ledger.md); None if it has none of them.

    They are the sums of the fingerprint, over all planes, after gains and models.
    """
    try:
        weight, total, used = (float(numbers[name]) for name in ("data_weight", "data_power", "data_used"))
    except KeyError:
        return None
    if not (weight > 0 and used > 0 and math.isfinite(total)):
        return None
    return Power(total / weight, total / weight / math.sqrt(used))


def mark(late: Late, look: Look, power: Power | None, sky: float = 0.0) -> tuple[Late, frozenset[str]]:
    """Return the marks of a slice, NOISY or INCOHERENT or both or none; and what is remembered from now on.

    `sky` is the steady flux (Jy/beam) at the place of its brightest peak: the power that a flare adds also depends on
    the flux that was there before. Slices with a mark are also remembered: a lasting change gives no mark after half of
    KEPT.
    """
    if look.new_segment:
        late = Late()
    noisy = _median(late.noise) > 0 and look.noise > LOUD * _median(late.noise)
    incoherent = power is not None and _exceeds(power, late.power, look, sky)
    marks = frozenset((NOISY,) * noisy + (INCOHERENT,) * incoherent)
    noise = (*late.noise, look.noise)[-KEPT:] if look.noise > 0 else late.noise
    return Late(noise, (*late.power, power.mean)[-KEPT:] if power else late.power), marks


def _exceeds(power: Power, late: tuple[float, ...], look: Look, sky: float) -> bool:
    """Return whether there is more power than recent slices, and the sources that stand out in this one, explain."""
    usual = _median(late)
    if not usual > 0:
        return False
    spread = GAUSSIAN_RMS_PER_MAD * median(abs(each - usual) for each in late)
    brightest = max((abs(peak.flux) for peak in look.peaks), default=0.0)
    own = _ITS_OWN * brightest * (brightest + 2 * abs(sky))
    return power.mean - usual - own > SURE * max(spread, power.scatter)


def _median(values: tuple[float, ...]) -> float:
    return median(values) if len(values) >= _FEWEST else 0.0
