"""Several recordings as one: sub-bands of one time side by side, beams apart, times one after the other."""
