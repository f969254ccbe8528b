"""`fip.run`: the whole pipeline, as `fip run` starts it, from a program."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from fip.api.options import OF_A_RUN, with_options
from fip.archive.opened import Archive
from fip.config import settings_of
from fip.data.errors import FipError, UsageError
from fip.local.apart import Wanted, run_apart
from fip.local.run import EXIT_INTERRUPTED, output_of, workers_on

BY = "fip.run"
log = logging.getLogger(BY)

Progress = Callable[[int, int], None]
"""Called with the number of images stored and of all: more may become known while a MeasurementSet is written."""


@with_options(OF_A_RUN)
def run(
    *measurement_sets: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    devices: str = "cpu",
    overwrite: bool = False,
    repair: bool = False,
    web: bool = False,
    config: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: object,
) -> Archive:
    """Image every slice of MeasurementSets with real daemons, as `fip run`; run again, it resumes. Returns the archive.

    The options are those of `fip run`, by the same names, as text or as values. `progress(stored, total)` is called in
    this thread as images come; what `fip run` prints goes to the logger "fip.run". It runs in a process of its own,
    which stops cleanly at an interrupt and if this one ends.

    Raises FipError in the words of `fip run` if not every slice could be stored (what is stored is in the archive all
    the same, and the slices that failed in its `runs`), and UsageError, ConfigError and InputError before anything
    begins.
    """
    if not measurement_sets:
        raise UsageError(f"{BY}: no MeasurementSet is named")
    paths = [Path(each) for each in measurement_sets]
    loaded = settings_of(options, BY).load(None if config is None else Path(config)).config
    directory = output_of(paths, None if output is None else Path(output), loaded.source.join)
    wanted = Wanted(paths, loaded, directory, workers_on(devices, workers), overwrite, web, repair)
    lines: list[str] = []

    def said(line: str) -> None:
        lines.append(line)
        log.info("%s", line)

    code = run_apart(wanted, progress or (lambda stored, total: None), said)
    if code == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise FipError("\n".join(lines[-SAID:]))
    return Archive(directory)


SAID = 25  # lines of what was said that an error repeats: the summary, with the failures that it names
