"""The detector's daemon for `support.follower_lives`: with checkpoints so often that some lives write one.

What the search compiles is compiled, or read, when this is imported, once for all lives.
"""

from importlib import import_module
from itertools import islice

import fip.events.detector
from support.noise_fields import events_in, noise_fields, searched_field

CHECKPOINT = 16  # images

fip.events.detector.CHECKPOINT = CHECKPOINT
_daemon = import_module("fip_daemons.detector")
events_in(searched_field(48, 4.0), 4.0, islice(noise_fields(48, 4.0, 1), 80))


def main() -> None:
    """Runs the detector."""
    _daemon.main()
