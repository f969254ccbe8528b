"""From slices to images: pure functions, what `fip-worker` does. `image` first, then `kernels`."""
