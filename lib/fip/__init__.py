"""FIP, the fast imaging pipeline. Read `fip.data.values` first: its types are the vocabulary of all the rest."""

import os
from importlib.metadata import version

__version__ = version("fip")

# One thread of arithmetic a process: more cores are more workers. numpy reads this when it is imported. Where threads
# of OpenBLAS wait for each other, small sums take fifty times more CPU on a busy machine, and a run twice the CPU on an
# idle one of 16 cores.
for _library in ("OMP", "OPENBLAS", "MKL", "DUCC0"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

# casacore reads no table without a home, nor does `~` mean anything: a service, or a job on a cluster, may have none.
if not os.environ.get("HOME"):
    os.environ["HOME"] = "/"
