"""How other processes find a running pipeline, ask it, and follow it."""
