"""`fip alerts` and `fip retract`: what the world was told of transients, and taking it back."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from fip.cli.app import ConfigOption, ImagesArgument, app, say
from fip.config import load

WITHIN = 30.0  # s for which what is due is sent


@app.command("alerts")
def alerts_command(
    directory: ImagesArgument,
    release: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="End a hold. Of what came while it held, only what a person has called real is sent."
        ),
    ] = None,
    send: Annotated[
        bool, typer.Option("--send", help="Send what is due now, to the targets of --config, if no detector does that.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="An object.")] = False,
    config: ConfigOption = None,
) -> None:
    """List the alerts of a directory: what was sent, is due, waits, was refused and why, and whether all are held."""
    from fip.alerts import listing
    from fip.alerts.taking_back import release_hold

    folder = listing.outbox_folder(directory)
    if release is not None:
        waits = release_hold(folder, release)
        say(f"{release} is released; {waits} messages that it held wait for a person's word")
    if send or release is not None:
        _send(folder, config, asked=send)
    if as_json:
        sys.stdout.write(listing.as_json(directory) + "\n")
        return
    for line in listing.as_lines(directory):
        say(line)


@app.command("retract")
def retract_command(
    directory: ImagesArgument,
    identity: Annotated[str, typer.Argument(metavar="ID", help="Of the event, or how its name begins.")],
    reason: Annotated[str, typer.Option(help="What those are told who have heard of it.")] = "it is not real",
    config: ConfigOption = None,
) -> None:
    """Take the alerts of an event back: all who have heard of it are told so, and nothing more is told of it."""
    from fip.alerts import listing
    from fip.alerts.taking_back import retract_named

    folder = listing.outbox_folder(directory)
    event, targets = retract_named(folder, identity, reason)
    say(f"{event} is taken back: {', '.join(targets) or 'nobody'} had heard of it")
    _send(folder, config, asked=False)


def _send(folder: Path, config: Path | None, asked: bool) -> None:
    """Sends what is due, if it is known to whom."""
    from fip.alerts.office import deliver
    from fip.data.errors import UsageError

    targets = load(config).config.alerts
    if not targets:
        if asked:
            raise UsageError("--send: there is no [alerts.NAME] to send to: give --config FILE, which has it")
        say("it is sent by the detector, or by `fip alerts DIR --send --config FILE`", "yellow")
    elif not deliver(folder, targets, WITHIN):
        say("a detector sends what is due here", "yellow")
