"""`fip-follower`: runs a function on each stored image, in order, exactly once. Nothing waits for it."""

import argparse

from fip.follower.duty import configured
from fip.follower.follower import Follower
from fip.runtime.service import run_daemon


def main() -> None:
    """Run a follower until it ends."""
    parser = argparse.ArgumentParser(prog="fip-follower", description="Run a function on each stored image.")
    parser.add_argument("--name", required=True, help="which follower: [follower.NAME] of the configuration")
    run_daemon(
        parser, lambda arguments, loaded, loop: Follower(configured(arguments.name, loaded.config), loaded, loop)
    )
