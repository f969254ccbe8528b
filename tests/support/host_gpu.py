"""A processor that stands for a GPU: slant.cu compiled as C++, one thread a block, arrays of numpy."""

import ctypes
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.imaging.cuda.device import SOURCE, CupyDevice

SHIM = f"""
#include <algorithm>
#include <cmath>
using std::max; using std::min;
struct int2 {{ int x, y; }};
struct float2 {{ float x, y; }};
struct float4 {{ float x, y, z, w; }};
struct Index {{ unsigned x; }};
extern "C" {{ Index blockIdx{{0}}, gridDim{{1}}; float2 turned[1 << 16]; }}
static const Index threadIdx{{0}}, blockDim{{1}};
#define __global__
#define __device__
#define __shared__
#define __constant__
static void __syncthreads() {{}}
template <class T> static void atomicAdd(T* to, T value) {{ *to += value; }}
static void sincospif(float x, float* sine, float* cosine) {{ *sine = sin(M_PI * x); *cosine = cos(M_PI * x); }}
#include "{SOURCE}"
"""


C_TYPES = {np.int32: ctypes.c_int, np.float32: ctypes.c_float}


class HostDevice(CupyDevice):
    """The processor in its place: nothing of cupy is used."""

    xp: Any = np
    threads = 1 << 30  # one block for whatever there is

    def __init__(self, folder: Path) -> None:
        source, library = folder / "shim.cpp", folder / "shim.so"
        source.write_text(SHIM)
        subprocess.run(["g++", "-O2", "-std=c++17", "-shared", "-fPIC", "-o", library, source], check=True)
        self._library = ctypes.CDLL(str(library))

    def define(self, name: str, values: NDArray[np.float32]) -> None:
        """A variable, here."""
        ctypes.memmove(ctypes.addressof(ctypes.c_float.in_dll(self._library, name)), values.ctypes.data, values.nbytes)

    def launch(self, name: str, blocks: int, args: Sequence[Any], shared: int = 0) -> None:
        """One block after the other."""
        assert shared <= 48 * 1024  # bytes that a GPU gives without being asked
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
            function(*values)

    def empty(self, shape: tuple[int, ...], dtype: type[np.floating]) -> NDArray[np.floating]:
        """Memory is memory."""
        return np.empty(shape, dtype)

    def send_back(self, piece: NDArray[np.float32], to: NDArray[np.float32]) -> None:
        """At once."""
        to[...] = piece

    def finish(self) -> None:
        """Nothing is under way."""
