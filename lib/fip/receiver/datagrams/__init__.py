"""FIP's own stream format: UDP packets, each of which says where its samples belong. docs/streams.md has every byte."""
