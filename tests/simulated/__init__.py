"""The pipeline in one process and in made time: the real daemons on simulated sockets, clocks, disks and databases."""
