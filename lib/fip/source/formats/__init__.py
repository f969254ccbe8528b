"""Files of visibilities that are no MeasurementSets: UVH5 and UVFITS, each made into a recording."""
