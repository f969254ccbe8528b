"""What is known of the sky: satellites, the bodies of the solar system, catalogues; and what of it is at a place."""
