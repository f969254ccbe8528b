"""Which rows of a MeasurementSet are which integration."""
