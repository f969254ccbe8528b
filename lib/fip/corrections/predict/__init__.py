"""Prediction: the visibilities of a sky model."""
