"""MeerKAT's L0 visibilities, which its ingest sends by SPEAD, and what its telescope state says of them."""
