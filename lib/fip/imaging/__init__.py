"""From slices to images: pure functions, the work of `fip-worker`. Read `dirty` first, then `kernels`."""
