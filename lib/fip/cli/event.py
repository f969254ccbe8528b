"""`fip event`: all that is known of a transient, and what a person says of it."""

import sys
from typing import Annotated

import typer

from fip.cli.app import ImagesArgument, app, parsed, say
from fip.data.vetting import NONE, SAID, parse_said


@app.command("event")
def event_command(
    directory: ImagesArgument,
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `fip events` names it, or how its name begins.")],
    as_json: Annotated[bool, typer.Option("--json", help="An object.")] = False,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(SAID),
            help=f"Say what it is: kept with your name and the time; {NONE} takes back what was said last.",
        ),
    ] = None,
) -> None:
    """Tell all that is known of an event: what speaks against it, place, times, fluxes, spectrum, and its files."""
    from fip.events import describing

    said = None if label is None else parsed("--label", parse_said, label)
    event = describing.event_of(directory, identity)
    if said is not None:
        from uuid import uuid4

        from fip.client.operator import user_name
        from fip.events.vetting import enter
        from fip.events.words import FOLDER

        enter(directory / FOLDER, event["id"], said, user_name(), uuid4().hex)
        event = describing.event_of(directory, event["id"])
    if as_json:
        sys.stdout.write(describing.as_json(event) + "\n")
        return
    for line in describing.as_lines(event):
        say(line)
