"""Antennas that an operator should look at: those that are flagged away, or whose amplitudes are outliers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log
from statistics import median
from typing import Literal

from fip.data.quality import FLAGGED_SHARE, GAUSSIAN_RMS_PER_MAD
from fip.wire.messages import AntennaHealth

Fault = Literal["", "flagged", "high", "low"]

SIGMAS = 5.0
"""An amplitude counts as an outlier from here on: of 500 antennas with normal scatter, 3 10^-4 are beyond it."""

LEAST_FACTOR = 2.0
"""And only from this factor on, 6 dB in power, so that antennas that are all but alike are left alone."""


@dataclass(frozen=True)
class AntennaView:
    """An antenna, as it did in the slices that were read of late."""

    name: str
    flagged: float  # share of its samples that do not count, 0 to 1: `fip.wire.messages.AntennaHealth`
    level: float | None  # its amplitude over that of the median antenna; None where it has none
    fault: Fault  # flagged: more than half is; high, low: its amplitude is an outlier; else ""


@dataclass(frozen=True)
class AntennasView:
    """The antennas of the run that is read, or was read last."""

    run: str
    flagged: float  # share of all samples
    antennas: tuple[AntennaView, ...]

    @property
    def faulty(self) -> tuple[AntennaView, ...]:
        """Those that should be looked at, the ones that are flagged first."""
        return tuple(sorted((each for each in self.antennas if each.fault), key=lambda each: each.fault != "flagged"))


def antennas_view(told: AntennaHealth) -> AntennasView | None:
    """What is to be seen of them; None where there are none.

    An amplitude is an outlier where |ln level - m| > max(ln `LEAST_FACTOR`, `SIGMAS` s), with m the median of ln level
    over the antennas, s = 1.4826 times the median of |ln level - m| (Leys et al. 2013, J. Exp. Soc. Psych. 49, 764).
    """
    if not told.names:
        return None
    rows = list(zip(told.names, told.flagged, told.level, strict=False))
    amplitudes = _amplitudes([level for _, _, level in rows])
    return AntennasView(
        told.run,
        told.share,
        tuple(
            AntennaView(name, flagged, level, "flagged" if flagged > FLAGGED_SHARE else amplitude)
            for (name, flagged, level), amplitude in zip(rows, amplitudes, strict=True)
        ),
    )


def _amplitudes(levels: Sequence[float | None]) -> list[Fault]:
    """Whether each is an outlier among those that are known."""
    logs = [None if level is None else log(level) if level > 0 else -inf for level in levels]
    known = [each for each in logs if each is not None and each > -inf]
    if not known:
        return [""] * len(logs)
    middle = median(known)
    limit = max(log(LEAST_FACTOR), SIGMAS * GAUSSIAN_RMS_PER_MAD * median(abs(each - middle) for each in known))
    return ["" if each is None or abs(each - middle) <= limit else "high" if each > middle else "low" for each in logs]
