"""Which part of a MeasurementSet is imaged: fields, windows, antennas, integrations, and about which centre."""
