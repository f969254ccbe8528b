"""A spool: a ring of integrations on disk, as they were received. The receiver writes it, readers map it."""
