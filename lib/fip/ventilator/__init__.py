"""The ventilator: jobs come in, slices are cut and leased to workers until the sink has every image."""
