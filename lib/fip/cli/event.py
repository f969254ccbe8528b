"""`fip event`: all that is known of a transient."""

import sys
from typing import Annotated

import typer

from fip.cli.app import ImagesArgument, app, say


@app.command("event")
def event_command(
    directory: ImagesArgument,
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `fip events` names it, or how its name begins.")],
    as_json: Annotated[bool, typer.Option("--json", help="An object.")] = False,
) -> None:
    """Tell all that is known of an event: what speaks against it, place, times, fluxes, spectrum, and its files."""
    from fip.events import describing

    event = describing.event_of(directory, identity)
    if as_json:
        sys.stdout.write(describing.as_json(event) + "\n")
        return
    for line in describing.as_lines(event):
        say(line)
