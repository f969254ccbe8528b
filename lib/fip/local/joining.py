"""`--join bands`: of the sets that are named, the one that stands for all, and what is asked of it."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fip.config.tables import Source
from fip.data.errors import UsageError
from fip.data.joining import BANDS

MOST = 1000
"""Sets that are joined: each is looked into by each process that reads, and a job holds the names of all."""


def joined(paths: Sequence[Path], source: Source) -> tuple[list[Path], Source]:
    """Return the sets to image one by one, and what is asked of them; if they are joined, the first with the others in
    it.

    UsageError if they cannot be.
    """
    if not source.join:
        return list(paths), source
    asked = f"--join {BANDS}"
    whole = [os.path.realpath(each) for each in paths]  # as a job has the first one
    if len(source.join) > 1:
        raise UsageError(f"{asked}: names sets of its own: name all sets beside it")
    if len(paths) < 2:
        raise UsageError(f"{asked}: is for several sets, and {paths[0]} alone is named: name the others, too")
    if len(paths) > MOST:
        raise UsageError(
            f"{asked}: {len(paths)} sets are named, and {MOST} can be joined: join those of an hour, or so"
        )
    if len(set(whole)) < len(whole):
        raise UsageError(f"{asked}: the same MeasurementSet is named twice: name each once")
    if source.follow:
        raise UsageError(f"{asked}: is for sets that are whole, and --follow for what is still being written")
    if source.scan:
        raise UsageError(f"{asked}: scans are not told apart in sets that are joined: leave out --scan")
    strange = next((each for each in whole[1:] if "," in each), None)
    if strange:
        raise UsageError(f"{asked}: {strange} has a comma in its name: rename it, or name it first")
    return [paths[0]], replace(source, join=(BANDS, *whole[1:]))
