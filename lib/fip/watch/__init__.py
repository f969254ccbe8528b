"""Watching a pipeline: the one state that every view shows, and the views in a terminal and for Prometheus."""
