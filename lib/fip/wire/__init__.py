"""What the daemons say to each other, and how that becomes frames and back. Pure."""
