"""Kernels on a GPU, through cupy. Only `fip.kernels.make_kernel` imports from here, and late."""
