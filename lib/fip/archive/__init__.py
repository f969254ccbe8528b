"""A directory of stored images: its ledger, and what is made of its images. Only the sink writes it."""
