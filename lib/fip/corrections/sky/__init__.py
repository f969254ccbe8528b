"""Sky models: the sources that they put on the sky, in every format that is read."""
