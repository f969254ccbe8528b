"""Where compiled kernels are kept, so that a machine compiles them once and a worker starts in a second."""

import fcntl
import hashlib
import logging
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from fip.imaging.slant.scheme import PRECISIONS, Precision

log = logging.getLogger("fip.imaging.slant")

COMPILED = (
    "scheme", "simd", "basis", "fft", "grid", "resample", "sheet", "rows", "trial", "psf", "stages", "sky_stages",
    "degrid", "adjoint",
)  # fmt: skip
"""The modules with compiled functions."""

COMPILERS = ("numba", "llvmlite", "numpy")
"""Packages, any other version of which may compile otherwise."""

LOCATOR = "fip.imaging.slant.locator.ByContent"
NUMBAS_OWN = "UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator,IPythonCacheLocator,ZipCacheLocator"


def cache_directory() -> Path:
    """Where compiled functions are: below $FIP_CACHE, else $XDG_CACHE_HOME/fip, else ~/.cache/fip.

    A folder for each state of all that they are made of: the sources of the kernels, since numba does not see that a
    function which is compiled into another has changed, Python, and what compiles. Where the sources stand is nothing
    to it: another version of FIP that has the same finds them compiled.
    """
    general = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "fip"
    base = Path(os.environ.get("FIP_CACHE") or general)
    made_of = digest_of(Path(__file__).with_name(f"{module}.py") for module in COMPILED)
    compilers = (sys.implementation.cache_tag, *((each, version(each)) for each in COMPILERS))
    return base.expanduser() / f"kernels-{_digest(repr((made_of, compilers)).encode())}"


def digest_of(sources: Iterable[Path]) -> str:
    """What tells sources from others, whatever they are called."""
    return _digest(b"".join(hashlib.sha256(each.read_bytes()).digest() for each in sources))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


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

    numba.config.reload_config()  # numba may have been imported by somebody else
    before = numba.config.CACHE_LOCATOR_CLASSES or NUMBAS_OWN
    numba.config.CACHE_LOCATOR_CLASSES = before if LOCATOR in before else f"{LOCATOR},{before}"
    return folder


def mark(precision: Precision, of: Literal["complete", "degridding"] = "complete") -> Path:
    """A file beside the compiled functions, made when all of a precision are there, for this processor.

    `degridding` marks those that degrid, which workers do without.
    """
    return cache_directory() / f"{of}-{precision}-{processor()}"


def processor() -> str:
    """What tells this processor from another: numba keeps apart what it compiles for each."""
    return _digest(repr(_processor()).encode())


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
