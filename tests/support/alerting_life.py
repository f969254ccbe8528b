"""The detector's daemon for `support.follower_lives`, as `support.detector_life`, to which no image is old."""

import math

import fip.alerts.policy
from support import detector_life

fip.alerts.policy.RECENT = math.inf


def main() -> None:
    """Runs the detector."""
    detector_life.main()
