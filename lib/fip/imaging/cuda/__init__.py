"""Kernels on a GPU, through cupy. Only `fip.imaging.kernels.make_kernel` imports from here, and late."""
