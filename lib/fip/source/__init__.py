"""From MeasurementSets to slices: what `fip-ventilator` cuts. `opening` first, then `cutting`."""
