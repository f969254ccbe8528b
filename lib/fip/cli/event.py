"""`fip event`: all that is known of a transient."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from fip.cli.app import ImagesArgument, app, say
from fip.data.errors import UsageError


@app.command("event")
def event_command(
    directory: ImagesArgument,
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `fip events` names it, or how its name begins.")],
    as_json: Annotated[bool, typer.Option("--json", help="An object.")] = False,
    ms: Annotated[
        Path | None,
        typer.Option(help="Write the visibilities of its time as a MeasurementSet of their own.", metavar="OUT.ms"),
    ] = None,
    margin: Annotated[
        int | None,
        typer.Option(
            min=0, help="Of --ms: slices before it and after it.  [default: as many as it lasts, at least 10]"
        ),
    ] = None,
) -> None:
    """Tell all that is known of an event: what speaks against it, place, times, fluxes, spectrum, and its files."""
    from fip.events import describing

    event = describing.event_of(directory, identity)
    if margin is not None and ms is None:
        raise UsageError("--margin: is of --ms OUT.ms, which is not given")
    if ms is not None:
        from fip.local.event_data import copy_event_data

        copy_event_data(directory, event, ms, margin, say)
        return
    if as_json:
        sys.stdout.write(describing.as_json(event) + "\n")
        return
    for line in describing.as_lines(event):
        say(line)
