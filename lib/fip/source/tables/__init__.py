"""The tables of a MeasurementSet, and what is in their cells."""
