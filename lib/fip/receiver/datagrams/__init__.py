"""FIP's own stream format: UDP packets that each say the place of their samples. docs/streams.md has every byte."""
