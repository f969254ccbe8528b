"""Antennas that an operator should look at: those that are flagged away, or whose amplitudes are outliers. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log
from statistics import median
from typing import Literal, get_args

from fip.data.antennas import number_name
from fip.data.quality import FLAGGED_SHARE, GAUSSIAN_RMS_PER_MAD
from fip.state.panel import Bar, Fact, Head, Level, Number, Panel, Row, Table
from fip.state.words import NONE, listed, number, percent
from fip.wire.status import AntennaHealth

Fault = Literal["", "flagged", "high", "low"]

SIGMAS = 5.0
"""An amplitude counts as an outlier from here on: of 500 antennas with normal scatter, 3 10^-4 are beyond it."""

LEVELS: dict[Fault, Level] = {"": "", "flagged": "warn", "high": "bad", "low": "bad"}
HEADS = (Head("antenna", "text"), Head("flagged", "bar"), Head("amplitude"), Head("", "text"))

LEAST_FACTOR = 2.0
"""And only from this factor on, 6 dB in power, so that antennas that are all but alike are left alone."""


@dataclass(frozen=True)
class AntennaView:
    """An antenna, as it did in the slices that were read recently."""

    name: str
    flagged: float  # share of its samples that do not count, 0 to 1: `fip.wire.messages.AntennaHealth`
    level: float | None  # its amplitude over that of the median antenna; None if it has none
    fault: Fault  # flagged: more than half is; high, low: its amplitude is an outlier; else ""

    @property
    def amplitude(self) -> str:
        """Its amplitude level in words."""
        return NONE if self.level is None else f"×{number(self.level)}"


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
    """Return what is to be seen of the antennas; None if there are none.

    An amplitude is an outlier if |ln level - m| > max(ln `LEAST_FACTOR`, `SIGMAS` s), with m the median of ln level
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


_MOST = 1e9  # times the median, the most that is reported for an amplitude


def ill(view: AntennasView | None) -> dict[str, float]:
    """Those that should be looked at in one slice, as `fip.data.antennas` has them."""
    found: dict[str, float] = {}
    for each in view.faulty if view else ():
        if each.fault:
            found[number_name(each.fault, each.name)] = (
                each.flagged if each.fault == "flagged" else min(each.level or 0.0, _MOST)
            )
    return found


def antenna_panel(view: AntennasView, run: str, labels: tuple[str, str] | None) -> Panel:
    """All antennas of the run of this name, the faulty ones first; numbers of it if it has labels: it is under way."""
    counted = Counter(each.fault for each in view.antennas)
    words = f"{run}: {len(view.antennas)} with data · {percent(view.flagged)} of samples flagged"
    states = [((*labels, fault or "well"), float(counted[fault])) for fault in get_args(Fault) if labels]
    numbers = (
        Number("fip_antennas", "Antennas with data, each in one state.", ("run", "name", "state"), tuple(states)),
        Number("fip_flagged_ratio", "Share of the samples read of late that is flagged.", ("run", "name"),
               ((labels, view.flagged),) if labels else ()),
    )  # fmt: skip
    shares = [
        each.name + f" {percent(each.flagged)}" * (each.flagged < 1) for each in view.faulty if each.fault == "flagged"
    ]
    unlike = [f"{each.name} {each.amplitude}" for each in view.faulty if each.fault != "flagged"]
    facts: list[tuple[str, list[str], Level]] = [
        ("flagged away", shares, "warn"),
        ("of unlike amplitude", unlike, "bad"),
    ]
    ordered = (*view.faulty, *(each for each in view.antennas if not each.fault))
    return Panel(
        "antennas",
        "Antennas",
        words if view.faulty else f"{words} · none stands out",
        facts=tuple(Fact(f"{len(names)} {what}", listed(names), level) for what, names, level in facts if names),
        tables=(Table("All antennas", HEADS, tuple(map(_row, ordered)), "cells"),),
        numbers=numbers,
    )


def _row(view: AntennaView) -> Row:
    share = percent(view.flagged)
    bar = Bar((("flagged", view.flagged),), share)
    return Row(view.name, (view.name, share, view.amplitude, view.fault), LEVELS[view.fault], bar)


def _amplitudes(levels: Sequence[float | None]) -> list[Fault]:
    """Whether each is an outlier among those that are known."""
    logs = [None if level is None else log(level) if level > 0 else -inf for level in levels]
    known = [each for each in logs if each is not None and each > -inf]
    if not known:
        return [""] * len(logs)
    middle = median(known)
    limit = max(log(LEAST_FACTOR), SIGMAS * GAUSSIAN_RMS_PER_MAD * median(abs(each - middle) for each in known))
    return ["" if each is None or abs(each - middle) <= limit else "high" if each > middle else "low" for each in logs]
