"""The slant kernel: exact w-terms for the snapshot of an array that is nearly a plane. `docs/kernel.md` is its paper.

Only `fip.imaging.kernels.make_kernel`, `fip warmup` and the prediction of sky models import from here, and late: numba,
which compiles these modules, takes half a second to import, and the ventilator and the sink may not make machine code.
"""
