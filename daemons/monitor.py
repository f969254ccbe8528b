"""`fip-monitor`: serves the web page of a pipeline. It follows what the ventilator tells, and nothing depends on it."""

from __future__ import annotations

import argparse
from typing import Any

from fip.config import Loaded
from fip.monitor.monitor import Monitor
from fip.runtime.service import Loop, run_daemon


def _make(arguments: argparse.Namespace, loaded: Loaded, loop: Loop) -> Monitor:
    return Monitor(loaded, loop)


def _overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"monitor.address": arguments.address}


def main() -> None:
    """Runs the monitor."""
    parser = argparse.ArgumentParser(prog="fip-monitor", description="Serve the web page of a pipeline.")
    parser.add_argument("--address", help="where, as 127.0.0.1:8570 (the default)")
    run_daemon(parser, _make, _overrides)
