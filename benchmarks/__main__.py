"""`python -m benchmarks`: FIP beside what it replaces, measured side by side in one run. See docs/benchmarks.md."""

import argparse
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from benchmarks import images, slices, stages, workers, wsclean
from benchmarks.programs import USUAL, Work
from benchmarks.report import print_table

PARTS = ("slices", "stages", "images", "workers", "wsclean", "wide", "large")
VERSIONS = ("fip", "numpy", "ducc0", "python-casacore", "astropy", "pyzmq")


def main() -> None:
    """Run the parts asked for and print a table of each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}  [default: all]")
    parser.add_argument("--quick", action="store_true", help="few images, one round: to see that it works")
    parser.add_argument("--rounds", type=int, default=1, help="rounds of which medians are taken  [default: 1]")
    parser.add_argument("--scratch", type=Path, help="directory for data, kept and used again  [default: a new one]")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"part {unknown.pop()!r} is none of {', '.join(PARTS)}")
    if arguments.rounds < 1:
        parser.error("--rounds needs at least 1")
    console = Console()
    console.print(conditions(), load(), sep="\n", highlight=False)
    with tempfile.TemporaryDirectory(prefix="fip-benchmarks-") as temporary:
        scratch = arguments.scratch or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        measure(arguments.parts or PARTS, scratch.resolve(), arguments.quick, arguments.rounds, console)
    console.print(load(), highlight=False)


def measure(parts: list[str] | tuple[str, ...], scratch: Path, quick: bool, rounds: int, console: Console) -> None:
    """Run some parts, the short ones first."""
    short, long = (6, 30) if quick else (60, 360)
    few = (4, 8) if quick else (4, 16)
    if "slices" in parts:
        lines = slices.compare(scratch, short, repeats=200 if quick else 2000)
        print_table("A slice on the wire", "prototype", lines, console)
    if "stages" in parts:
        print_table(
            f"CPU ms of an image by stage, {USUAL}", "plain loop", stages.measure(scratch, (short, long)), console
        )
    if "images" in parts:
        print_table("MeasurementSet to FITS", "plain loop", images.compare(scratch, (short, long), rounds), console)
    if "workers" in parts:
        print_table("Two workers", "1 worker", workers.compare(scratch, 30 if quick else 240, rounds), console)
    if "wsclean" in parts:
        lines = wsclean.compare(scratch, (6, 12) if quick else (30, 120), rounds)
        print_table("MeasurementSet to FITS", "WSClean", lines, console)
    for part, work in {"wide": Work(channels=1024), "large": Work(size=4096)}.items():
        if part in parts:
            title = f"CPU ms of an image by stage, {work}"
            print_table(title, "plain loop", stages.measure(scratch, few, work), console)
            print_table(f"MeasurementSet to FITS, {work}", "WSClean", wsclean.compare(scratch, few, 1, work), console)


def conditions() -> str:
    """What the figures hold for."""
    model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    versions = ", ".join(f"{name} {version(name)}" for name in VERSIONS)
    return f"{os.cpu_count()} x{model.partition(':')[2]}, Python {platform.python_version()}, {versions}"


def load() -> str:
    """How busy the machine is: CPU seconds grow with it, and wall times mean nothing on a busy one."""
    return "load over 1, 5 and 15 minutes: " + ", ".join(f"{value:.1f}" for value in os.getloadavg())


if __name__ == "__main__":
    main()
