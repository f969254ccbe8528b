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
) -> None:
    """Search the images of a directory for transients; writes DIR/transients/, and lists what it finds.

    Exits with 0, or 1 if an image could not be read, and was left out.
    """
    from fip.search.words import parse_budget

    if widths not in (1, 2, 4, 8, 16, 32, 64):
        raise UsageError(f"--widths {widths}: give 1, 2, 4, 8, 16, 32 or 64")
    planes = parsed("--stokes", parse_stokes, stokes) if stokes else None
    budget = parsed("--false-alarms", parse_budget, false_alarms)

    from fip.events.detect import detect, expected
    from fip.events.found import Detection
    from fip.events.listing import as_lines, listed
    from fip.events.tables import write

    asked = Detection(budget, None if reference is None else _REFERENCES[reference], widths, planes)
    searching = detect(directory, asked, say)
    folder = write(directory, searching)
    for line in as_lines(listed([directory])):
        say(line)
    at = searching.thresholds
    told = [each for each in searching.events if not each.labels]
    alone = [each for each in searching.found if not each.sidelobe]
    images = sum(len(each.entries) for each, _ in searching.looked)
    searched = sum(len(times) for _, times in searching.looked)
    say(
        f"{searched} of {images} images searched: {len(told)} events, {expected(searching, at.event):.2g} false "
        f"expected; {len(alone)} candidates from S/N {at.candidate:.2f} on, {expected(searching, at.candidate):.2g} "
        f"false expected, {sum(each.event.best.sign < 0 for each in alone)} negative; in {folder}"
    )
    for each in searching.model_needed:
        say(
            f"run {each.run[:8]}, Stokes {each.stokes}: model needed: the sky changes by more than noise in long sums, "
            f"for which the threshold was raised; image with --sky-model or --subtract-model",
            "yellow",
        )
    for fault in searching.unreadable:
        say(f"left out: {fault}", "red")
    raise typer.Exit(1 if searching.unreadable else 0)


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
