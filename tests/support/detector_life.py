"""The detector's daemon for `support.follower_lives`: with checkpoints so often that some lives write one.

What the search compiles is compiled, or read, when this is imported, once for all lives.
"""

from importlib import import_module

import fip.events.detector
from fip.events.warm import search_something

CHECKPOINT = 16  # images

fip.events.detector.CHECKPOINT = CHECKPOINT
_daemon = import_module("fip_daemons.detector")
import_module("fip.events.picture")
for _reference in ("none", "running", "auto"):
    search_something(_reference)


def main() -> None:
    """Run the detector in this process."""
    _daemon.main()
