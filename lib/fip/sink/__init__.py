"""The sink: stores each image once, whole, and then says so."""
