"""The monitor: the web page of a pipeline, and its metrics."""
