"""Values to lists of frames and back: a msgpack header, then raw arrays. Pure; no socket is needed to use it.

A message is [header, array, array, ...]. The header carries protocol version, kind, and the name, dtype and shape
of each array; arrays are frames of their own, sent from and read into place. The blocks of a slice, which are many and
small, share the frames: each is a stretch of every array. A slice that is leased has its ticket as its last frame.
Nothing that arrives is believed: decoding raises WireError, and nothing else, for whatever does not fit.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from functools import cache, lru_cache
from math import prod
from operator import add
from typing import Any, TypeVar, get_args, get_type_hints

import msgpack
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from fip.data.errors import RefusedError, WireError
from fip.data.names import LONGEST_LINE, NO_LABEL, Number
from fip.data.values import LARGEST_SIDE, MOST_KINDS, Block, FitsFile, ImageFile, Kind, Slice
from fip.wire.messages import UNFINISHED, Control, PipelineStatus
from fip.wire.status import Status

PROTOCOL = 12
"""Raised whenever a message of another version could be misread."""

MAXIMUM_HEADER = 1 << 20  # bytes
MAXIMUM_FRAME = 1 << 33  # bytes, for the sockets to refuse before memory is taken

LAST = 8  # jobs, runs and failures that stay in a status that would be too long

Frame = bytes | memoryview
Message = TypeVar("Message")
_BLOCK_ARRAYS = {"uvw": ("<f8",), "frequency": ("<f8",), "visibility": ("<c8", "<c16"), "weight": ("<f4", "<f8")}
_SLICE_ARRAYS = {"sum_of_weights": ("<f8",), "visibilities": ("<i8",)}
_ARRAYS: dict[str, tuple[str, ...]] = _BLOCK_ARRAYS | _SLICE_ARRAYS
_SAME_IN_ALL = ("bands", "observation", "settings")  # of a slice: what all of its run have alike, packed and read once
_NOT_IN_A_HEADER = ("blocks", *_SLICE_ARRAYS, "ticket", *_SAME_IN_ALL)  # of a slice: what has a place of its own
_Shapes = tuple[tuple[Number, Number, Number], ...]  # of each block its output channel, rows and nodes
_FILES = tuple[tuple[Kind, bytes], ...]  # of each file what it is, and its digest
STEPS = 4  # in which a status is shortened, from all of it on
_MAXIMUM_TICKET = 64  # bytes
_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)
_CONTROL = {kind.__name__: kind for kind in get_args(Control)}


def encode_slice(values: Slice) -> list[Frame]:
    """Return a slice as frames: a header, then its arrays."""
    arrays = {name: np.ascontiguousarray(getattr(values, name)) for name in _SLICE_ARRAYS}
    for name in _BLOCK_ARRAYS if values.blocks else ():
        arrays[name] = np.concatenate([getattr(block, name).ravel() for block in values.blocks])
    header = {
        "slice": _fields(values, without=_NOT_IN_A_HEADER),
        "run": _packed_once(*(getattr(values, name) for name in _SAME_IN_ALL)),
        "blocks": [(block.channel_out, block.uvw.shape[0], block.frequency.size) for block in values.blocks],
        "arrays": [(name, array.dtype.str, array.shape) for name, array in arrays.items()],
    }
    ticket = [values.ticket] if values.ticket else []
    return [_pack("Slice", header), *(array.data for array in arrays.values()), *ticket]


def with_attempt(frames: Sequence[Frame], attempt: int) -> list[Frame]:
    """Return a slice that is sent for another time: its frames with this number of the attempt."""
    header = unpacked(frames, "Slice")
    header["slice"]["attempt"] = attempt
    return [msgpack.packb(header), *frames[1:]]


def with_ticket(frames: Sequence[Frame], ticket: bytes) -> list[Frame]:
    """Return a slice that is leased: its frames as they were cut, and its ticket, if any."""
    return [*frames, ticket] if ticket else list(frames)


def decode_slice(frames: Sequence[Frame]) -> Slice:
    """Return the slice in these frames; its arrays are views of them. Raises WireError."""
    header = unpacked(frames, "Slice")
    meta = validated(_header_of(Slice, _NOT_IN_A_HEADER), header.get("slice"))
    same = header.get("run")
    meta |= _read_once(same if isinstance(same, bytes) else b"")
    shapes = validated(_adapter(_Shapes), header.get("blocks"))
    described = header.get("arrays")
    ticket = frames[-1] if isinstance(described, tuple) and len(frames) == len(described) + 2 else b""
    if len(ticket) > _MAXIMUM_TICKET:
        raise WireError(f"slice with a ticket of {len(ticket)} bytes")
    arrays = _arrays(described, frames[1:-1] if ticket else frames[1:])
    try:
        sums: dict[str, Any] = {name: arrays.pop(name) for name in _SLICE_ARRAYS}
        parts = [arrays.pop(name) for name in (_BLOCK_ARRAYS if shapes else ())]
    except KeyError as error:
        raise WireError(f"slice without {error}") from None
    if arrays:
        raise WireError(f"slice without blocks, but with {', '.join(arrays)}")
    blocks = _blocks(shapes, len(meta["settings"].stokes), parts)
    values = Slice(**meta, blocks=blocks, **sums, ticket=bytes(ticket))
    _check_slice(values)
    return values


@lru_cache(maxsize=16)
def _packed_once(*values: Any) -> bytes:
    """Return what is the same in all slices of a run."""
    return msgpack.packb(dict(zip(_SAME_IN_ALL, values, strict=True)), default=_fields)


@lru_cache(maxsize=16)
def _read_once(packed: bytes) -> dict[str, Any]:
    """Return what `_packed_once` made as it was; WireError if it cannot be that."""
    others = tuple(item.name for item in fields(Slice) if item.name not in _SAME_IN_ALL)
    found: dict[str, Any] = validated(_header_of(Slice, others), _map(packed))
    return found


def encode_image(values: ImageFile) -> list[Frame]:
    """Return finished FITS files as frames, each with the digest that `decode_image` checks; files that the worker
    wrote into what the sink had opened are in the header alone.
    """
    header = {
        "image": _fields(values, without=("files",)),
        "files": [(file.kind, file.digest) for file in values.files],
    }
    return [_pack("ImageFile", header), *(file.content for file in values.files)]


def check_image(values: ImageFile) -> None:
    """Raise WireError, or what msgpack does, for an image whose header `decode_image` would not take."""
    header = unpacked(encode_image(values), "ImageFile")
    validated(_header_of(ImageFile, ("files",)), header.get("image"))


def decode_image(frames: Sequence[Frame]) -> ImageFile:
    """Return the FITS files in these frames, whole: digests, sizes and first cards are right. Raises WireError.

    What an image says of files that its worker wrote is not looked at here: the sink has them.
    """
    header = unpacked(frames, "ImageFile")
    meta = validated(_header_of(ImageFile, ("files",)), header.get("image"))
    described = validated(_adapter(_FILES), header.get("files"))
    if described and meta["written"]:
        raise WireError("image with files in its message, and with others that its worker wrote")
    kinds = [kind for kind, _ in described] or [file.kind for file in meta["written"]]
    together = kinds[:1] == ["dirty"] and len(set(kinds)) == len(kinds) <= MOST_KINDS
    if not together or len(frames) - 1 != len(described):
        raise WireError(f"image of {len(frames) - 1} frames with {len(described)} files that do not belong together")
    files = tuple(FitsFile(kind, frame) for (kind, _), frame in zip(described, frames[1:], strict=True))
    values = ImageFile(**meta, files=files)
    for file, (_, digest) in zip(files, described, strict=True):
        what = f"{file.kind} image {values.index} of run {values.run}"
        if file.digest != digest:
            raise WireError(f"{what} was damaged on its way: its digest differs")
        if len(file.content) % 2880 or bytes(file.content[:10]) != b"SIMPLE  = ":
            raise WireError(f"{what} is not a FITS file")
    return values


def encode_control(message: Control) -> bytes:
    """Return a control or status message as one frame. WireError for one that no socket would take."""
    frame = _pack(type(message).__name__, {"message": message})
    if len(frame) > MAXIMUM_HEADER:
        raise WireError(
            f"a {type(message).__name__} of {len(frame):,} bytes, of which a message has {MAXIMUM_HEADER:,}"
        )
    return frame


def encode_status(status: PipelineStatus) -> bytes:
    """Return a pipeline's status as one frame that `decode_control` takes; if all of it is too long, less of it."""
    return encode_shortened(status)[0]


def encode_shortened(status: PipelineStatus, least: int = 0) -> tuple[bytes, int]:
    """Return the same, and by how many steps it is shorter than all. Take at least `least` steps, if it is known that
    fewer would not do: with a thousand workers, each attempt takes as long as the one that fits."""
    for step in range(least, STEPS):
        with suppress(WireError):
            return encode_control(_less(status, step - 1) if step else status), step
    return encode_control(PipelineStatus(status.time, _bare(status.ventilator), (), (), None, status.number)), STEPS


def _less(status: PipelineStatus, step: int) -> PipelineStatus:
    """Return a shorter status.

    First, leave out the errors, connections and tasks of workers, the runs of jobs that are over, and the antennas.
    Then leave out paths too, and of workers all but their names. Then leave out workers, and all but the last jobs.
    """
    told = replace(
        status,
        jobs=tuple(job if job.state in UNFINISHED else replace(job, paths=(), runs=()) for job in status.jobs),
        workers=tuple(
            replace(worker, tasks=(), codes=(), status=replace(worker.status, errors=(), events=()))
            for worker in status.workers
        ),
        departed=(),
        antennas=None,
    )
    if step > 0:
        jobs = tuple(replace(job, paths=(), reason=job.reason[:LONGEST_LINE]) for job in told.jobs)
        workers = tuple(
            replace(each, brief=replace(each.brief, holds=(), ages=()), status=_bare(each.status))
            for each in told.workers
        )
        told = replace(told, jobs=jobs, workers=workers, failures=told.failures[-LAST:])
    if step > 1:
        jobs = tuple(replace(job, runs=job.runs[-LAST:]) for job in told.jobs[-LAST:])
        told = replace(told, jobs=jobs, workers=(), failures=(), ages={}, hung=())
    return told


def _bare(status: Status) -> Status:
    """Return the same status with only who it is."""
    return Status(status.role, status.host, status.name, status.pid, status.state, started=status.started)


def decode_control(frame: Frame) -> Control:
    """Return the control or status message in this frame. Raises WireError."""
    header = unpacked([frame])
    said = header.get("kind")
    kind = _CONTROL.get(said) if isinstance(said, str) else None
    if kind is None:
        raise WireError(f"control message of unknown kind {said!r:.40}")
    message: Control = validated(_adapter(kind), header.get("message"))
    return message


def pack(message: Any) -> bytes:
    """Return a message that is neither a slice, an image nor control: one frame."""
    return _pack(type(message).__name__, {"message": message})


def unpack(frame: Frame, kind: type[Message]) -> Message:
    """Return the content of such a message, which must be of this kind. Raises WireError."""
    message: Message = validated(_adapter(kind), unpacked([frame], kind.__name__).get("message"))
    return message


def size(frames: Sequence[Frame]) -> int:
    """Return the size of a message in bytes."""
    return sum(memoryview(frame).nbytes for frame in frames)


def _pack(kind: str, content: dict[str, Any]) -> bytes:
    return msgpack.packb({"v": PROTOCOL, "kind": kind} | content, default=_fields)


def unpacked(frames: Sequence[Frame], kind: str | None = None) -> dict[str, Any]:
    """Return the header of a message, of this version, and of a kind if one is due. Raises WireError."""
    if not frames or len(frames[0]) > MAXIMUM_HEADER:
        raise WireError("message without a header, or with one of over a megabyte")
    header = _map(frames[0])
    if header.get("v") != PROTOCOL:
        raise RefusedError(
            f"protocol version {header.get('v')!r:.20}; this is version {PROTOCOL}: use one FIP everywhere"
        )
    if kind and header.get("kind") != kind:
        raise WireError(f"message of kind {header.get('kind')!r:.40} where {kind} is due")
    return header


def _map(packed: Frame) -> dict[str, Any]:
    """Return a map that msgpack has packed. WireError."""
    try:
        found = msgpack.unpackb(packed, use_list=False)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise WireError(f"header that is not msgpack: {error!r:.80}") from None
    if not isinstance(found, dict):
        raise WireError("header that is not a map")
    return found


def _fields(values: Any, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a dataclass as a map of its fields, for msgpack, which asks for those within them in turn."""
    return {name: getattr(values, name) for name in _names(values.__class__, without)}


@cache
def _names(kind: Any, without: tuple[str, ...]) -> tuple[str, ...]:
    if not is_dataclass(kind):
        raise TypeError(f"{kind.__name__} does not go over the wire")
    return tuple(item.name for item in fields(kind) if item.name not in without)


@cache
def _header_of(kind: type, exclude: tuple[str, ...]) -> TypeAdapter[Any]:
    """Return what validates a map of the fields of `kind` that are not arrays."""
    hints: Any = {
        name: (hint, ...) for name, hint in get_type_hints(kind, include_extras=True).items() if name not in exclude
    }
    model = create_model(f"{kind.__name__}Header", __config__=ConfigDict(extra="forbid"), **hints)
    return TypeAdapter(model)


def validated(adapter: TypeAdapter[Any], content: Any) -> Any:
    """Return what a part of a header says, as checked by `adapter`. Raises WireError."""
    try:
        values = adapter.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        says = f"{first['input']!r:.80} is {NO_LABEL}" if first["type"] == "string_pattern_mismatch" else first["msg"]
        raise WireError(f"header with a wrong '{where}': {says}") from None
    return vars(values) if isinstance(values, BaseModel) else values


def _arrays(described: Any, frames: Sequence[Frame]) -> dict[str, NDArray[Any]]:
    if not isinstance(described, tuple) or len(described) != len(frames):
        raise WireError("message whose arrays are not those that its header names")
    arrays = {}
    for item, frame in zip(described, frames, strict=True):
        try:
            name, dtype, shape = item
            if dtype not in _ARRAYS[name] or not all(type(side) is int and side >= 0 for side in shape):
                raise ValueError(f"dtype {dtype}, shape {shape}")
            if prod(shape) * np.dtype(dtype).itemsize != memoryview(frame).nbytes:
                raise ValueError(f"{memoryview(frame).nbytes} bytes for dtype {dtype}, shape {shape}")
            arrays[name] = np.frombuffer(frame, dtype).reshape(shape) if prod(shape) else np.empty(shape, dtype)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WireError(f"array that is not what the header says: {error!r:.120}") from None
    return arrays


def _blocks(shapes: _Shapes, planes: int, arrays: Sequence[NDArray[Any]]) -> tuple[Block, ...]:
    """Return blocks of these (output channel, rows, nodes), each a view of the next stretch of every array."""
    blocks, begin = [], [0, 0, 0, 0]
    for channel, rows, nodes in shapes:
        cube = planes, rows, nodes
        end = list(map(add, begin, (3 * rows, nodes, prod(cube), prod(cube))))
        if any(stop > array.size or array.ndim != 1 for stop, array in zip(end, arrays, strict=True)):
            raise WireError("slice whose arrays are too short for its blocks")
        uvw, frequency, visibility, weight = (array[a:b] for array, a, b in zip(arrays, begin, end, strict=True))
        blocks.append(Block(channel, uvw.reshape(rows, 3), frequency, visibility.reshape(cube), weight.reshape(cube)))
        begin = end
    if arrays and begin != [array.size for array in arrays]:
        raise WireError("slice whose arrays are too long for its blocks")
    return tuple(blocks)


def _check_slice(values: Slice) -> None:
    planes = (len(values.settings.stokes), len(values.bands))
    sides = (values.grid.width, values.grid.height)
    if not all(0 < side <= LARGEST_SIDE and side % 2 == 0 for side in sides) or not values.grid.scale > 0:
        raise WireError(f"slice with a grid of {sides[0]} x {sides[1]} pixels of {values.grid.scale} rad")
    sums = {values.sum_of_weights.shape, values.visibilities.shape}
    bands = [len(channels) for channels in values.effective]
    if 0 in planes or sums != {planes} or bands != planes[0] * [planes[1]]:
        raise WireError("slice whose sums do not fit its Stokes and channels")
    for block in values.blocks:
        if not 0 <= block.channel_out < planes[1]:
            raise WireError(f"slice with a block for output channel {block.channel_out} of {planes[1]}")
