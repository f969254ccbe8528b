"""A folder in which recordings arrive, one after the other and in parts: which are whole, and whose turn it is."""
