"""From MeasurementSets to slices: what `fip-ventilator` cuts. `open_run` first, then `cutting`."""
