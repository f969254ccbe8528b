"""From slices to images: pure functions, what `fip-worker` does. `dirty` first, then `kernels`."""
