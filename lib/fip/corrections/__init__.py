"""What is done to samples before Stokes are formed: gains, flags, and the steady sky taken away."""
