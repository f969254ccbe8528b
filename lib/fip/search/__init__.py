"""The search for transients: pure functions on images in order of time. docs/transients.md derives what they use."""
