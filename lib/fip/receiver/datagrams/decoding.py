"""Packets become parts. Nothing in a packet is believed: each number is held against the set-up before it is used."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.receiver.datagrams.packet import (
    HEADER,
    MAGIC,
    SAME,
    UVW_SIZE,
    VERSION,
    Kind,
    Place,
    Reason,
    arrays,
    kind_of,
    place_of,
)
from fip.receiver.part import Part
from fip.spool.layout import baselines
from fip.spool.setup import Setup

_LATEST = 1e11  # s, Unix: some three thousand years from now
_FARTHEST = 1e9  # m
_SENDERS = 4096
_START = int.from_bytes(MAGIC + VERSION.to_bytes(2, "little"), "little")
_Bytes: TypeAlias = NDArray[np.uint8]
_Rows: TypeAlias = slice | NDArray[np.intp]


@dataclass(frozen=True)
class Refused:
    """Packets that are not believed."""

    why: Reason
    rows: Sequence[int]  # which of the batch


@dataclass(frozen=True)
class Ended:
    """A sender says that no more comes from it."""

    sender: int
    senders: int  # of the stream


Read: TypeAlias = Part | Refused | Ended


@dataclass(frozen=True, eq=False)
class Batch:
    """Packets that came together. Its memory may be used again once what was read of it has been put."""

    headers: NDArray[Any]  # [packet] HEADER
    payload: _Bytes  # [packet, byte] what comes behind the header
    sizes: NDArray[np.int64]  # [packet] bytes that came, header and all


class Decoder:
    """Reads packets of one set-up."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._digest = int.from_bytes(bytes.fromhex(setup.digest), "little")
        self._baselines = len(baselines(setup))
        self._arrays = arrays(setup)

    def read(self, batch: Batch) -> Iterator[Read]:
        """Yield each packet in exactly one item; those that differ by their channel alone are one part."""
        ours = self._ours(batch)
        if not ours.all():
            yield from self._foreign(batch, ours)
        starts = np.ndarray(len(ours), f"V{SAME}", batch.headers, strides=(HEADER.itemsize,)).tolist()
        sizes, alike = batch.sizes.tolist(), dict[bytes, list[int]]()
        for row in ours.nonzero()[0].tolist():
            alike.setdefault(starts[row], []).append(row)
        for start, rows in alike.items():
            kind, place = kind_of(start), place_of(start)
            if why := self._unfit(kind, place):
                yield Refused(why, rows)
                continue
            wanted = HEADER.itemsize + self._extent(kind, place)
            fit = [row for row in rows if sizes[row] == wanted]
            if len(fit) < len(rows):
                yield Refused(Reason.SIZE, [row for row in rows if sizes[row] != wanted])
            if fit and kind == Kind.SAMPLES:
                yield from self._samples(place, fit, batch)
            elif fit and kind == Kind.UVW:
                yield self._uvw(place, fit, batch)
            elif fit:
                yield Ended(place.first, place.number)

    def _ours(self, batch: Batch) -> NDArray[np.bool_]:
        """Return [packet] whether magic, version and digest are right; what a short packet did not bring is ignored."""
        words = batch.headers.view("<u8").reshape(-1, HEADER.itemsize // 8)
        right = ((words[:, 0] & 0xFFFF_FFFF_FFFF) == _START) & (words[:, 1] == self._digest)
        whole: NDArray[np.bool_] = right & (batch.sizes >= HEADER.itemsize)
        return whole

    def _foreign(self, batch: Batch, ours: NDArray[np.bool_]) -> Iterator[Refused]:
        """Yield the packets that are not of this stream, by the first thing that is wrong."""
        rest = ~ours
        headers = batch.headers
        for why, wrong in (
            (Reason.SHORT, batch.sizes < HEADER.itemsize),
            (Reason.MAGIC, headers["magic"] != MAGIC),
            (Reason.VERSION, headers["version"] != VERSION),
            (Reason.DIGEST, headers["digest"] != self._digest),
        ):
            if (found := rest & wrong).any():
                yield Refused(why, found.nonzero()[0].tolist())
            rest &= ~wrong

    def _unfit(self, kind: int, place: Place) -> Reason | None:
        """Return what is wrong with a header, its channel aside."""
        setup = self.setup
        if kind == Kind.END:
            return None if place.first < place.number <= _SENDERS else Reason.SENDERS
        if kind == Kind.UVW and not setup.uvw:
            return Reason.UVW
        known = self._baselines if kind == Kind.UVW else len(setup.products)
        checks = (
            (kind in (Kind.SAMPLES, Kind.UVW), Reason.KIND),
            (place.dump < 1 << 63, Reason.DUMP),
            (0 <= place.time < _LATEST, Reason.TIME),
            (place.field < len(setup.targets), Reason.FIELD),
            (place.band < len(setup.bands), Reason.BAND),
            (
                place.number > 0 and place.first + place.number <= known,
                Reason.BASELINES if kind == Kind.UVW else Reason.PRODUCTS,
            ),
        )
        if why := next((why for right, why in checks if not right), None):
            return why
        if kind == Kind.SAMPLES and not 0 < place.channels <= setup.bands[place.band].channels:
            return Reason.CHANNELS
        return None

    def _extent(self, kind: int, place: Place) -> int:
        """Return the bytes that have to follow the header."""
        if kind == Kind.END:
            return 0
        if kind == Kind.UVW:
            return UVW_SIZE * place.number
        return sum(each.size(place.channels, place.number) for each in self._arrays)

    def _samples(self, place: Place, rows: list[int], batch: Batch) -> Iterator[Part | Refused]:
        """Yield the part of packets whose headers are alike."""
        last = self.setup.bands[place.band].channels - place.channels
        first = batch.headers["channel"][rows].tolist()
        if max(first) > last:
            yield Refused(Reason.CHANNELS, [row for row, each in zip(rows, first, strict=True) if each > last])
            rows = [row for row, each in zip(rows, first, strict=True) if each <= last]
            first = [each for each in first if each <= last]
        if rows:
            channels, keep = _once(first, place.channels)
            packets, found, begin = _even(rows), dict[str, NDArray[Any]](), 0
            for each in self._arrays:
                end = begin + each.size(place.channels, place.number)
                values = batch.payload[packets, begin:end].view(each.dtype)
                values = values.reshape(-1, place.number) if each.each else values.reshape(-1)
                found[each.name] = values if keep is None else values[keep]
                begin = end
            yield Part(
                place.dump,
                place.time,
                place.field,
                place.band,
                channels,
                place.first,
                found["visibility"],
                found.get("flag"),
                found.get("weight"),
                found.get("scale"),
                packets=len(rows),
            )

    def _uvw(self, place: Place, rows: list[int], batch: Batch) -> Part | Refused:
        """Return the part of packets that bring the same baselines' UVW: one packet that came several times."""
        uvw = batch.payload[rows[-1], : UVW_SIZE * place.number].view("<f8").reshape(-1, 3)
        if not (np.abs(uvw) < _FARTHEST).all():
            return Refused(Reason.INFINITE, rows)
        at = place.dump, place.time, place.field, place.band
        return Part(
            *at, slice(0, 0), 0, np.empty((0, 0), np.complex64), baseline=place.first, uvw=uvw, packets=len(rows)
        )


def described(batch: Batch, row: int) -> str:
    """Return what a packet is, as it says itself, for whoever wonders why it is refused."""
    size = int(batch.sizes[row])
    if size < HEADER.itemsize:
        return f"{size} bytes"
    header = batch.headers[row]
    if header["magic"] != MAGIC:
        return f"{size} bytes that begin with {header.tobytes()[:8].hex(' ')}"
    digest = int(header["digest"]).to_bytes(8, "little").hex()
    said = ", ".join(f"{name} {header[name]}" for name in ("version", "kind", *(HEADER.names or ())[4:]))
    return f"{size} bytes, digest {digest}, {said}"


def _once(first: list[int], count: int) -> tuple[_Rows, NDArray[np.intp] | None]:
    """Return `count` channels from each of `first` on, and which of them to take to have none twice; None: all."""
    even = _even(first)
    if isinstance(even, slice) and count in (1, even.step):
        return slice(even.start, even.stop - 1 + count, 1 if count == even.step else even.step), None
    channels = np.add.outer(np.array(first, np.intp), np.arange(count)).ravel()
    unlike, keep = np.unique(channels, return_index=True)
    return (channels, None) if unlike.size == channels.size else (unlike, keep)


def _even(numbers: list[int]) -> _Rows:
    """Return numbers that rise by steps of one size as a slice: then what it takes is no copy."""
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
    if step > 0 and numbers == list(range(numbers[0], numbers[-1] + 1, step)):
        return slice(numbers[0], numbers[-1] + 1, step)
    return np.array(numbers, np.intp)
