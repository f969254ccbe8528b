"""Wall time of two workers on two cores against one worker."""

from pathlib import Path

from benchmarks.images import line
from benchmarks.programs import USUAL, Cost, Work, emptied, fip_command, run, simulated
from benchmarks.report import Line

CASES = (("wgridder", USUAL), ("wgridder", Work(size=2048)), ("slant", USUAL))


def compare(scratch: Path, integrations: int, rounds: int) -> list[Line]:
    """Measure from start to end of `fip run`, start-up included; it needs a machine with two idle cores."""
    lines = []
    for kernel, work in CASES:
        observed, costs = simulated(scratch, integrations, work), dict[int, list[Cost]]()
        for workers in [1, 2] * rounds:
            directory = emptied(scratch / "workers")
            costs.setdefault(workers, []).append(run(fip_command(observed, directory, workers=workers, kernel=kernel)))
        one, two = ([cost.wall for cost in costs[workers]] for workers in (1, 2))
        what = f"wall s of {integrations} images, {kernel}, {work.size}^2, 2 workers against 1"
        lines.append(line(what, two, one, "<= 0.65" if kernel == "wgridder" else ""))
    return lines
