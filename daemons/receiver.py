"""`fip-receiver`: hears a stream, and writes its integrations to a spool. It waits for nobody."""

import argparse
from typing import Any

from fip.receiver.formats import open_stream
from fip.receiver.receiver import Receiver
from fip.runtime.service import run_daemon


def main() -> None:
    """Run the receiver until it ends."""
    parser = argparse.ArgumentParser(prog="fip-receiver", description="Hear a stream, and write it to a spool.")
    parser.add_argument("--listen", action="append", metavar="ADDRESS", help="where, as udp://0.0.0.0:7148")
    parser.add_argument("--setup", metavar="FILE", help="what all integrations share: docs/streams.md")
    parser.add_argument("--spool", metavar="DIR", help="the folder of spools")
    run_daemon(parser, lambda arguments, loaded, loop: Receiver(loaded, loop, open_stream), _overrides)


def _overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "receiver.listen": arguments.listen,
        "receiver.setup": arguments.setup,
        "receiver.spool": arguments.spool,
    }
