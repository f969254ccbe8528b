"""`fip-detector`: finds transients in stored images, in order, exactly once. Nothing waits for it."""

import argparse

from fip.alerts.duty import alerting
from fip.config import Loaded
from fip.data.errors import ConfigError, UsageError
from fip.events.duty import detector_duty, known_of
from fip.events.warm import search_unless_warm
from fip.follower.follower import Follower
from fip.runtime.service import Loop, run_daemon


def main() -> None:
    """Run the detector until it ends."""
    parser = argparse.ArgumentParser(prog="fip-detector", description="Find transients in stored images.")
    run_daemon(parser, _detector)


def _detector(arguments: argparse.Namespace, loaded: Loaded, loop: Loop) -> Follower:
    """Return the detector. Raises ConfigError if it cannot do what is asked."""
    search_unless_warm()
    try:
        duty = detector_duty(loaded.config.detector, known_of(loaded.config))
        return Follower(alerting(duty, loaded.config), loaded, loop)
    except UsageError as error:
        raise ConfigError(f"detector: {error}") from None
