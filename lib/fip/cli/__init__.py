"""`fip`: everything a person types. Each command is a few lines in a module here, and a function elsewhere.

A command is a function with `@app.command("name")`, in a module that is imported below. What it needs beside
`fip.cli.app` is imported within it: `fip COMMAND` loads what COMMAND needs, and no more.
"""

import sys

from fip.cli import (
    alerts,
    check,
    cube,
    data,
    detect,
    event,
    follow,
    images,
    inject,
    jobs,
    keys,
    model,
    run,
    spool,
    verify,
    watch,
)
from fip.cli.app import app
from fip.data.errors import FipError
from fip.terminal.plain import PlainConsole

__all__ = [
    "alerts",
    "check",
    "cube",
    "data",
    "detect",
    "event",
    "follow",
    "images",
    "inject",
    "jobs",
    "keys",
    "main",
    "model",
    "run",
    "spool",
    "verify",
    "watch",
]


def main() -> None:
    """Runs a command; what a person can mend is said in one line, without a traceback."""
    try:
        app()
    except FipError as error:
        PlainConsole(stderr=True).print(f"fip: {error}", style="red", soft_wrap=True)
        sys.exit(error.exit_code)
