"""The pipeline in made time, for very many seeds: of each kind of broken promise the first is shortened and printed.

    python -m benchmarks.simulation FIRST:END [--processes 2]
    python -m benchmarks.simulation SEED

With one SEED it prints all that happened. The exit code is 1 if a promise was broken.
"""

import argparse
import re
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from simulated.scenario import Result, play, scenario, shortened

CHUNK = 25  # seeds of a task


def _kind(violation: str) -> str:
    """A violation without what differs from one seed to another."""
    return re.sub(r"[0-9a-f]{16}|\d+(\.\d+)?", "N", violation)[:160]


def _chunk(seeds: range) -> tuple[float, list[tuple[int, str]]]:
    results = ((seed, play(scenario(seed))) for seed in seeds)
    found = [(seed, result.seconds, result.violation) for seed, result in results]
    return sum(seconds for _, seconds, _ in found), [(seed, violation) for seed, _, violation in found if violation]


def _tell(seed: int, result: Result) -> None:
    print(*result.story, f"trace {result.trace}", result.violation or "every promise held", sep="\n")
    print(f"seed {seed}: {len(result.story)} events in {result.seconds:.0f} s of made time")


def main() -> int:
    """Run the command with its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=__doc__.splitlines()[0])
    parser.add_argument("seeds", help="FIRST:END, or one SEED, to print all that happened")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    first, _, end = arguments.seeds.partition(":")
    if not end:
        result = play(scenario(int(first)))
        _tell(int(first), result)
        return bool(result.violation)
    begun, made, kinds = time.monotonic(), 0.0, defaultdict[str, list[int]](list)
    chunks = [range(each, min(each + CHUNK, int(end))) for each in range(int(first), int(end), CHUNK)]
    with ProcessPoolExecutor(arguments.processes) as pool:
        for number, (seconds, violations) in enumerate(pool.map(_chunk, chunks), 1):
            made += seconds
            for seed, violation in violations:
                kinds[_kind(violation)].append(seed)
                print(f"seed {seed}: {violation[:200]}", flush=True)
            if number % 40 == 0 or number == len(chunks):
                bad = sum(map(len, kinds.values()))
                print(f"{number * CHUNK} seeds, {bad} bad, {time.monotonic() - begun:.0f} s", flush=True)
    print(f"seeds {first} to {int(end) - 1}: {made / 3600:.1f} h of made time in {time.monotonic() - begun:.0f} s")
    for kind, seeds in sorted(kinds.items(), key=lambda item: -len(item[1])):
        print(f"\n{len(seeds)} times, seeds {', '.join(map(str, islice(seeds, 5)))}: {kind}")
        small = shortened(scenario(seeds[0]))
        print(f"seed {seeds[0]} with {len(small.faults)} faults: {small}")
        print(*play(small).story, sep="\n")
    return bool(kinds)


if __name__ == "__main__":
    sys.exit(main())
