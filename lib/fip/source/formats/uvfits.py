"""The edge to UVFITS files, random groups of FITS: headers and tables by astropy, groups mapped into memory.

The format is that of AIPS Memo 117 (Greisen 2009). There uvw, in seconds, and visibilities have the signs of a
MeasurementSet: casacore's importer takes both as they are, and pyuvdata mirrors both alike. Groups are read where they
lie, a row at a time; 70 bytes a group are kept of what describes them.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from fip.data.errors import InputError, first_line
from fip.data.quantities import SECONDS_PER_DAY
from fip.source.formats.stored import UNREADABLE, Picks, Samples, StoredRecording
from fip.source.formats.uvfits_tables import Tables, read_antennas, read_fields, read_windows
from fip.source.recording import Recording
from fip.source.tables.timescales import JD_OF_MJD_0, SCALES, to_utc

SPEED_OF_LIGHT = 299792458.0
_NUMBERS = {16: ">i2", 32: ">i4", -32: ">f4", -64: ">f8"}  # by BITPIX
_AXES = ("IF", "FREQ", "STOKES", "COMPLEX")
_MOST_AXES = 9  # more are a garbled number
_MOST_PARAMETERS = 999  # of a group: PTYPE has three digits
_OF_256 = 65536  # from here on a baseline is counted by 2048, as Miriad does


def is_uvfits(path: Path) -> bool:
    """Return whether a FITS file has groups of visibilities. InputError if its header cannot be read."""
    with _reading(path), path.open("rb") as file:
        header = fits.Header.fromfile(file)
        return int(header.get("NAXIS", 0)) <= _MOST_AXES and bool(_uvw_names(header))


def open_uvfits(path: Path, growing: bool) -> Recording:
    """Open a file as a recording. InputError if it cannot be imaged."""
    if growing:
        raise InputError(f"{path}: a UVFITS file arrives whole: leave --follow out, or follow its folder")
    with _reading(path), path.open("rb") as begun, fits.open(begun, memmap=True) as file:
        header = file[0].header
        groups = _Groups(path, header, int(file[0].fileinfo()["datLoc"]))
        tables = Tables(path, header, file)
        columns = _columns(groups, tables)
        windows = read_windows(tables, groups.shape)
        used = np.unique(columns["FIELD_ID"]).tolist()
        samples: dict[str, Samples] = {"DATA": _Visibilities(groups)}
        if groups.samples.shape[-1] > 2:
            samples |= {"FLAG": _Flags(groups), "WEIGHT_SPECTRUM": _Weights(groups)}
        else:
            samples["FLAG"] = _NoFlags(groups)
        return StoredRecording(
            path, columns, samples, windows, read_fields(tables, used), read_antennas(tables),
            setups=len(windows) // groups.shape[0], telescope=tables.telescope, observer=tables.text("OBSERVER"),
        )  # fmt: skip


class _Groups:
    """The groups of a file, mapped: what describes them, and samples [group, IF, channel, correlation, number]."""

    def __init__(self, path: Path, header: Any, begin: int) -> None:
        self.path, self.header = path, header
        sides = [int(header[f"NAXIS{at}"]) for at in range(int(header["NAXIS"]), 1, -1)]
        kind, count, about = _NUMBERS[int(header["BITPIX"])], int(header["GCOUNT"]), int(header["PCOUNT"])
        dtype = np.dtype([("about", kind, (about,)), ("samples", kind, tuple(sides))])
        there = path.stat().st_size - begin
        if there < dtype.itemsize * count:
            whole = max(0, there) // dtype.itemsize
            raise InputError(f"{path}: is cut short, {whole} of {count} groups are there: copy it again")
        self.scale, self.zero = float(header.get("BSCALE", 1)), float(header.get("BZERO", 0))
        mapped = np.memmap(path, dtype, "r", begin, (count,))
        self._about = mapped["about"]
        self.names = [str(header.get(f"PTYPE{at}", "")).strip().upper() for at in range(1, about + 1)]
        self.samples = self._in_order(mapped["samples"])
        self.shape = self.samples.shape[1:4]  # windows, channels, correlations

    def _in_order(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Put the axes in order by their names; all others must be of length 1."""
        last = int(self.header["NAXIS"])
        at = {str(self.header.get(f"CTYPE{axis}", "")).strip().upper(): 1 + last - axis for axis in range(2, last + 1)}
        missing = [name for name in _AXES[1:] if name not in at]
        if missing:
            raise InputError(f"{self.path}: has no axis {', '.join(missing)}")
        others = [axis for name, axis in at.items() if name not in _AXES]
        if any(samples.shape[axis] != 1 for axis in others):
            raise InputError(f"{self.path}: an axis beside {', '.join(_AXES)} is longer than 1: {', '.join(at)}")
        kept: NDArray[Any] = samples.transpose([0, *(at[name] for name in _AXES if name in at), *others])
        picks: tuple[Any, ...] = (Ellipsis, *[0] * len(others))
        kept = kept[picks]
        if kept.shape[-1] < 2:
            raise InputError(
                f"{self.path}: its visibilities are compressed as AIPS does, a weight and a scale a group: "
                "write it uncompressed (AIPS: FITTP with DOUVCOMP -1)"
            )
        return kept if "IF" in at else kept[:, None]

    def has(self, name: str) -> bool:
        """Return whether groups have a parameter."""
        return name in self.names

    def parameter(self, name: str, less: float = 0.0) -> NDArray[np.float64]:
        """Return [group] the sum of the parameters of this name, less a number, subtracted before they are rounded."""
        total = np.zeros(len(self._about))
        zero = -less
        for at, each in enumerate(self.names, start=1):
            if each == name:
                total += self._about[:, at - 1] * float(self.header.get(f"PSCAL{at}", 1))
                zero += float(self.header.get(f"PZERO{at}", 0))
        return total + zero


def _columns(groups: _Groups, tables: Tables) -> dict[str, NDArray[Any]]:
    """Return the columns that describe the rows. InputError if u, v, w or times are of a kind that FIP cannot use."""
    names = _uvw_names(groups.header)
    frames = {name.strip("UVW").strip("-") for name in names}
    if not frames <= {"", "SIN"}:
        raise InputError(
            f"{groups.path}: its u, v and w are {', '.join(names)}: neither of a SIN projection nor in seconds: "
            "AIPS's UVFIX computes them anew"
        )
    scale = tables.time_scale
    if scale not in SCALES:
        raise InputError(f"{groups.path}: its times are {scale}; FIP reads {', '.join(SCALES)}")
    first, second = _antennas(groups, tables)
    rows = len(first)
    interval = groups.parameter("INTTIM") if groups.has("INTTIM") else np.full(rows, np.nan)
    sources = groups.has("SOURCE") and tables.sources
    setups = tables.setup_of(groups.parameter("FREQSEL")) if groups.has("FREQSEL") else np.zeros(rows, np.int64)
    return {
        "TIME": to_utc(groups.parameter("DATE", less=JD_OF_MJD_0) * SECONDS_PER_DAY, scale),
        "INTERVAL": interval,
        "ANTENNA1": first,
        "ANTENNA2": second,
        "UVW": np.stack([groups.parameter(name) for name in names], axis=1) * SPEED_OF_LIGHT,
        "FIELD_ID": groups.parameter("SOURCE").astype(np.int32) if sources else np.zeros(rows, np.int32),
        "SETUP": setups,
    }


def _uvw_names(header: Any) -> list[str]:
    """Return the names of the parameters u, v and w of groups; [] if the file has none."""
    count = int(header.get("PCOUNT", 0))
    if header.get("GROUPS") is not True or count > _MOST_PARAMETERS:
        return []
    names = [str(header.get(f"PTYPE{at}", "")).strip().upper() for at in range(1, count + 1)]
    found = [next((name for name in names if name.startswith(each)), "") for each in ("UU", "VV", "WW")]
    return found if all(found) else []


def _antennas(groups: _Groups, tables: Tables) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return both antennas of each group, as rows of the table of antennas. InputError if there are several arrays."""
    if groups.has("ANTENNA1") and groups.has("ANTENNA2"):
        first, second = groups.parameter("ANTENNA1"), groups.parameter("ANTENNA2")
        array = groups.parameter("SUBARRAY") if groups.has("SUBARRAY") else np.ones(len(first))
    elif groups.has("BASELINE"):
        coded = groups.parameter("BASELINE")
        number = np.floor(coded + 1e-3)
        array = np.round((coded - number) * 100) + 1
        many = number > _OF_256
        base = np.where(many, 2048, 256)
        first, second = np.divmod(np.where(many, number - _OF_256, number), base)
    else:
        raise InputError(f"{groups.path}: its groups have neither BASELINE nor ANTENNA1 and ANTENNA2")
    if np.unique(array).size > 1:
        raise InputError(f"{groups.path}: holds {np.unique(array).size} subarrays: write each as a file of its own")
    tables.subarray = int(array[0]) if len(array) else 1
    return tables.antenna_rows(first), tables.antenna_rows(second)


class _Numbers:
    """Samples of a file, [group, IF, channel, correlation, number]."""

    dtype: np.dtype[Any]

    def __init__(self, groups: _Groups) -> None:
        self.groups = groups

    def of(self, rows: Picks, part: int, first: int, buffer: NDArray[Any]) -> NDArray[Any]:
        """Return the numbers that `Samples.read` is asked for."""
        here: NDArray[Any] = self.groups.samples[:, part, first : first + buffer.shape[1]][rows]
        plain = self.groups.scale == 1 and self.groups.zero == 0
        return here if plain else here * self.groups.scale + self.groups.zero


class _Visibilities(_Numbers):
    def __init__(self, groups: _Groups) -> None:
        super().__init__(groups)
        self.dtype = np.dtype(np.complex128 if groups.samples.dtype.itemsize == 8 else np.complex64)

    def read(self, rows: Picks, part: int, first: int, buffer: NDArray[Any]) -> None:
        """Read visibilities, as `Samples` has it."""
        found = self.of(rows, part, first, buffer)
        buffer.real, buffer.imag = found[..., 0], found[..., 1]


class _Flags(_Numbers):
    dtype = np.dtype(bool)

    def read(self, rows: Picks, part: int, first: int, buffer: NDArray[Any]) -> None:
        """Read flags, as `Samples` has it: what has no positive weight is flagged."""
        buffer[...] = ~(self.of(rows, part, first, buffer)[..., 2] > 0)


class _NoFlags(_Numbers):
    dtype = np.dtype(bool)

    def read(self, rows: Picks, part: int, first: int, buffer: NDArray[Any]) -> None:
        """Read flags, as `Samples` has it, of a file without weights: nothing is flagged."""
        buffer[...] = False


class _Weights(_Numbers):
    dtype = np.dtype(np.float32)

    def read(self, rows: Picks, part: int, first: int, buffer: NDArray[Any]) -> None:
        """Read weights, as `Samples` has it: those of flagged samples are negative on file."""
        buffer[...] = np.abs(self.of(rows, part, first, buffer)[..., 2])


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what astropy raises into an InputError; ignore its warnings, as all that matters is checked."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (*UNREADABLE, AttributeError, AssertionError, fits.VerifyError) as error:
        raise InputError(f"{path}: cannot be read as FITS: {first_line(error)}") from None
