"""From a deep dirty image to the points that make it: the minor cycle of CLEAN, as pure functions."""
