"""The one state of a pipeline that every view shows, and its words. Pure."""
