"""Where compiled kernels are kept, so that a machine compiles them once and a worker starts in a second."""

import fcntl
import hashlib
import logging
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from fip import __version__
from fip.imaging.slant.scheme import PRECISIONS, Precision

log = logging.getLogger("fip.imaging.slant")

COMPILED = ("scheme", "simd", "basis", "fft", "grid", "resample", "sheet", "stages", "degrid", "adjoint")
"""The modules with compiled functions."""


def cache_directory() -> Path:
    """The folder for this version of FIP: below $FIP_CACHE, else $XDG_CACHE_HOME/fip, else ~/.cache/fip.

    numba keeps apart what it compiles for different processors, but does not see that a function which is compiled
    into another has changed; hence a folder for each state of the sources.
    """
    general = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "fip"
    base = Path(os.environ.get("FIP_CACHE") or general)
    sources = hashlib.sha256()
    for module in COMPILED:
        sources.update(Path(__file__).with_name(f"{module}.py").read_bytes())
    return base.expanduser() / f"kernels-{__version__}-{sources.hexdigest()[:12]}"


def use_cache() -> Path:
    """Point numba at the folder; to be called before the first function is compiled.

    Where the folder cannot be written, as in a reader's unit, a temporary one takes its place: a copy of it if it
    has been filled, else an empty one, with a warning: each process then compiles anew.
    """
    folder = cache_directory()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        there, folder = folder, Path(tempfile.mkdtemp(prefix="fip-kernels-"))
        if any(is_warm([each]) for each in PRECISIONS):
            shutil.copytree(there, folder, dirs_exist_ok=True)
        else:
            log.warning("kernels are compiled at every start, their cache cannot be written: %s; set FIP_CACHE", error)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    import numba

    numba.config.CACHE_DIR = str(folder)  # numba may have been imported by somebody else
    return folder


def mark(precision: Precision, of: Literal["complete", "degridding"] = "complete") -> Path:
    """A file beside the compiled functions, made when all of a precision are there, as this Python finds them here.

    `degridding` marks those that degrid, which workers do without.
    """
    folder = Path(__file__).parent
    return cache_directory() / f"{of}-{precision}-{seen_from_here([folder / f'{module}.py' for module in COMPILED])}"


def seen_from_here(modules: Sequence[Path]) -> str:
    """What numba finds functions by in a cache, beside what they are: Python, itself, the processor, where they stand.

    Another Python, an update or a copy of the sources compiles anew, in the same folder.
    """
    folder = modules[0].parent
    stamps = [each.stat() for each in modules]
    known = (
        sys.implementation.cache_tag, version("numba"), version("llvmlite"), _processor(), str(folder),
        *((each.st_mtime_ns, each.st_size) for each in stamps),
    )  # fmt: skip
    return hashlib.sha256(repr(known).encode()).hexdigest()[:12]


def _processor() -> tuple[str, ...]:
    """The name and the abilities of the processor; of one that Linux does not tell, its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = {line.partition(":")[0].strip(): line for line in reversed(lines)}
    return (platform.machine(), *(named[key] for key in ("model name", "flags", "Features") if key in named))


def is_warm(precisions: Iterable[Precision] = PRECISIONS) -> bool:
    """Whether all kernels of this version are compiled, as far as files can tell."""
    return all(mark(precision).exists() for precision in precisions)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Workers that start together take turns: the second finds what the first has compiled."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
