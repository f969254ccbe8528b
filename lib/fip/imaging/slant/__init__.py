"""The slant kernel: exact w-terms for the snapshot of an array that is nearly a plane. `docs/kernel.md` is its paper.

Only `fip.imaging.kernels.make_kernel`, `fip warmup` and what predicts sky models import from here, and late: numba,
which these modules are compiled with, takes half a second to import, and the ventilator and the sink run where no new
machine code may be made.
"""
