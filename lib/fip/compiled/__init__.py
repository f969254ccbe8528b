"""Where code that is compiled on this machine is kept, and by which names."""
