"""Where compiled functions are kept, so that a machine compiles them once and a worker starts in a second."""

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

log = logging.getLogger("fip.compiled")

KERNELS = Path(__file__).parents[1] / "imaging" / "slant"
"""The folder of the imaging kernels."""

COMPILED = (
    "scheme", "emit", "simd", "basis", "fft", "tiles", "grid", "taps", "resample", "sheet", "rows", "trial", "psf",
    "stages", "sky_stages", "degrid", "adjoint",
)  # fmt: skip
"""Their modules with functions that are compiled into one another. Of other modules each stands for itself."""

COMPILERS = ("numba", "llvmlite", "numpy")
"""Packages, any other version of which may compile otherwise."""

LOCATOR = "fip.compiled.locator.ByContent"
NUMBAS_OWN = "UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator,IPythonCacheLocator,ZipCacheLocator"


def cache_directory() -> Path:
    """Where compiled functions are: below $FIP_CACHE, else $XDG_CACHE_HOME/fip, else ~/.cache/fip.

    A folder for each state of all that they are made of: the sources of the kernels, since numba does not see that a
    function which is compiled into another has changed, Python, and what compiles. Where the sources stand is nothing
    to it: another version of FIP that has the same finds them compiled.
    """
    general = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "fip"
    base = Path(os.environ.get("FIP_CACHE") or general)
    made_of = digest_of(KERNELS / f"{module}.py" for module in COMPILED)
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
        if any(there.glob(f"*-{processor()}")):
            shutil.copytree(there, folder, dirs_exist_ok=True)
        else:
            log.warning("kernels are compiled at every start, their cache cannot be written: %s; set FIP_CACHE", error)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    import numba

    numba.config.reload_config()  # numba may have been imported by somebody else
    before = numba.config.CACHE_LOCATOR_CLASSES or NUMBAS_OWN
    numba.config.CACHE_LOCATOR_CLASSES = before if LOCATOR in before else f"{LOCATOR},{before}"
    return folder


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


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Workers that start together take turns: the second finds what the first has compiled."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
