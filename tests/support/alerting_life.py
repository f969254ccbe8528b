"""The detector's daemon for `support.follower_lives`, to which no image is old; it draws no pictures."""

import math

import fip.alerts.policy
import fip.events.folder
import fip.events.publishing
from support import detector_life
from support.alerting_night import DescribesHere

fip.alerts.policy.RECENT = math.inf
fip.events.folder._picture = lambda *of: b"a picture"  # noqa: SLF001 they take a while, and lives are short
fip.events.publishing.Describer = DescribesHere  # type: ignore[attr-defined]


def main() -> None:
    """Run the detector with alerts."""
    detector_life.main()
