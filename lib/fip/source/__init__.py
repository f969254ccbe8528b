"""From MeasurementSets to slices: what `fip-ventilator` cuts. Read `open_run` first, then `cutting`."""
