"""Versions of FIP that are compared take turns: each has a process of its own, which is asked line by line."""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import IO

from benchmarks.programs import environment


class Version:
    """A process that runs a program by the sources in a folder.

    The program says one line when it is ready, and answers each line that it reads with CPU seconds.
    """

    def __init__(self, library: Path, program: str, *words: object, given: object = None) -> None:
        """`words` are its arguments, and `given`, if it is not None, what it unpickles from its input first."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, words)],
            env=environment() | {"PYTHONPATH": os.fspath(library)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._to: IO[bytes] = self._process.stdin
        self._from: IO[bytes] = self._process.stdout
        if given is not None:
            pickle.dump(given, self._to)
            self._to.flush()
        line = self._from.readline()
        if not line:
            sys.exit(f"{library}: the process ended")
        self.said = line.decode().strip()
        """Its first line."""

    def seconds(self, asked: object = "") -> float:
        """Ask for something once; return the CPU seconds that it took."""
        self._to.write(f"{asked}\n".encode())
        self._to.flush()
        return float(self._from.readline())

    def close(self) -> None:
        """End the process and wait for it."""
        self._to.close()
        self._process.wait()


def medians(versions: Sequence[Version], asked: Sequence[object]) -> list[float]:
    """Ask each version for one thing after the other, in turns, and end them; return each one's median, CPU seconds."""
    times = [[each.seconds(what) for each in versions] for what in asked]
    for each in versions:
        each.close()
    return [median(column) for column in zip(*times, strict=True)]
