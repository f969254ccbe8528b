"""`fip-sink`: stores images. What it says is stored is on disk; it is the only daemon whose state outlives it."""

from __future__ import annotations

import argparse

from fip.config import Loaded
from fip.runtime.service import Loop, run_daemon
from fip.sink.sink import Sink


def _make(arguments: argparse.Namespace, loaded: Loaded, loop: Loop) -> Sink:
    return Sink(loaded, loop)


def main() -> None:
    """Runs the sink."""
    run_daemon(argparse.ArgumentParser(prog="fip-sink", description="Store the images that workers make."), _make)
