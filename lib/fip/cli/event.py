"""`fip event`: all that is known of a transient, what a person says of it, and what it was made of."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from fip.cli.app import ImagesArgument, app, parsed, say, write_out
from fip.data.errors import UsageError
from fip.data.vetting import NONE, SAID, Said, parse_said


class Form(StrEnum):
    """In which an event is written for others; `text` of `fip.alerts.forms` has an option of its own."""

    gcn = "gcn"
    voevent = "voevent"
    votable = "votable"
    ecsv = "ecsv"


@app.command("event")
def event_command(
    directory: ImagesArgument,
    identity: Annotated[str, typer.Argument(metavar="ID", help="As `fip events` names it, or how its name begins.")],
    as_json: Annotated[bool, typer.Option("--json", help="An object.")] = False,
    as_form: Annotated[
        Form | None,
        typer.Option("--as", help="For others: GCN's JSON, VOEvent 2.0, a row of a VOTable or an ECSV table."),
    ] = None,
    as_text: Annotated[bool, typer.Option("--text", help="The draft of a GCN Circular or an ATel.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="The file for --as or --text.  [default: standard output]")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(SAID),
            help=f"Say what it is: kept with your name and the time; {NONE} takes back what was said last.",
        ),
    ] = None,
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
    if as_json + as_text + bool(as_form) + bool(ms) > 1:
        raise UsageError("--json, --as, --text and --ms: give one of them")
    if output and not (as_form or as_text):
        raise UsageError(f"--output {output}: is for what --as or --text writes; give one of them")
    if margin is not None and ms is None:
        raise UsageError("--margin: is of --ms OUT.ms, which is not given")

    from fip.events import describing

    said = None if label is None else parsed("--label", parse_said, label)
    event = describing.event_of(directory, identity)
    if said is not None:
        event = _vetted(directory, event, said)
    if as_form or as_text:
        from fip.alerts.exporting import written

        write_out(written(event, as_form or "text"), output)
    elif ms is not None:
        from fip.local.event_data import copy_event_data

        copy_event_data(directory, event, ms, margin, say)
    elif as_json:
        sys.stdout.write(describing.as_json(event) + "\n")
    else:
        for line in describing.as_lines(event):
            say(line)
        if said is not None:
            from fip.alerts.taking_back import what_follows

            if follows := what_follows(directory, event["id"], said):
                say(f"  {'alerts':<11} {follows}", "yellow")


def _vetted(directory: Path, event: dict[str, Any], said: Said) -> dict[str, Any]:
    """The event, with what was said of it entered."""
    from fip.client.operator import user_name
    from fip.events import describing
    from fip.events.vetting import enter
    from fip.events.words import FOLDER

    enter(directory / FOLDER, event["id"], said, user_name(), uuid4().hex)
    return describing.event_of(directory, event["id"])
