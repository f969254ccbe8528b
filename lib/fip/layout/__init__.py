"""Which host runs what, and the keys with which they know each other."""
