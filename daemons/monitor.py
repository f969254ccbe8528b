"""`fip-monitor`: serves the web page of a pipeline. It follows the ventilator's status; nothing depends on it."""

import argparse
from pathlib import Path

from fip.monitor.monitor import Monitor
from fip.runtime.service import run_daemon


def main() -> None:
    """Run the monitor until it ends."""
    parser = argparse.ArgumentParser(prog="fip-monitor", description="Serve the web page of a pipeline.")
    parser.add_argument("--address", help="where, as 127.0.0.1:8570 (the default)")
    parser.add_argument("--images", type=Path, metavar="DIR", help="of this directory, and of the runs into it")
    run_daemon(
        parser,
        lambda arguments, loaded, loop: Monitor(loaded, loop, arguments.images),
        lambda arguments: {
            "monitor.address": arguments.address,
            "monitor.directory": arguments.images and str(arguments.images),
        },
    )
