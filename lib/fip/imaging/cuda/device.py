"""A GPU as the kernels use it: arrays of cupy, the functions of the CUDA sources, and copies that overlap with work."""

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import UsageError

SOURCES = tuple(Path(__file__).with_name(name) for name in ("slant.cu", "sky.cu", "measure.cu"))
"""One module, in this order."""

INSTALL_CUPY = "install FIP with the extra gpu (CUDA 12) or gpu13 (CUDA 13)"


class CupyDevice:
    """One GPU, for the thread that makes it: cupy keeps memory and plans of transforms from slice to slice.

    It works in a stream of its own and copies back in another, so that several threads do not wait for each other.
    Tests use a device that is the processor.
    """

    threads = 256  # of a block
    blocks = 1 << 16  # the most of a function that strides

    def __init__(self, device: str) -> None:
        """Open "cuda:N". Raise UsageError if it, or cupy, is missing."""
        self.xp = find_cupy()  # arrays and Fourier transforms
        number = check_gpu(device)
        self.name = gpus()[number]
        self.xp.cuda.Device(number).use()
        code = "".join(f'#line 1 "{source.name}"\n{source.read_text()}' for source in SOURCES)
        self._module = self.xp.RawModule(code=code, options=("-std=c++17",))
        self.xp.cuda.Stream(non_blocking=True).use()
        self._copies = self.xp.cuda.Stream(non_blocking=True)
        self._leaving: list[Any] = []  # pieces that must not be freed before they are copied

    def define(self, name: str, values: NDArray[np.float32]) -> None:
        """Set a constant of the sources."""
        self.xp.ndarray(values.shape, values.dtype, self._module.get_global(name)).set(values)

    def launch(self, name: str, blocks: int, args: Sequence[Any], threads: int = 0) -> None:
        """Start a function of the sources, with `threads` a block if that is not 0."""
        self._module.get_function(name)((blocks,), (threads or self.threads,), tuple(args))

    def empty(self, shape: tuple[int, ...], dtype: type[np.floating]) -> NDArray[np.floating]:
        """Return page-locked memory of the host, which is the fastest to copy to, of any contents, from cupy's pool."""
        memory = self.xp.cuda.alloc_pinned_memory(math.prod(shape) * np.dtype(dtype).itemsize)
        return np.frombuffer(memory, dtype, math.prod(shape)).reshape(shape)

    def send_back(self, piece: Any, to: NDArray[np.float32]) -> None:
        """Begin to copy a piece to `to`, contiguous and of the same shape, when what was launched so far is done."""
        self._copies.wait_event(self.xp.cuda.get_current_stream().record())
        piece.get(stream=self._copies, out=to, blocking=False)
        self._leaving.append(piece)

    def read(self, array: Any) -> NDArray[Any]:
        """Return a copy on the host, when all that was launched so far is done."""
        copy: NDArray[Any] = array.get()
        return copy

    def finish(self) -> None:
        """Wait until all that was sent back has arrived."""
        self._copies.synchronize()
        self._leaving.clear()


cuda_device = cache(CupyDevice)
"""Return a GPU, which is opened only once."""


@cache
def find_cupy() -> Any:
    """Return the module cupy. Raise UsageError if it is not installed."""
    try:
        import cupy
    except ImportError as error:
        raise UsageError(f"a GPU is asked for, and cupy cannot be imported ({error}): {INSTALL_CUPY}") from None
    return cupy


def gpus() -> list[str]:
    """Return the names of the GPUs of this host, in the order of their numbers; [] if there are none, or no cupy."""
    try:
        runtime = find_cupy().cuda.runtime
        return [runtime.getDeviceProperties(n)["name"].decode() for n in range(runtime.getDeviceCount())]
    except (UsageError, RuntimeError):  # no cupy; CUDARuntimeError: no driver, or no device
        return []


def check_gpu(device: str) -> int:
    """Return the number of the GPU "cuda:N". Raise UsageError if it, or cupy, is missing."""
    find_cupy()
    number, found = int(device.removeprefix("cuda:")), gpus()
    if number >= len(found):
        there_are = ", ".join(f"cuda:{n} {name}" for n, name in enumerate(found)) or "none; is the driver installed?"
        raise UsageError(f"there is no GPU {device} on this host; it has {there_are}")
    return number
