"""Observations that never were: `fip simulate`."""
