"""Wall time of two workers on two cores against one worker."""

from __future__ import annotations

from pathlib import Path

from benchmarks.images import line
from benchmarks.programs import Cost, emptied, fip_command, run, simulated
from benchmarks.report import Line

KERNELS = ("wgridder", "slant")


def compare(scratch: Path, integrations: int, rounds: int) -> list[Line]:
    """From start to end of `fip run`, start-up included. It says something on a machine with two idle cores only."""
    observed = simulated(scratch, integrations)
    costs: dict[tuple[str, int], list[Cost]] = {(kernel, workers): [] for kernel in KERNELS for workers in (1, 2)}
    for _ in range(rounds):
        for (kernel, workers), taken in costs.items():
            directory = emptied(scratch / "workers")
            taken.append(run(fip_command(observed, directory, workers=workers, kernel=kernel)))
    return [
        line(
            f"wall s of {integrations} images, {kernel}, 2 workers against 1",
            [cost.wall for cost in costs[kernel, 2]],
            [cost.wall for cost in costs[kernel, 1]],
            "<= 0.65" if kernel == "wgridder" else "",
        )
        for kernel in KERNELS
    ]
