"""The gains that are asked for, opened and checked once, and applied to the samples of a slice."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fip.corrections.gains.application import Correction, apply, correction_by
from fip.corrections.gains.asked import Asked
from fip.corrections.gains.cal_library import is_cal_library, read_cal_library
from fip.corrections.gains.casa_table import is_casa_table
from fip.corrections.gains.folder import Folder
from fip.corrections.gains.formats import is_h5parm, read_table
from fip.corrections.gains.solutions import Factor
from fip.corrections.gains.source import Source
from fip.corrections.gains.telstate_file import FOLDER_SUFFIX
from fip.corrections.observed import Expected, Observed
from fip.data.corrections import TELSTATE
from fip.data.errors import InputError, UsageError


def open_gains(paths: Sequence[str], expected: Expected) -> "Gains":
    """Open the gains of these tables, cal libraries and folders, in this order: the first is nearest to the recorder.

    InputError and UsageError, in one line, for what cannot be applied.
    """
    if not paths:
        raise UsageError("--gains: names nothing; give CASA tables, h5parm files, cal libraries or folders of them")
    with _reading():
        asked = [each for path in paths for each in _asked(_path(path, expected))]
        return Gains([Folder(each, expected) if _is_folder(each) else read_table(each, expected) for each in asked])


def paths_read(paths: Sequence[str], expected: Expected) -> tuple[Path, ...]:
    """Return all paths that these would read, also tables named in cal libraries. InputError for a bad library."""
    found: list[Path] = []
    with _reading():
        for path in (_path(each, expected) for each in paths):
            found += [path, *(each.path for each in _asked(path) if each.path != path)]
    return tuple(found)


def _path(written: str, expected: Expected) -> Path:
    """Return the path that is meant: beside the recording, if a receiver copies it there."""
    if written != TELSTATE:
        return Path(written)
    path = expected.path.with_suffix(FOLDER_SUFFIX)
    if not path.is_dir():
        raise InputError(
            f"--gains telstate: {path} is not there: a receiver of meerkat-l0 makes it beside its spool once a "
            f"calibrator was solved for; wait for that, or image without gains"
        )
    return path


@contextmanager
def _reading() -> Iterator[None]:
    """Turn an error of the file system into an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"--gains {error.filename}: cannot be read: {error.strerror}") from None


class Gains:
    """The gains that the option `--gains` applies."""

    def __init__(self, sources: Sequence[Source | Folder]) -> None:
        self._sources = tuple(sources)
        digests = "".join(each.digest for each in sources)
        self.digest = sources[0].digest if len(sources) == 1 else hashlib.sha256(digests.encode()).hexdigest()[:16]
        """16 hexadecimal digits of the content of what is applied; of a folder, of its name."""
        self.named = ",".join(f"{each.name}@{each.digest}" for each in sources)
        """The text that the header of an image has."""
        self._kept = _Kept()

    @property
    def notes(self) -> tuple[str, ...]:
        """Return lines for the log: what is applied in part, or was assumed."""
        return tuple(note for each in self._sources for note in each.notes)

    def apply(self, observed: Observed) -> Observed:
        """Correct samples: those without a solution become bad. Weights go with |g|^2 if calwt says so.

        It may write into the arrays of its argument. InputError if a folder cannot be read any more.
        """
        held = self._held(_middle(observed.time), observed.spectral_window)
        factors = tuple(factor for each in held for factor in each.for_samples(observed))
        observed = _writable(observed)
        if not factors:
            observed.bad[...] = True
            return observed
        times, which = np.unique(observed.time, return_inverse=True)
        for number, time in enumerate(times.tolist()):
            rows = slice(0, len(which)) if len(times) == 1 else np.flatnonzero(which == number)
            with np.errstate(invalid="ignore", over="ignore"):  # values on file may be anything
                apply(observed, rows, self._kept.correction(factors, time, observed))
        return observed

    def used(self, time: float) -> str:
        """Write for the header what is applied at a time (s UTC), the middle of a slice: a folder's table then."""
        return ",".join(
            "+".join(f"{table.name}@{table.digest}" for table in each.at(time)) or f"{each.name}: none yet"
            if isinstance(each, Folder)
            else f"{each.name}@{each.digest}"
            for each in self._sources
        )

    def _held(self, time: float, window: int) -> tuple[Source, ...]:
        """Return the tables that hold at a time for a window; none if a folder has none yet."""
        found: list[Source] = []
        for each in self._sources:
            tables = each.at(time, window) if isinstance(each, Folder) else (each,)
            if not tables:
                return ()
            found += tables
        return tuple(found)


class _Entry(NamedTuple):
    key: Any
    value: Any


class _Kept:
    """The last matrices of each table and window, and their product: most do not change from slice to slice."""

    def __init__(self) -> None:
        self._jones: dict[tuple[int, int], _Entry] = {}
        self._product: dict[int, _Entry] = {}

    def correction(self, factors: tuple[Factor, ...], time: float, observed: Observed) -> Correction:
        """Return the correction for a time and the observed channels."""
        window, channels = observed.spectral_window, observed.frequency.tobytes()
        moments = tuple(each.moment(time) for each in factors)
        dtype = np.result_type(observed.visibility.dtype, np.complex64)
        key = (factors, moments, channels, dtype)
        if (known := self._product.get(window)) and known.key == key:
            correction: Correction = known.value
            return correction
        jones = []
        for number, (factor, moment) in enumerate(zip(factors, moments, strict=True)):
            one = (factor, moment, channels)
            kept = self._jones.get((window, number))
            if kept is None or kept.key != one:
                kept = self._jones[window, number] = _Entry(one, factor.jones(moment, observed.frequency))
            jones.append(kept.value)
        made = correction_by(jones, dtype)
        self._product[window] = _Entry(key, made)
        return made


def _asked(path: Path) -> tuple[Asked, ...]:
    """Return what a path asks for: itself, or the tables in it if it is a cal library."""
    if not path.exists():
        raise InputError(f"--gains {path}: no such table, file or folder")
    library = path.is_file() and not is_h5parm(path)
    if library and not is_cal_library(path):
        raise InputError(
            f"--gains {path}: is neither a CASA table, nor an h5parm file, nor a cal library (caltable='...'), nor a "
            f"folder of tables"
        )
    return read_cal_library(path) if library else (Asked(path),)


def _is_folder(asked: Asked) -> bool:
    return asked.path.is_dir() and not is_casa_table(asked.path)


def _middle(time: NDArray[np.float64]) -> float:
    return float(time.min() + time.max()) / 2 if len(time) else 0.0


def _writable(observed: Observed) -> Observed:
    """Return the same with arrays that can be written."""
    names = ("visibility", "weight", "bad")
    copies: dict[str, Any] = {
        name: each.copy() for name in names if not (each := getattr(observed, name)).flags.writeable
    }
    return replace(observed, **copies) if copies else observed
