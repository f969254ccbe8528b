"""`fip-reader`: a reading child of the ventilator as a process of its own, which joins it: without keys or network."""

import argparse
import sys
from pathlib import Path

from fip.data.errors import FipError
from fip.runtime.logs import log_to_stderr
from fip.source.child import join


def main() -> None:
    """Read for a ventilator until it lets this process go; whoever starts it then starts another."""
    parser = argparse.ArgumentParser(prog="fip-reader", description="Read MeasurementSets for a ventilator.")
    parser.add_argument("--join", type=Path, required=True, help="the socket that the ventilator has as --readers")
    arguments = parser.parse_args()
    log_to_stderr(parser.prog)
    try:
        join(arguments.join)
    except FipError as error:
        sys.exit(f"fip-reader: {error}")
