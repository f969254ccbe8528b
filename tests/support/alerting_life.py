"""The detector's daemon for `support.follower_lives`, to which no image is old; it draws no pictures."""

import math

import fip.alerts.policy
import fip.events.folder
from support import detector_life

fip.alerts.policy.RECENT = math.inf
fip.events.folder._picture = lambda *of: b"a picture"  # noqa: SLF001 they take a while, and lives are short


def main() -> None:
    """Runs the detector."""
    detector_life.main()
