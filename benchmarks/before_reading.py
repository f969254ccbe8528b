"""CPU seconds in which a reading child cuts a slice, now and at an earlier commit: rows of `benchmarks.before`.

Each version reads in a process of its own, from its own sources, as the ventilator has it read: samples, weights,
compression, and the frames that are sent. They take turns, a slice each; the first slices, in which tables are opened,
nodes worked out and functions loaded, are not counted. Medians.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.turns import Version, medians
from fip.data.quantities import ARCSEC
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation

CHILD = """
import sys, time
from pathlib import Path
path, size, scale = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
try:
    from fip.data.settings import asked
    from fip.source.requests import cut, look
    how = asked(size=(size, size), scale=scale)
    facts = look(path, how)
    def read(index):
        cut(path, how, None, facts.run, index)
except ImportError:
    from fip.data import Selection
    from fip.source.reading import cut, look
    how = Selection(size=(size, size), scale=scale)
    facts = look(path, how, False)
    def read(index):
        cut(path, how, False, facts.run, index)
for index in range(3):
    read(index % len(facts.times))
print("ready", flush=True)
for line in sys.stdin:
    begun = time.process_time()
    read(int(line))
    print(time.process_time() - begun, flush=True)
"""


@dataclass(frozen=True)
class Row:
    """An observation, and the ratio that ends an issue, and what is believed to be there."""

    antennas: int
    channels: int
    integrations: int
    close: float
    aim: float


SIDE, SCALE = 1024, 1.5 * ARCSEC
ROWS = {
    "reader, 64 antennas, 64 channels": Row(64, 64, 24, 0.5, 0.25),
    "reader, 64 antennas, 1024 channels": Row(64, 1024, 4, 0.4, 0.25),
    "reader, 512 stations, 64 channels": Row(512, 64, 3, 0.4, 0.25),
}


def print_rows(before: Path, now: Path, scratch: Path, wanted: Sequence[str], rounds: int) -> int:
    """Print a line for each row; return how many are above the ratio that ends the issue."""
    missed = 0
    for name in wanted:
        row, path = ROWS[name], scratch / "reading.ms"
        simulate(
            path,
            Simulation(antennas=row.antennas, channels=row.channels, integrations=row.integrations),
            overwrite=True,
        )
        readers = [Version(each, CHILD, path, SIDE, repr(SCALE)) for each in (before, now)]
        then, new = medians(readers, [index % row.integrations for index in range(rounds)])
        missed += new / then > row.close
        print(
            f"| {name} | {1e3 * then:.1f} | {1e3 * new:.1f} | {new / then:.3f} | {row.close}, {row.aim} |", flush=True
        )
    return missed
