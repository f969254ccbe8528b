"""`fip-ventilator`: cuts slices from MeasurementSets and leases them to workers until the sink has every image."""

from __future__ import annotations

import argparse

from fip.config import Loaded
from fip.runtime.service import Loop, run_daemon
from fip.ventilator.ventilator import Ventilator


def _make(arguments: argparse.Namespace, loaded: Loaded, loop: Loop) -> Ventilator:
    return Ventilator(loaded, loop)


def main() -> None:
    """Runs the ventilator."""
    run_daemon(argparse.ArgumentParser(prog="fip-ventilator", description="Cut MeasurementSets into slices."), _make)
