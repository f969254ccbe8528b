"""`fip-ventilator`: cuts slices from MeasurementSets and leases them to workers until the sink has every image."""

import argparse

from fip.runtime.service import run_daemon
from fip.ventilator.ventilator import Ventilator


def main() -> None:
    """Runs the ventilator."""
    parser = argparse.ArgumentParser(prog="fip-ventilator", description="Cut MeasurementSets into slices.")
    run_daemon(parser, lambda arguments, loaded, loop: Ventilator(loaded, loop))
