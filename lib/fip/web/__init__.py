"""The web page of a pipeline: what `fip-monitor` serves. It reads, and nothing depends on it."""
