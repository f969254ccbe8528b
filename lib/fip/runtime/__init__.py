"""What all daemons share: one loop, their sockets and who may use them, and what they report about themselves."""
