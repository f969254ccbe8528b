"""The daemons of FIP, one file each, all of one shape: parse, load the configuration, open sockets, loop, drain.

A ventilator cuts slices from MeasurementSets, workers image them, a sink stores the images. `fip.runtime.service` runs
them; what is worth a test of its own is in `fip`.
"""

import os

# One thread of arithmetic a process: more cores are more workers. numpy reads this when it is imported. On a busy
# machine the ventilator's small sums take fifty times more CPU where threads of OpenBLAS wait for each other.
for _library in ("OMP", "OPENBLAS", "MKL", "DUCC0"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
