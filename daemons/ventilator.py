"""`fip-ventilator`: cuts slices from MeasurementSets and leases them to workers until the sink has every image."""

import argparse
from pathlib import Path

from fip.runtime.service import run_daemon
from fip.ventilator.ventilator import Ventilator


def main() -> None:
    """Run the ventilator until it ends."""
    parser = argparse.ArgumentParser(prog="fip-ventilator", description="Cut MeasurementSets into slices.")
    parser.add_argument(
        "--readers", type=Path, help="a Unix socket at which fip-readers join (default: starts its own)"
    )
    run_daemon(parser, lambda arguments, loaded, loop: Ventilator(loaded, loop, join=arguments.readers))
