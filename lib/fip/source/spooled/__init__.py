"""The edge to spools: what a receiver has put there, as a recording."""
