"""`fip-sink`: stores images. What it says is stored is on disk; it is the only daemon whose state outlives it."""

import argparse

from fip.runtime.service import run_daemon
from fip.sink.sink import Sink


def main() -> None:
    """Run the sink until it ends."""
    parser = argparse.ArgumentParser(prog="fip-sink", description="Store the images that workers make.")
    run_daemon(parser, lambda arguments, loaded, loop: Sink(loaded, loop))
