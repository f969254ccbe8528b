"""Transients in a directory of images: what `fip detect` finds, its files, and how they are listed."""
