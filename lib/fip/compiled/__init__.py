"""The cache of code that is compiled on this machine: its folder, and the names in it."""
