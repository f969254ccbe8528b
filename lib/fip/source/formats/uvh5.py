"""The edge to UVH5 files, read by h5py: versions 0.1 to 1.2 of pyuvdata's format.

The format is that of the UVH5 memo and of pyuvdata's `uvh5.py`. There uvw = r2 - r1, and a MeasurementSet has the
mirror image of both uvw and visibilities: pyuvdata turns both when it reads or writes one (`flip_conj` in its `ms.py`),
and so does FIP: UVW = -uvw, DATA = conj(visdata). Names of correlations stay. Data that are not phased ("unprojected")
lack the delay of zenith, though their uvw has w: it is taken off here. pyuvdata itself is not used: it is large, and it
asks the network for telescopes that it does not know. h5py is imported only if there is such a file.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError, first_line
from fip.source.formats.stored import UNREADABLE, Picks, Samples, StoredRecording
from fip.source.formats.uvh5_header import Header, Split, columns_of, read_antennas, read_fields, read_windows
from fip.source.recording import Recording

MAGIC = b"\x89HDF\r\n\x1a\n"
SPEED_OF_LIGHT = 299792458.0
_CACHE = 16 << 20  # bytes of chunks kept of each dataset: a chunk often has several integrations
_SLOTS = 20011  # of that cache; a prime, a hundred times the chunks
_RUNS = 32  # stretches of rows that are read one by one; if there are more, all from first to last is read
_BITSHUFFLE = "32008"


def is_uvh5(path: Path) -> bool:
    """Return whether a file that begins as HDF5 has the group Header. InputError if it cannot be opened."""
    with _open(path) as file:
        return "Header" in file


def open_uvh5(path: Path, growing: bool) -> Recording:
    """Open a file as a recording. InputError if it cannot be imaged."""
    if growing:
        raise InputError(
            f"{path}: a UVH5 file arrives whole: leave --follow out, or follow the folder that it comes to"
        )
    file = _opened(path)
    try:
        return _recording(path, file)
    except (*UNREADABLE, AttributeError) as error:  # the last one: a group in place of a number, or the reverse
        file.close()
        raise InputError(f"{path}: cannot be read as UVH5: {first_line(error)}") from None
    except BaseException:
        file.close()
        raise


def _recording(path: Path, file: Any) -> Recording:
    header = Header(path, file["Header"])
    header.check_version()
    data = _group(path, file)
    split = read_windows(header)
    columns, delay = columns_of(header)
    antennas = read_antennas(header)
    scale = 2.0 if header.text("pol_convention") == "sum" else 1.0  # FIP's I is the mean of XX and YY, not their sum
    shape = columns["TIME"].size, sum(each.size for each in split.channels), header.count("Npols")
    samples: dict[str, Samples] = {"DATA": _Visibilities(_dataset(path, data, "visdata", shape), split, scale, delay)}
    if "flags" in data:
        samples["FLAG"] = _Stored(_dataset(path, data, "flags", shape), split, np.dtype(bool))
    else:
        samples["FLAG"] = _Nothing()
    if "nsamples" in data:
        samples["WEIGHT_SPECTRUM"] = _Stored(_dataset(path, data, "nsamples", shape), split, np.dtype(np.float32))
    return StoredRecording(
        path, columns, samples, split.windows, read_fields(header, columns, antennas), antennas,
        telescope=header.text("telescope_name"), close=file.close,
    )  # fmt: skip


class _Nothing:
    """FLAG of a file that has none."""

    dtype = np.dtype(bool)

    def read(self, rows: Picks, part: int, first: int, buffer: NDArray[Any]) -> None:
        buffer[...] = False


class _Stored:
    """A dataset [row, channel of all windows, correlation], or [row, 1, channel, correlation] in older files."""

    def __init__(self, dataset: Any, split: Split, dtype: np.dtype[Any]) -> None:
        self.dataset, self.split, self.dtype = dataset, split, dtype
        self._direct = dataset.dtype == dtype

    def read(self, rows: Picks, part: int, first: int, buffer: NDArray[Any]) -> None:
        """Read samples, as `Samples` has it."""
        wanted = self.split.channels[part][first : first + buffer.shape[1]]
        low, high = int(wanted.min()), int(wanted.max()) + 1
        whole = high - low == wanted.size and (wanted[0] == low)
        if whole and self._direct:
            for here, picks in _runs(rows, len(buffer)):
                self.dataset.read_direct(buffer, self._at(picks, low, high), np.s_[here])
            return
        for here, picks in _runs(rows, len(buffer)):
            found = self._plain(self.dataset[self._at(picks, low, high)])
            buffer[here] = found[:, wanted - low]

    def _at(self, rows: Any, low: int, high: int) -> tuple[Any, ...]:
        return np.s_[rows, low:high, :] if self.dataset.ndim == 3 else np.s_[rows, 0, low:high, :]

    def _plain(self, found: NDArray[Any]) -> NDArray[Any]:
        """Return real and imaginary integers of correlators as complex numbers, and other values as they are needed."""
        if found.dtype.names:
            made = np.empty(found.shape, self.dtype)
            made.real, made.imag = (found[name] for name in found.dtype.names)
            return made
        return found != 0 if self.dtype == bool else found


class _Visibilities(_Stored):
    """visdata, mirrored; `delay` [row] s is what data that are not phased lack, None if all are phased."""

    def __init__(self, dataset: Any, split: Split, scale: float, delay: NDArray[np.float64] | None) -> None:
        double = dataset.dtype == np.complex128
        super().__init__(dataset, split, np.dtype(np.complex128 if double else np.complex64))
        self.scale, self.delay = scale, delay

    def read(self, rows: Picks, part: int, first: int, buffer: NDArray[Any]) -> None:
        """Read visibilities, as `Samples` has it: mirrored, and with the delay."""
        super().read(rows, part, first, buffer)
        np.conjugate(buffer, out=buffer)
        if self.scale != 1:
            buffer *= buffer.dtype.type(self.scale)
        if self.delay is not None and self.delay[rows].any():
            frequency = self.split.frequency[self.split.channels[part][first : first + buffer.shape[1]]]
            turns = np.outer(self.delay[rows], frequency)
            buffer *= np.exp(2j * np.pi * (turns - np.round(turns))).astype(buffer.dtype)[..., None]


def _runs(rows: Picks, count: int) -> Iterator[tuple[slice, Any]]:
    """Yield the places of `count` rows and what to read: few long stretches, as HDF5 takes a while for each."""
    if isinstance(rows, slice):
        yield slice(0, count), rows
        return
    begins = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) != 1)
    if begins.size > _RUNS:
        yield slice(0, count), rows
        return
    for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), count], strict=True):
        yield slice(begin, end), slice(int(rows[begin]), int(rows[end - 1]) + 1)


def _group(path: Path, file: Any) -> Any:
    if "Data" not in file or "visdata" not in file["Data"]:
        raise InputError(f"{path}: is UVH5 without Data/visdata: a header alone, or cut short")
    return file["Data"]


def _dataset(path: Path, group: Any, name: str, shape: tuple[int, int, int]) -> Any:
    found = group[name]
    if found.shape not in (shape, (shape[0], 1, *shape[1:])):
        raise InputError(f"{path}: Data/{name} has the shape {found.shape}, but by its header it is {shape}")
    for number in _filters(found):
        with suppress(ImportError):
            import_module("hdf5plugin")  # it brings the filters that HDF5 lacks
        if not _known(int(number)):
            what = "bitshuffle" if number == _BITSHUFFLE else "its own"
            raise InputError(
                f"{path}: Data/{name} is compressed by the HDF5 filter {number} ({what}): "
                "pip install hdf5plugin beside FIP"
            )
    return found


def _filters(dataset: Any) -> Sequence[str]:
    """Return the numbers of the filters that are in no HDF5."""
    plist = dataset.id.get_create_plist()
    return [str(plist.get_filter(at)[0]) for at in range(plist.get_nfilters()) if plist.get_filter(at)[0] >= 256]


def _known(number: int) -> bool:
    import h5py

    return bool(h5py.h5z.filter_avail(number))


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    file = _opened(path)
    try:
        yield file
    finally:
        file.close()


def _opened(path: Path) -> Any:
    """Open an HDF5 file without a lock: reading takes none and waits for none."""
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path}: is an HDF5 file; UVH5 needs the package h5py: pip install 'fip[uvh5]'") from None
    try:
        return h5py.File(path, "r", locking=False, rdcc_nbytes=_CACHE, rdcc_nslots=_SLOTS)
    except UNREADABLE as error:
        why = first_line(error)
        cut = "truncated" in why
        raise InputError(
            f"{path}: is an HDF5 file that is {'cut short: copy it again' if cut else 'damaged'} ({why})"
        ) from None
