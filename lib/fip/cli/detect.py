"""`fip detect` and `fip events`: transients in a directory of images."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fip.cli.app import ImagesArgument, app, parsed, say
from fip.data.errors import UsageError
from fip.data.stokes import parse_stokes
from fip.search.words import Reference


class Subtracted(StrEnum):
    """What is taken off each image."""

    none = "none"
    running = "running"
    auto = "auto"


_REFERENCES: dict[str, Reference] = {"none": "none", "running": "running", "auto": "auto"}


@app.command("detect")
def detect_command(
    directory: ImagesArgument,
    false_alarms: Annotated[
        str, typer.Option("--false-alarms", help="False events in a time that is observed: 1/week, 1/10 min.")
    ] = "1/week",
    reference: Annotated[
        Subtracted | None,
        typer.Option(
            help="What is taken off each image first: none, running, or auto, which finds out whether that is enough.  "
            "[default: none if a sky model was subtracted, or of Stokes V, else auto]"
        ),
    ] = None,
    widths: Annotated[int, typer.Option(help="Slices of the longest transient looked for: 1, 2, 4, ... 64.")] = 64,
    stokes: Annotated[str | None, typer.Option(help="Planes, as I,V.  [default: all that there are]")] = None,
    also_average: Annotated[
        str, typer.Option(metavar="32,1024", help="Of so many images store the means that are searched, as FITS files.")
    ] = "",
    watch: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Places measured in each image: a name and a place a line.")
    ] = None,
    name: Annotated[
        str, typer.Option(help="Of a search beside another: what it finds is in DIR/transients-NAME/.")
    ] = "",
    anew: Annotated[bool, typer.Option("--anew", help="Forget what was found before, and search all again.")] = False,
) -> None:
    """Search the images of a directory for transients; writes DIR/transients/, and lists what it finds.

    Run again, it goes on with the images that are new. Exits with 0, or 1 if an image could not be read, and was left
    out.
    """
    from fip.search.words import parse_budget

    if widths not in (1, 2, 4, 8, 16, 32, 64):
        raise UsageError(f"--widths {widths}: give 1, 2, 4, 8, 16, 32 or 64")
    planes = parsed("--stokes", parse_stokes, stokes) if stokes else None
    budget = parsed("--false-alarms", parse_budget, false_alarms)

    from fip.archive.place_lists import parse_places
    from fip.data.detecting import parse_averages
    from fip.events.words import Asked
    from fip.local.detecting import detect

    means = parsed("--also-average", parse_averages, also_average)
    places = parse_places(watch, "--watch") if watch else ()
    asked = Asked(budget, None if reference is None else _REFERENCES[reference], widths, planes, means, watch=places)
    raise typer.Exit(detect(directory, asked, say, name, anew))


@app.command("events")
def events_command(
    directories: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Directories of images that were searched.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects, those with labels too.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also those that something speaks against.")] = False,
) -> None:
    """List the transients that `fip detect` has found, earliest first."""
    from fip.events import listing

    found = listing.listed(directories)
    if as_json:
        sys.stdout.write(listing.as_json(found) + "\n")
        return
    for line in listing.as_lines(found, everything):
        say(line)
