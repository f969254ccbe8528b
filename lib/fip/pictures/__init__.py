"""Images for people: figures, movies."""
