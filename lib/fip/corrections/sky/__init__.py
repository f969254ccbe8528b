"""Sky models: what they say is on the sky, in every format that is read."""
