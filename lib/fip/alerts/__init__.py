"""Events for the world: what is told to whom, in which form, and sent until it has arrived."""
