"""The cache of compiled functions: a machine compiles them once, and a worker starts in a second."""

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
"""Its modules whose functions are compiled into one another. Each other module stands for itself."""

COMPILERS = ("numba", "llvmlite", "numpy")
"""Packages that compile. Another version of one of them may compile otherwise."""

LOCATOR = "fip.compiled.locator.ByContent"
NUMBAS_OWN = "UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator,IPythonCacheLocator,ZipCacheLocator"


def cache_directory() -> Path:
    """Return the folder of compiled functions: below $FIP_CACHE, else $XDG_CACHE_HOME/fip, else ~/.cache/fip.

    There is one folder for each state of all that they are made of: the sources of the kernels, Python, and the
    packages that compile. The sources count because numba does not see that a function has changed if it is compiled
    into another. The place of the sources does not count: another version of FIP with the same sources finds them
    compiled.
    """
    general = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "fip"
    base = Path(os.environ.get("FIP_CACHE") or general)
    made_of = digest_of(KERNELS / f"{module}.py" for module in COMPILED)
    compilers = (sys.implementation.cache_tag, *((each, version(each)) for each in COMPILERS))
    return base.expanduser() / f"kernels-{_digest(repr((made_of, compilers)).encode())}"


def digest_of(sources: Iterable[Path]) -> str:
    """Return a digest of the content of sources; their names do not count."""
    return _digest(b"".join(hashlib.sha256(each.read_bytes()).digest() for each in sources))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def use_cache() -> Path:
    """Point numba at the folder. Call this before the first function is compiled.

    If the folder cannot be written, as in a reader's unit, use a temporary one instead: a copy of it if it has been
    filled. Otherwise the temporary one is empty, a warning is logged, and each process compiles anew.
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
    """Return a digest of this processor: numba keeps apart what it compiles for each."""
    return _digest(repr(_processor()).encode())


def _processor() -> tuple[str, ...]:
    """Return the name and the abilities of the processor; only its kind if Linux does not name them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = {line.partition(":")[0].strip(): line for line in reversed(lines)}
    return (platform.machine(), *(named[key] for key in ("model name", "flags", "Features") if key in named))


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Let workers that start together take turns: the second finds what the first has compiled."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
