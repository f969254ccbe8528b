"""How many processes read MeasurementSets."""

import os
from collections.abc import Iterable

from fip.config import Config

CPUS_OF_ONE = 4  # CPU workers that one reader keeps busy
OF_A_GPU = 2  # readers that it takes to keep a GPU busy
MOST_READERS = 8  # unless more are asked for


def readers_for(config: Config, cores: int, devices: Iterable[str] | None = None) -> int:
    """Return how many children read on a host of so many cores, if it is not configured: by what they feed.

    That is workers on these devices, or those of the layout.
    """
    if config.ventilator.readers is not None:
        return config.ventilator.readers
    if devices is None:
        devices = [
            config.device_of(what.removeprefix("worker."), host)
            for host, node in config.node.items() for what in node.runs if what.startswith("worker.")
        ]  # fmt: skip
    on_gpu = [device.startswith("cuda") for device in devices]
    needed = OF_A_GPU * on_gpu.count(True) + -(-on_gpu.count(False) // CPUS_OF_ONE)
    return max(1, min(needed, cores // 2, MOST_READERS))


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))
