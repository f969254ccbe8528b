"""The size and scale that suit the data, and what an image of them cannot show. Pure."""
