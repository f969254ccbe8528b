"""Stages and kernels of users under `fip run`: imported once before anything starts, and settled to their digests."""

import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from fip.config import ALL_WORKERS, Config, Worker
from fip.data.errors import UsageError, UserCodeError
from fip.data.needs import codes, with_codes, with_whole_paths
from fip.data.primary_beam import file_of
from fip.data.settings import KERNELS, Imaging
from fip.data.user_code import Code, CodeKind, is_settled, name_of
from fip.worker.user_code import imported, installed

Targets = Mapping[tuple[CodeKind, str], str]
"""By what is asked for, as it is written: package.module:function."""


def settled(config: Config) -> Config:
    """Return the configuration with stages and kernel of the run settled, and what its workers need of them.

    They are those of `[worker]`, of what is installed, and any package.module:function that can be imported here: who
    runs it has chosen it. The folder that it is run in comes last. UsageError for one that cannot be imported, or has
    another digest than was asked for.
    """
    whole = {"imaging": with_beam(config.imaging), "source": with_whole_paths(config.source)}
    config = config.model_copy(update=whole)
    asked = list(codes(config.imaging))
    if not asked:
        return config.model_copy(update={"worker": {ALL_WORKERS: Worker(entry_points=False)}})
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # and that of the workers, which are forks
    targets = {key: _target(config.worker.get(ALL_WORKERS) or Worker(), *key) for key in asked}
    with ProcessPoolExecutor(1, get_context("fork")) as apart:  # the ventilator, a fork as well, imports nothing of it
        try:
            found = apart.submit(_codes, targets).result()
        except UserCodeError as error:
            raise UsageError(str(error)) from None
        except BrokenProcessPool:
            raise UsageError(
                f"importing {', '.join(targets.values())} ends the process: is it the right one?"
            ) from None
    for (kind, written), code in found.items():
        if is_settled(written) and not code.is_asked(kind, written):
            raise UsageError(f"{kind} {written}: the one that is here is {code.settled}: name it without a digest")
    imaging = with_codes(config.imaging, lambda kind, written: found[kind, written].settled)
    named = {
        kind: {name_of(written): target for (its_kind, written), target in targets.items() if its_kind == kind}
        for kind in ("stage", "kernel")
    }
    needs = Worker(stages=named["stage"], kernels=named["kernel"], entry_points=False)
    return config.model_copy(update={"imaging": imaging, "worker": {ALL_WORKERS: needs}})


def with_beam(imaging: Imaging) -> Imaging:
    """Return the same with a primary beam's file given by its whole path and digest. UsageError if unreadable."""
    file = file_of(imaging.primary_beam) if imaging.primary_beam else None
    if file is None:
        return imaging
    from fip.imaging.primary_beam import file_digest  # late: it imports more of scipy than others need

    path, digest = Path(file[0]).absolute(), file_digest(Path(file[0]))
    if file[1] and file[1] != digest:
        raise UsageError(f"--primary-beam {imaging.primary_beam}: the digest of its content is {digest}")
    return replace(imaging, primary_beam=f"{path}@{digest}")


def _target(worker: Worker, kind: CodeKind, written: str) -> str:
    """Return what NAME or NAME@DIGEST is. UsageError if nothing has that name."""
    name = name_of(written)
    named = installed(kind) | (worker.stages if kind == "stage" else worker.kernels)
    if name not in named and ":" not in name:
        own = KERNELS if kind == "kernel" else ()
        known = ", ".join((*own, *named)) or f"no {kind}s"
        raise UsageError(f"{kind} {name} is not known: there are {known}; or name a package.module:function")
    return named.get(name, name)


def _codes(targets: Targets) -> dict[tuple[CodeKind, str], Code]:
    return {
        (kind, written): imported(kind, name_of(written), target).code for (kind, written), target in targets.items()
    }
