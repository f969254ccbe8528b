"""The daemons of FIP, one file each, all of one shape: parse, load the configuration, open sockets, loop, drain.

A ventilator cuts slices from MeasurementSets, workers image them, a sink stores the images. `fip.runtime.service` runs
them; what is worth a test of its own is in `fip`.
"""
