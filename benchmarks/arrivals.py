"""Sets that arrive in a folder, in sub-bands and out of order, with all that may be odd: what each costs to take in.

    PYTHONPATH=tests python -m benchmarks.arrivals [--form uvh5] [--groups 1000] [--bands 4] [--rate 20] [--scratch DIR]

A recorder copies small sets (`cp -rf`) into BAND/HOUR/STAMP_BAND.ms, so many a second. One part does not come, one is
half-written, one comes twice, one too late, one is taken away before it was imaged; a tar archive, a calibration table
and a set of another array lie beside them; and what was imaged is removed now and then. Here the folder is looked at
ten times a second, as the ventilator has it done, without daemons: proposed lines are written down, and slices cut.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import h5py
import psutil
from casacore.tables import table as open_table

from fip.data.arriving import Oddity, Rules
from fip.data.errors import NotYetError
from fip.data.settings import asked
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.source.arriving.looking import Probe
from fip.source.arriving.recording import Arriving
from fip.source.growing import Growing

LOOK_EVERY = 0.1  # s, as the ventilator's
CADENCE = 10.0  # s of the data, from one set to the next
BAND = 20e6  # Hz
MARKER = "DONE"
SHUFFLED = 12  # sets among which one may come in another's place
STRANGE = 50  # sets, after which others come that are none of this array
KEEP = 40  # sets that were imaged, before the oldest is removed
QUIET = 200  # looks with nothing new
ODD: Mapping[Oddity, int] = {"missing": 3, "truncated": 1, "foreign": 3, "duplicate": 1, "late": 1, "removed": 1}
"""What is to be counted: a part is missing if it does not come, is half-written, or was taken away."""


@dataclass
class Plan:
    """The settings of a recorder."""

    groups: int
    bands: int
    form: str  # "ms" or "uvh5"
    rate: float  # sets a second
    settle: float  # s
    grace: float  # s

    def odd(self, share: float) -> int:
        """A group to which something happens."""
        return int(share * self.groups)

    def order(self) -> list[tuple[int, int]]:
        """Groups and bands as they come: out of order by a little."""
        dice = random.Random(1)
        due = {
            (group, band): group * self.bands + band + SHUFFLED * dice.random()
            for group in range(self.groups)
            for band in range(self.bands)
        }
        return sorted(due, key=lambda each: due[each])


def record(plan: Plan, templates: Path, folder: Path) -> None:
    """Have all sets arrive, and put the marker in the end."""
    begun, staged = time.monotonic(), templates / "staged"
    for number, (group, band) in enumerate(plan.order()):
        if number == STRANGE:
            strangers(templates, folder)
        time.sleep(max(0.0, begun + number / plan.rate - time.monotonic()))
        odd = {plan.odd(share): what for share, what in ((0.2, "missing"), (0.3, "truncated"), (0.4, "removed"))}
        what = odd.get(group, "") if band == plan.bands - 1 else ""
        if what == "missing":
            continue
        template = templates / f"{band}.{plan.form}"
        stamp(template, staged, group)
        there = folder / f"BAND{band}" / f"{group // 360:02}" / f"{group:06}_{band}.{plan.form}"
        there.parent.mkdir(parents=True, exist_ok=True)
        if what == "truncated":
            files = [each for each in (staged, *staged.rglob("*")) if each.is_file()]
            largest = max(files, key=lambda each: each.stat().st_size)
            os.truncate(largest, largest.stat().st_size // 2)
        copy(staged, there)
        if what == "removed":
            time.sleep(0.9 * plan.settle)
            remove(there)
        if (group, band) == (plan.odd(0.5), 0):
            copy(staged, there.with_name(f"{group:06}_again.{plan.form}"))
        if (group, band) == (plan.odd(0.6), 0):
            stamp(template, staged, plan.odd(0.1))
            copy(staged, there.with_name(f"{plan.odd(0.1):06}_again.{plan.form}"))
    time.sleep(2 * plan.grace)
    (folder / MARKER).touch()


def strangers(templates: Path, folder: Path) -> None:
    """What is no set of this array."""
    subprocess.run(["tar", "-cf", str(folder / "old.tar"), "-C", str(templates), "0.ms"], check=True)
    copy(templates / "0.ms" / "FIELD", folder / "cal.B")
    copy(templates / "other.ms", folder / "other.ms")


def copy(source: Path, there: Path) -> None:
    """Copy as recorders do: not in one step, and the table before what is in it."""
    subprocess.run(["cp", "-rf", str(source), str(there)], check=True)


def stamp(template: Path, there: Path, group: int) -> None:
    """A copy of a set, of another time."""
    remove(there)
    copy(template, there)
    if there.is_file():
        with h5py.File(there, "r+") as file:
            file["Header/time_array"][...] += group * CADENCE / 86400
        return
    with closing(open_table(str(there), readonly=False, ack=False)) as main:
        for name in ("TIME", "TIME_CENTROID"):
            main.putcol(name, main.getcol(name) + group * CADENCE)


def remove(path: Path) -> None:
    """A set, of either form."""
    subprocess.run(["rm", "-rf", str(path)], check=True)


def make_templates(folder: Path, bands: int, form: str, antennas: int, channels: int) -> None:
    """A set of one integration of each band, and one of another array."""
    for band in range(bands):
        made = Simulation(
            antennas=antennas, channels=channels, integrations=1, cadence=CADENCE, bandwidth=BAND,
            frequency=1.3e9 + band * BAND,
        )  # fmt: skip
        simulate(folder / f"{band}.ms", made)
        if form == "uvh5":
            from support.uvh5_files import from_set

            from_set(folder / f"{band}.ms", folder / f"{band}.uvh5")
    simulate(folder / "other.ms", Simulation(antennas=antennas + 1, channels=channels, integrations=1))


@dataclass
class Manifest:
    """The file, as the ventilator has it."""

    path: Path
    lines: int = 0

    def descriptor(self) -> int:
        """Open the file to read, and return its descriptor."""
        self.path.touch()
        return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)

    def add(self, lines: Sequence[str]) -> None:
        """Add lines, durable when this returns."""
        with self.path.open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        self.lines += len(lines)


@dataclass
class Taken:
    """What was seen, and what it cost."""

    slices: int = 0
    incomplete: int = 0
    looks: int = 0
    looking: float = 0.0  # CPU s of looks here
    cutting: float = 0.0  # CPU s
    quiet: list[float] = field(default_factory=list)  # CPU s of looks with nothing new, at the end
    probe: float = 0.0  # CPU s of the child that looks into members
    oddities: Mapping[Oddity, int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    groups: int = 0


def follow(folder: Path, manifest: Manifest, plan: Plan, rules: Rules) -> Taken:
    """Look until the end, and cut each slice."""
    taken, probe = Taken(), Probe()
    main = Arriving(folder, rules, manifest.descriptor(), probe=probe)
    growing = Growing(folder, asked(size=(64, 64), scale="20arcsec"), lambda: main)
    started = 0.0
    try:
        while growing.ended is not True:
            begun = time.monotonic()
            look(growing, main, manifest, taken)
            if not started and probe.pid:
                started = cpu(probe)
            taken.probe = cpu(probe) - started if probe.pid else taken.probe
            time.sleep(max(0.0, begun + LOOK_EVERY - time.monotonic()))
        time.sleep(3.0)
        for _ in range(QUIET):
            before = time.process_time()
            growing.look()
            taken.quiet.append(time.process_time() - before)
        taken.oddities, taken.groups = {**main.counts()}, len(main.manifest.groups)
        taken.incomplete = sum(group.missing > 0 for group in main.manifest.groups)
    finally:
        growing.close()
    return taken


def look(growing: Growing, main: Arriving, manifest: Manifest, taken: Taken) -> None:
    """One look, and what follows from it."""
    before, run = time.process_time(), None
    with suppress(NotYetError):
        run = growing.look()
    arrived = main.arrivals()
    taken.said += arrived.said
    if arrived.proposed:
        manifest.add(arrived.proposed)
    middle = time.process_time()
    taken.looking, taken.looks = taken.looking + middle - before, taken.looks + 1
    while run and taken.slices < len(run.slices):
        run.read(taken.slices)
        taken.slices += 1
        if taken.slices > KEEP and taken.slices % KEEP == 0:  # a quota makes room
            for part in main.manifest.groups[taken.slices - KEEP].parts:
                remove(main.path / part.path)
    taken.cutting += time.process_time() - middle


def cpu(probe: Probe) -> float:
    """s that the child has taken."""
    times = psutil.Process(probe.pid).cpu_times()
    return times.user + times.system


def report(plan: Plan, taken: Taken) -> bool:
    """Print what was measured; return whether all is as it should be."""
    files = plan.groups * plan.bands
    cost = 1e3 * (taken.looking + taken.probe) / files
    quiet = 1e3 * median(taken.quiet)
    for line in taken.said:
        print(f"  {line}")
    print(f"{files} sets of {plan.groups} times, {taken.looks} looks, {taken.groups} groups, {taken.slices} slices")
    print(f"incomplete after the grace: {taken.incomplete}; oddities: {taken.oddities}")
    print(
        f"CPU a set: {cost:.2f} ms ({1e3 * taken.looking / files:.2f} here, {1e3 * taken.probe / files:.2f} in the "
        f"child that looks into it; aim 15, at most 30); a slice is cut in {1e3 * taken.cutting / taken.slices:.1f} ms"
    )
    print(f"a look with nothing new: {quiet:.3f} ms CPU (median of {QUIET}), at most 1")
    odd = Counter(taken.oddities)
    odd.pop("out of order", None)
    good = taken.slices == taken.groups == plan.groups and taken.incomplete == ODD["missing"] and odd == Counter(ODD)
    print("as it should be" if good and cost <= 30 and quiet <= 1 else "NOT AS IT SHOULD BE", flush=True)
    return good and cost <= 30 and quiet <= 1


def main() -> int:
    """Run it; return 0 if all is as it should be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arrivals", description=__doc__)
    parser.add_argument("--groups", type=int, default=1000)
    parser.add_argument("--form", choices=("ms", "uvh5"), default="ms")
    parser.add_argument("--bands", type=int, default=4)
    parser.add_argument("--rate", type=float, default=20.0, help="sets a second")
    parser.add_argument("--settle", type=float, default=1.0, help="s")
    parser.add_argument("--grace", type=float, default=5.0, help="s")
    parser.add_argument("--antennas", type=int, default=8)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--record", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    plan = Plan(
        arguments.groups, arguments.bands, arguments.form, arguments.rate, arguments.settle, arguments.grace
    )  # fmt: skip
    if arguments.record:
        record(plan, arguments.record / "templates", arguments.record / "sets")
        return 0
    with tempfile.TemporaryDirectory(prefix="fip-arrivals-", dir=arguments.scratch) as made:
        scratch = Path(made)
        (scratch / "templates").mkdir()
        (scratch / "sets").mkdir()
        make_templates(scratch / "templates", plan.bands, plan.form, arguments.antennas, arguments.channels)
        recorder = subprocess.Popen([sys.executable, "-m", "benchmarks.arrivals", *sys.argv[1:], "--record", made])
        try:
            rules = Rules(settle=arguments.settle, grace=arguments.grace, marker=MARKER)
            taken = follow(scratch / "sets", Manifest(scratch / "order.jsonl"), plan, rules)
        finally:
            recorder.kill()
            recorder.wait()
        good = report(plan, taken)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
