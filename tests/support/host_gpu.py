"""A processor that stands for a GPU: the CUDA sources compiled as C++, arrays of numpy."""

import ctypes
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.imaging.cuda.device import SOURCES, CupyDevice, gpus

needs_gpu = pytest.mark.skipif(not gpus(), reason="no GPU")

SHIM = """
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <pthread.h>
using std::max; using std::min;
struct float2 { float x, y; };
struct Index { unsigned x; };
extern "C" {
    Index blockIdx{0}, gridDim{1}, blockDim{1};
    thread_local Index threadIdx{0};
    pthread_barrier_t meeting;
    void threads_of_a_block(unsigned count)
    {
        if (blockDim.x > 1) pthread_barrier_destroy(&meeting);
        blockDim.x = count;
        if (count > 1) pthread_barrier_init(&meeting, nullptr, count);
    }
    void be_thread(unsigned number) { threadIdx.x = number; }
}
#define __global__
#define __device__
#define __shared__ static
#define __constant__
static void __syncthreads() { if (blockDim.x > 1) pthread_barrier_wait(&meeting); }
template <class T> static void atomicAdd(T* to, T value) { std::atomic_ref<T>(*to) += value; }
template <class T, class F> static void change(T* to, F change)
{
    std::atomic_ref<T> there(*to);
    for (T now = there; !there.compare_exchange_weak(now, change(now));) {}
}
template <class T> static void atomicMin(T* to, T value) { change(to, [=](T now) { return min(now, value); }); }
template <class T> static void atomicMax(T* to, T value) { change(to, [=](T now) { return max(now, value); }); }
template <class T, class F> static T bits(F from) { T to; memcpy(&to, &from, sizeof to); return to; }
static unsigned __float_as_uint(float value) { return bits<unsigned>(value); }
static float __uint_as_float(unsigned value) { return bits<float>(value); }
static double __dadd_rn(double a, double b) { return a + b; }
static double __dmul_rn(double a, double b) { return a * b; }
static void sincospif(float x, float* sine, float* cosine) { *sine = sin(M_PI * x); *cosine = cos(M_PI * x); }
"""


C_TYPES = {np.int32: ctypes.c_int, np.float32: ctypes.c_float}


class HostDevice(CupyDevice):
    """The processor in its place, one thread a block: nothing of cupy is used."""

    xp: Any = np
    name = "the processor"
    threads = 1 << 30  # one block for whatever there is

    def __init__(self, folder: Path) -> None:
        """The sources are compiled in this folder, but for those that are compiled there already."""
        source, library = folder / "shim.cpp", folder / "shim.so"
        source.write_text(SHIM + "".join(f'#include "{each}"\n' for each in SOURCES))
        options = ["-O2", "-ffp-contract=off", "-Wall", "-Wno-unknown-pragmas", "-Werror", "-pthread"]
        options += os.environ.get("CXXFLAGS", "").split()
        if not library.exists():
            subprocess.run(["g++", *options, "-std=c++20", "-shared", "-fPIC", "-o", library, source], check=True)
        self._library = ctypes.CDLL(str(library))

    def define(self, name: str, values: NDArray[np.float32]) -> None:
        """Set a variable of the library."""
        ctypes.memmove(ctypes.addressof(ctypes.c_float.in_dll(self._library, name)), values.ctypes.data, values.nbytes)

    def launch(self, name: str, blocks: int, args: Sequence[Any], threads: int = 0) -> None:
        """One block after the other."""
        function = self._library[name]
        function.restype = None
        values = [ctypes.c_void_p(each.ctypes.data) if isinstance(each, np.ndarray) else C_TYPES[type(each)](each)
                  for each in args]  # fmt: skip
        for each in args:
            assert not isinstance(each, np.ndarray) or each.flags.c_contiguous
        ctypes.c_uint.in_dll(self._library, "gridDim").value = blocks
        block = ctypes.c_uint.in_dll(self._library, "blockIdx")
        for number in range(blocks):
            block.value = number
            self._run(function, values)

    def _run(self, function: Any, values: Sequence[Any]) -> None:
        """The threads of a block."""
        function(*values)

    def empty(self, shape: tuple[int, ...], dtype: type[np.floating]) -> NDArray[np.floating]:
        """Return memory of the host."""
        return np.empty(shape, dtype)

    def send_back(self, piece: NDArray[np.float32], to: NDArray[np.float32]) -> None:
        """Copy the piece at once."""
        to[...] = piece

    def read(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return it as it is."""
        return array

    def finish(self) -> None:
        """Do nothing: nothing is under way."""


class ThreadedDevice(HostDevice):
    """The same with threads that work at the same time, and meet at the points at which those of a GPU do."""

    threads = 64
    blocks = 3

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._pool = ThreadPoolExecutor(self.threads)
        self._library.threads_of_a_block(self.threads)

    def _run(self, function: Any, values: Sequence[Any]) -> None:
        def one(number: int) -> None:
            self._library.be_thread(number)
            function(*values)

        for ended in [self._pool.submit(one, number) for number in range(self.threads)]:
            ended.result()

    def close(self) -> None:
        """End the threads of the pool."""
        self._pool.shutdown()
