"""What a process uses of its machine: CPU, memory, disk, GPU. What cannot be known is None, and never an error."""

import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pynvml

from fip.wire.status import Gpu, Resources


def resources(disk: Path | None, device: str) -> Resources:
    """Return what this process uses now; `disk` is a path that it writes to, `device` is cpu, or cuda:N."""
    seconds: float | None = None
    memory: int | None = None
    with suppress(OSError, psutil.Error):  # for example if no file can be opened
        process = psutil.Process()
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info().rss
        seconds = times.user + times.system
    free, total = _disk(disk) if disk else (None, None)
    return Resources(seconds, memory, free, total, _gpu(device))


def _disk(path: Path) -> tuple[int | None, int | None]:
    """Return free and all bytes of the file system of a directory, which may not be made yet."""
    for each in (path, *path.parents):
        with suppress(OSError):
            found = os.statvfs(each)
            return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    return None, None


def _gpu(device: str) -> Gpu | None:
    handle = _gpu_handle(device) if device.startswith("cuda:") else None
    if handle is None:
        return None
    try:
        name, memory = pynvml.nvmlDeviceGetName(handle), pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError:
        return None
    busy: float | None = None
    with suppress(pynvml.NVMLError):  # a part of a GPU (MIG) does not say
        busy = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    return Gpu(str(name), busy, int(memory.used), int(memory.total))


@cache
def _gpu_handle(device: str) -> Any:
    """NVML's handle of cuda:N, which CUDA_VISIBLE_DEVICES may have renumbered; None without a driver."""
    number = device.removeprefix("cuda:")
    visible = [each.strip() for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each.strip()]
    try:
        which = visible[int(number)] if visible else number
        pynvml.nvmlInit()
        if which.isdigit():
            return pynvml.nvmlDeviceGetHandleByIndex(int(which))
        return pynvml.nvmlDeviceGetHandleByUUID(which.encode())
    except (pynvml.NVMLError, ValueError, IndexError):
        return None
