"""The words of FIP: what a slice and an image are, what can be asked of a run, and how people write it. Pure."""
