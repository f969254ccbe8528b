"""FIP, the fast imaging pipeline, for programs: open, image, write, archive and run (docs/python.md).

    import fip

    with fip.open("obs.ms", size=1024, scale="1.2arcsec") as opened:
        image = fip.image(opened.slices[0])
    image.pixels, image.wcs, image.header, image.beam, image.times

    fip.run("obs.ms", size=1024, progress=print).lightcurve("05h31m58.7s +33d08m52s")

Whoever changes FIP reads `fip.data.values` first: its types are the vocabulary of all the rest.
"""

import os
from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("fip")

# One thread of arithmetic a process: more cores are more workers. numpy reads this when it is imported. Where threads
# of OpenBLAS wait for each other, small sums take fifty times more CPU on a busy machine, and a run twice the CPU on an
# idle one of 16 cores.
for _library in ("OMP", "OPENBLAS", "MKL", "DUCC0"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

# casacore reads no table without a home, nor does `~` mean anything: a service, or a job on a cluster, may have none.
if not os.environ.get("HOME"):
    os.environ["HOME"] = "/"

_NAMES = {
    "open": "fip.api.opening",
    "image": "fip.api.imaging",
    "write": "fip.api.imaging",
    "run": "fip.api.running",
    "archive": "fip",  # the room itself, which can be called
    "FipError": "fip.data.errors",
}
"""The modules that have what a program uses; `__init__.pyi` has the types. They are imported when a name is first used:
each daemon imports this package, and nothing that it does not need.
"""


def __getattr__(name: str) -> Any:
    """What a program uses, by its name."""
    if name not in _NAMES:
        raise AttributeError(f"module 'fip' has no attribute {name!r}")
    found = import_module(f"fip.{name}") if _NAMES[name] == "fip" else getattr(import_module(_NAMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """For completion."""
    return sorted([*_NAMES, "__version__"])
