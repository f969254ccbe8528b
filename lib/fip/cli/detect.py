"""`fip detect` and `fip events`: transients in a directory of images."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fip.cli.app import ConfigOption, ImagesArgument, app, parsed, say, write_out
from fip.cli.run_options import with_detection
from fip.config import Settings
from fip.data.detecting import WIDTHS
from fip.data.errors import UsageError
from fip.data.names import NO_LABEL, is_label
from fip.data.stokes import parse_stokes


class Subtracted(StrEnum):
    """What is taken off each image."""

    none = "none"
    running = "running"
    auto = "auto"


class EventTable(StrEnum):
    """Forms of a table of events."""

    votable = "votable"
    ecsv = "ecsv"


@app.command("detect")
@with_detection
def detect_command(
    directory: ImagesArgument,
    reference: Annotated[
        Subtracted | None,
        typer.Option(
            help="What is taken off each image first: none, running, or auto, which finds out whether that is enough.  "
            "[default: none if a sky model was subtracted, or of Stokes V, else auto]"
        ),
    ] = None,
    widths: Annotated[
        int | None, typer.Option(help="Slices of the longest transient looked for: 1, 2, 4, ... 64.  [default: 64]")
    ] = None,
    stokes: Annotated[str | None, typer.Option(help="Planes, as I,V.  [default: all that there are]")] = None,
    name: Annotated[
        str, typer.Option(help="Of a search beside another: what it finds is in DIR/transients-NAME/.")
    ] = "",
    anew: Annotated[bool, typer.Option("--anew", help="Forget what was found before, and search all again.")] = False,
    alert: Annotated[
        bool,
        typer.Option("--alert", help="Tell the [alerts.NAME] of --config what it finds, as archival, if it is old."),
    ] = False,
    config: ConfigOption = None,
    *,
    detection: Settings,
) -> None:
    """Search the images of a directory for transients; writes DIR/transients/, and lists what it finds.

    Run again, it goes on with the images that are new. Exits with 0, or 1 if an image could not be read, and was left
    out.
    """
    if widths is not None and widths not in WIDTHS:
        raise UsageError(f"--widths {widths}: give 1, 2, 4, 8, 16, 32 or 64")
    if name and not is_label(name):
        raise UsageError(f"--name {name!r:.80}: is {NO_LABEL}")
    given = {
        "reference": reference and reference.value, "widths": widths,
        "stokes": parsed("--stokes", parse_stokes, stokes) if stokes else None,
    }  # fmt: skip
    told = {key: value for key, value in given.items() if value is not None}
    loaded = detection.load(config).config
    detector = loaded.detector.model_copy(update=told)
    if alert and not loaded.alerts:
        raise UsageError("--alert: there is no [alerts.NAME] to tell: give --config FILE, which has it")

    from fip.events.duty import asked_of
    from fip.local.detecting import detect

    raise typer.Exit(detect(directory, asked_of(detector), say, name, anew, loaded.alerts if alert else {}))


@app.command("events")
def events_command(
    directories: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Directories of images that were searched.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects, those with labels too.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also those that something speaks against.")] = False,
    as_table: Annotated[
        EventTable | None, typer.Option("--as", help="A table of them, those with labels too: votable or ecsv.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The file for --as.  [default: standard output]")] = None,
) -> None:
    """List the transients that `fip detect` has found, earliest first."""
    if as_json and as_table:
        raise UsageError("--json and --as: give one of them")
    if output and not as_table:
        raise UsageError(f"--output {output}: is for what --as writes; give --as votable or ecsv")

    from fip.events import listing

    found = listing.listed(directories)
    if as_table:
        from fip.alerts.exporting import table_written

        write_out(table_written(found, as_table), output)
        return
    if as_json:
        sys.stdout.write(listing.as_json(found) + "\n")
        return
    for line in listing.as_lines(found, everything):
        say(line)
