"""A whole pipeline on this machine, as children of one process: fip run."""
