"""Flags: bands that are known to be bad, and samples that do not fit their neighbours."""
