"""The worker: a slice passes through the stages and becomes FITS files."""
