"""`fip lightcurve` and `fip report`: what is asked of the images of a run."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from fip.cli.app import ImagesArgument, app, parsed, say
from fip.data.errors import UsageError
from fip.data.stokes import parse_stokes

_SIGNS = {"ignore_unknown_options": True}  # so that -45d00m00s is a declination


@app.command("lightcurve", context_settings=_SIGNS)
def lightcurve_command(
    directory: ImagesArgument,
    ra: Annotated[
        str, typer.Argument(metavar="RA", help="05h31m58.7s or 82.99deg; 'B1950 82.2deg' for another frame.")
    ],
    dec: Annotated[str, typer.Argument(metavar="DEC", help="+33d08m52s or 33.15deg.")],
    offset: Annotated[
        bool,
        typer.Option("--offset", help="RA and DEC are angles from the middle of the images, as 2arcmin -30arcsec."),
    ] = False,
    stokes: Annotated[str | None, typer.Option(help="Planes, as I,V.  [default: all that there are]")] = None,
    output: Annotated[Path | None, typer.Option(help="The table.  [default: standard output]")] = None,
) -> None:
    """Write how bright a position was in each image as an ECSV table: time, flux, error, beam, quality.

    In images that follow a body (--phase-centre sun) a direction moves; --offset stays with the body.
    """
    from fip.archive.lightcurve import ecsv, light_curve

    position = f"offset {ra} {dec}" if offset else f"{ra} {dec}"
    planes = parsed("--stokes", parse_stokes, stokes) if stokes else None
    _write(ecsv(light_curve(directory, position, planes)), output)


@app.command("sources")
def sources_command(
    directory: ImagesArgument,
    output: Annotated[Path | None, typer.Option(help="The table.  [default: standard output]")] = None,
) -> None:
    """Write the sources that `--stage sources` has found in the images as an ECSV table: position, flux, errors."""
    from fip.archive.sources import sources_ecsv

    _write(sources_ecsv(directory), output)


@app.command("report")
def report_command(
    directory: ImagesArgument,
    output: Annotated[Path | None, typer.Option(help="The page.  [default: DIR/report.html]")] = None,
) -> None:
    """Write a page about a finished run: settings, rates, noise, images, failures; one file, without network."""
    from fip.archive.report import write_report
    from fip.events.reporting import transients_of

    say(str(write_report(directory, output, transients_of(directory))))


def _write(text: str, output: Path | None) -> None:
    """To a file, or to standard output. UsageError if it cannot be written."""
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text)
    except OSError as error:
        raise UsageError(f"--output {output}: cannot be written: {error.strerror}") from None
