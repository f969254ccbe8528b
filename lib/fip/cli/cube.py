"""`fip cube`: a series of images as one file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from fip.cli.app import ImagesArgument, app, parsed, say
from fip.cli.data import told_progress
from fip.data.errors import UsageError
from fip.data.quantities import parse_range
from fip.state.words import number


@app.command("cube")
def cube_command(
    directory: ImagesArgument,
    event: Annotated[
        str | None,
        typer.Option(metavar="ID", help="65 x 65 pixels about an event, from 64 slices before it to 64 after it."),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            metavar="X0,Y0,X1,Y1 | 'RA DEC',SIDE",
            help="A part: pixels from 0, X1 and Y1 left out; or a square, as '05h31m58.7s +33d08m52s,2arcmin'.  "
            "[default: all]",
        ),
    ] = None,
    slices: Annotated[
        str | None, typer.Option(metavar="A~B", help="Slices of the run, from 0; B is left out.  [default: all]")
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of several runs or fields, the one whose files' names begin so."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The file.  [default: DIR/NAME-cube.fits, or DIR/ID-cube.fits]")
    ] = None,
) -> None:
    """Write the images of a series as one FITS cube (RA, DEC, TIME, STOKES); slices without an image are NaN.

    Exits with 0, or 1 if an image could not be read, and its plane is NaN.
    """
    from fip.archive.cube import Wanted, write_cube
    from fip.archive.regions import parse_region

    between = parsed("--slices", parse_range, slices) if slices else None
    if event is not None:
        if region is not None or series is not None:
            raise UsageError("--event says which part of which series: leave out --region and --series")
        from fip.events.cubing import cube_of_event

        of = cube_of_event(directory, event, between)
        wanted, output = of.wanted, output or directory / f"{of.event}-cube.fits"
    else:
        wanted = Wanted(series or "", parsed("--region", parse_region, region) if region else None, between)
    with told_progress("writing", None) as told:
        made = write_cube(directory, wanted, output, told)
    width, height, planes, stokes = made.shape
    times = "at irregular times (table TIMES)" if made.cadence is None else f"every {number(made.cadence)} s"
    say(f"{made.path}: {width} x {height} pixels, {planes} planes {times}, {made.images} images" + _planes(stokes))
    if made.without:
        say(f"no image of {_counted(made.without)}")
    if made.unreadable:
        say(f"{len(made.unreadable)} could not be read, as {made.unreadable[0]}: their planes are NaN")
        raise typer.Exit(1)


def _planes(stokes: int) -> str:
    return f", {stokes} Stokes planes each" if stokes > 1 else ""


def _counted(without: Mapping[str, int]) -> str:
    """As "3 slices: 2 failed, 1 expired"."""
    words = {"missing": "not stored yet"}
    parts = ", ".join(f"{count} {words.get(state, state)}" for state, count in sorted(without.items()))
    total = sum(without.values())
    return f"{total} slice{'s' * (total != 1)}: {parts}"
