"""Files on disk, each once, and the ledger that says so: what `fip-sink` does."""
