"""The place of a heap: compiled, since spead2 asks it in a thread without the interpreter, for every heap that begins.

It is the gate, too: a heap that has not the size of L0's, not the channels of its endpoint, or a number far from the
others', has no place, and its packets are thrown away. The state is an array of int64 that Python reads and writes.
"""

import ctypes
from enum import IntEnum
from typing import Any

import numba
import numpy as np
import scipy
from numba import types
from numpy.typing import NDArray
from spead2.numba import intp_to_voidptr
from spead2.recv.numba import chunk_place_data

from fip.receiver.meerkat.heap import Shape, heap_bounds

NEAR = 16  # integrations by which a heap may be ahead of the newest
LEAP = 3  # heaps that fit one another, after which a number that was far from the others' is believed
WINDOW = 2  # integrations that may come at a time
POINTERS = 64  # item pointers of a heap that are looked at: L0 has 13 and those of its packet
COUNTER, SHIFT, LENGTH, CHUNK, COUNT, FIRST_POINTER = range(6)
EXTRA = FIRST_POINTER + POINTERS  # int64 that are kept of a heap
ALIGNED = 64  # bytes to which visibilities are aligned


class At(IntEnum):
    """The index of each number in the state."""

    CHANNELS = 0  # of the whole stream
    PER_HEAP = 1  # channels
    FIRST = 2  # which of the integration's heaps is this endpoint's first
    HEAPS = 3  # of an integration that come to this endpoint
    LEAST = 4  # bytes of a heap
    MOST = 5  # bytes of a heap; both are its size once that is known
    SLOT = 6  # bytes from a heap of a chunk to the next
    SHIFT_WANTED = 7  # bytes by which a heap is shifted, so that its visibilities are aligned
    NEWEST = 8  # the chunk begun last; -1: none
    BASE = 9  # a chunk's number less that of its integration in heap counters
    GUESS = 10  # a number far from the others that heaps came with
    GUESSED = 11  # how many
    WRONG_SIZE = 12  # heaps that were refused for it
    WRONG_CHANNELS = 13
    LEAPT = 14  # heaps that were refused for their number
    STOPS = 15  # heaps that said the end
    PLACED = 16  # heaps that got a place
    SHIFTS = 17  # [WINDOW + 2] the shift of the latest chunks
    LAST = 21


def begin(state: NDArray[np.int64], shape: Shape, first: int, heaps: int, slot: int) -> None:
    """Begin the state of an endpoint that gets `heaps` heaps of an integration, the first with number `first`."""
    state[:] = 0
    state[[At.CHANNELS, At.PER_HEAP, At.FIRST, At.HEAPS]] = shape.channels, shape.per_heap, first, heaps
    state[[At.LEAST, At.MOST]] = heap_bounds(shape)
    state[At.SLOT], state[At.NEWEST], state[At.GUESS] = slot, -1, -1


_C, _P, _F, _H, _LEAST, _MOST, _SLOT, _WANTED, _NEWEST, _BASE = (int(each) for each in list(At)[:10])
_GUESS, _GUESSED, _SIZE, _CHANNEL, _LEAPT, _STOPS, _PLACED, _SHIFTS, _LAST = (int(each) for each in list(At)[10:])
_KEPT = WINDOW + 2
_STOP = 2  # what the item of stream control says at the end


@numba.njit(cache=True)
def chunk_of(state: Any, number: Any) -> Any:
    """Return the chunk of the integration `number` in heap counters, -1 if it is not believed; keep the state."""
    newest = state[_NEWEST]
    if newest < 0:
        state[_BASE] = -number
        return np.int64(0)
    chunk = number + state[_BASE]
    if newest - _KEPT < chunk <= newest + NEAR:
        if chunk >= newest:
            state[_GUESSED] = 0
        return max(chunk, np.int64(-1))
    if state[_GUESSED] and abs(number - state[_GUESS]) <= NEAR:
        state[_GUESSED] += 1
    else:
        state[_GUESSED] = 1
    state[_GUESS] = number
    if state[_GUESSED] < LEAP:
        return np.int64(-1)
    state[_GUESSED] = 0
    state[_BASE] = newest + 1 - number
    return newest + 1


@numba.cfunc(types.void(types.CPointer(chunk_place_data), types.uintp, types.CPointer(types.int64)), cache=True)
def _place(pointer: Any, size: Any, memory: Any) -> None:
    data = numba.carray(pointer, 1)[0]
    state = numba.carray(memory, _LAST)
    items = numba.carray(intp_to_voidptr(data["items"]), 3, dtype=np.int64)
    counter, length = items[0], items[1]
    if items[2] == _STOP:
        state[_STOPS] += 1
        return
    if items[2] >= 0:
        return
    if length < state[_LEAST] or length > state[_MOST]:
        state[_SIZE] += 1
        return
    channel = counter % state[_C]
    heap = channel // state[_P] - state[_F]
    if channel % state[_P] != 0 or heap < 0 or heap >= state[_H]:
        state[_CHANNEL] += 1
        return
    chunk = chunk_of(state, counter // state[_C])
    if chunk < 0:
        state[_LEAPT] += 1
        return
    if chunk > state[_NEWEST]:
        for between in range(max(state[_NEWEST] + 1, chunk - _KEPT + 1), chunk + 1):
            state[_SHIFTS + between % _KEPT] = state[_WANTED]
        state[_NEWEST] = chunk
    state[_PLACED] += 1
    shift = state[_SHIFTS + chunk % _KEPT]
    data["chunk_id"] = chunk
    data["heap_index"] = heap
    data["heap_offset"] = heap * state[_SLOT] + shift
    extra = numba.carray(intp_to_voidptr(data["extra"]), EXTRA, dtype=np.int64)
    extra[COUNTER], extra[SHIFT], extra[LENGTH], extra[CHUNK] = counter, shift, length, chunk
    packet = numba.carray(intp_to_voidptr(data["packet"]), 8 * (POINTERS + 1), dtype=np.uint8)
    count = (np.int64(packet[6]) << 8) | np.int64(packet[7])
    data["extra_offset"] = heap * EXTRA * 8
    data["extra_size"] = COUNT * 8
    if (
        8 < count <= POINTERS and np.uintp(8 * (count + 1)) <= data["packet_size"]
    ):  # the first packet has what the heap is
        extra[COUNT] = count
        for each in range(count):
            value = np.int64(0)
            for byte in range(8):
                value = (value << 8) | np.int64(packet[8 + 8 * each + byte])
            extra[FIRST_POINTER + each] = value
        data["extra_size"] = EXTRA * 8


def placing(state: NDArray[np.int64]) -> Any:
    """Return what spead2 calls with that state, which has to live as long."""
    memory = ctypes.c_void_p(state.ctypes.data)
    return scipy.LowLevelCallable(_place.ctypes, user_data=memory, signature="void (void *, size_t, void *)")
