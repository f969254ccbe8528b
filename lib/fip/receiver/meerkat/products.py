"""Copies what MeerKAT's calibration solves for from telstate to files beside the spool, each renamed into place."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fip.corrections.gains.telstate_file import FOLDER_SUFFIX, Kind, Solution, write_solution
from fip.data.errors import InputError
from fip.receiver.meerkat.telstate import Telstate

log = logging.getLogger("fip.receiver.meerkat")

_OVERLAP = 600.0  # s before the newest solution that are looked at again: those of a bandpass come part by part


def folder_of_gains(spool: str) -> str:
    """Return the name of the folder of gains beside a spool of a name, "BLOCK-DIGEST.live"."""
    return str(Path(spool).with_suffix(FOLDER_SUFFIX))


class Copier:
    """Copies each solution once; one that gets more parts, once more."""

    def __init__(self, telstate: Telstate, folder: Path) -> None:
        """The folder is made when there is something to put in it."""
        self._telstate, self._folder = telstate, folder
        self._newest: dict[Kind, float] = {}
        self._copied: dict[str, int] = {}  # file -> how many of its values are solutions

    def copy(self) -> int:
        """Copy what is new; return how many. InputError if telstate cannot be read, OSError if writing fails."""
        count = 0
        for kind in get_args(Kind):
            for each in self._solutions(kind):
                self._newest[kind] = max(self._newest.get(kind, 0.0), each.time)
                solved = int(np.count_nonzero(np.isfinite(each.values)))
                if self._copied.get(each.name) == solved:
                    continue
                self._folder.mkdir(parents=True, exist_ok=True)
                write_solution(each, self._folder)
                self._copied[each.name] = solved
                log.info("%s: a solution of %s was copied to %s", self._telstate.label, kind, self._folder / each.name)
                count += 1
        return count

    def _solutions(self, kind: Kind) -> Iterator[Solution]:
        telstate = self._telstate
        antennas, hands = telstate.of_cal("antlist"), telstate.of_cal("pol_ordering")
        if antennas is None or hands is None:
            return
        names = tuple(_text(each) for each in antennas)
        order = "".join(_text(each) for each in hands)
        since = self._newest.get(kind, _OVERLAP) - _OVERLAP
        frequency = self._frequency() if kind == "B" else np.zeros(0)
        for values, time in self._values(kind, since, len(frequency), (len(order), len(names))):
            yield Solution(kind, time, names, order, frequency, values)

    def _frequency(self) -> NDArray[np.float64]:
        """Return the channels of a bandpass (Hz), as katdal's `SpectralWindow.channel_freqs` has them."""
        centre, width, channels = (self._telstate.of_cal(name) for name in ("center_freq", "bandwidth", "n_chans"))
        if centre is None or width is None or channels is None:
            raise InputError(f"{self._telstate.label}: says no center_freq, bandwidth and n_chans of the bandpass")
        number = np.arange(int(channels), dtype=np.float64) - int(channels) // 2
        return float(centre) + number * (float(width) / int(channels))

    def _values(
        self, kind: Kind, since: float, channels: int, cell: tuple[int, int]
    ) -> Iterator[tuple[NDArray[Any], float]]:
        """(values, when) of a product. Those that have not the shape that they should have are left out, and logged."""
        parts = self._telstate.of_cal(f"product_{kind}_parts")
        shape = (channels, *cell) if kind == "B" else cell
        if parts is None:
            found = [
                (np.asarray(values), float(when)) for values, when in self._telstate.solutions(f"product_{kind}", since)
            ]
        else:
            found = list(self._joined(kind, int(parts), since, channels, cell))
        for values, when in found:
            if values.shape != shape or values.dtype.kind not in "fc":
                log.warning("product_%s of %s has the shape %s, and should have %s", kind, when, values.shape, shape)
                continue
            yield (values.astype(np.float64) if kind == "K" else values.astype(np.complex64)), when

    def _joined(
        self, kind: Kind, parts: int, since: float, channels: int, cell: tuple[int, int]
    ) -> Iterator[tuple[NDArray[Any], float]]:
        """Yield a product that several servers solved for, each some channels; what one did not is NaN."""
        each_has = channels // max(1, parts)
        joined: dict[float, NDArray[Any]] = {}
        for part in range(parts):
            for values, when in self._telstate.solutions(f"product_{kind}{part}", since):
                whole = joined.setdefault(float(when), np.full((channels, *cell), np.nan, np.complex64))
                here = whole[part * each_has : (part + 1) * each_has]
                if np.shape(values) == here.shape:
                    here[...] = values
        for when in sorted(joined):
            yield joined[when], when


def _text(found: Any) -> str:
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
