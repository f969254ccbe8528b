"""`fip lightcurve`, `fip sources`, `fip export` and `fip report`: what is asked of the images of a run."""

from pathlib import Path
from typing import Annotated

import typer

from fip.cli.app import ImagesArgument, app, parsed, say, write_out
from fip.data.errors import UsageError
from fip.data.stokes import parse_stokes

_SIGNS = {"ignore_unknown_options": True}  # so that -45d00m00s is a declination


@app.command("lightcurve", context_settings=_SIGNS)
def lightcurve_command(
    directory: ImagesArgument,
    position: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RA DEC", help="05h31m58.7s +33d08m52s or 82.99deg 33.15deg; after B1950 or GALACTIC in that frame."
        ),
    ] = None,
    offset: Annotated[
        bool,
        typer.Option("--offset", help="RA and DEC are angles from the middle of the images, as 2arcmin -30arcsec."),
    ] = False,
    places: Annotated[
        Path | None,
        typer.Option("--list", help="Instead of RA DEC a file, a line for each place: NAME 05h31m58.7s +33d08m52s."),
    ] = None,
    stokes: Annotated[str | None, typer.Option(help="Planes, as I,V.  [default: all that there are]")] = None,
    spectrum: Annotated[
        bool,
        typer.Option("--dynamic-spectrum", help="Output channels, too; with --output also as a picture, OUTPUT.png."),
    ] = False,
    output: Annotated[Path | None, typer.Option(help="The table.  [default: standard output]")] = None,
) -> None:
    """Write how bright places were in each image as an ECSV table: time, flux, error, beam, frequency, quality.

    In images that follow a body (--phase-centre sun) a direction moves; --offset stays with the body.
    """
    from fip.archive.curve_tables import curve_table, ecsv
    from fip.archive.lightcurve import Named, light_curves, parse_position
    from fip.archive.place_lists import parse_places

    words = " ".join(position or [])
    if bool(words) == (places is not None):
        raise UsageError("give a position, RA DEC, or a file of them with --list; and not both")
    if places is not None:
        asked = parse_places(places)
    else:
        asked = (Named("", parsed("RA DEC", parse_position, f"offset {words}" if offset else words)),)
    planes = parsed("--stokes", parse_stokes, stokes) if stokes else None
    curves = light_curves(directory, asked, planes, apart=spectrum)
    write_out(ecsv(curve_table(*curves)), output)
    if spectrum and output is not None:
        from fip.archive.curve_pictures import dynamic_spectrum

        for curve in curves:
            picture = output.with_name(f"{output.stem}{'-' * bool(curve.name)}{curve.name}.png")
            write_out(dynamic_spectrum(curve), picture)
            say(str(picture))


@app.command("sources")
def sources_command(
    directory: ImagesArgument,
    output: Annotated[Path | None, typer.Option(help="The table.  [default: standard output]")] = None,
) -> None:
    """Write the sources that `--stage sources` has found in the images as an ECSV table: position, flux, errors."""
    from fip.archive.sources import sources_ecsv

    write_out(sources_ecsv(directory), output)


@app.command("export")
def export_command(
    directory: ImagesArgument,
    output: Annotated[Path, typer.Option(help="The folder; it is made if it is missing.")],
) -> None:
    """Write the images as plain FITS files, as programs want them that cannot read compressed ones: TraP, PySE."""
    from fip.archive.export import export_images
    from fip.cli.data import told_progress

    with told_progress("unpacking", None) as told:
        number = export_images(directory, output, told)
    say(f"{number} plain files are in {output}")


@app.command("report")
def report_command(
    directories: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Directory of images, as `fip run` leaves it.")
    ],
    night: Annotated[
        bool,
        typer.Option("--night", help="One page of several: what was searched to which flux, events, limits on rates."),
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="The page.  [default: report.html, or night.html, in the first DIR]")
    ] = None,
) -> None:
    """Write a page about a finished run: settings, rates, noise, images, failures; one file, without network."""
    if night:
        from fip.events.night_page import write_night

        say(str(write_night(directories, output)))
        return
    from fip.archive.report import write_report
    from fip.events.reporting import transients_of

    if len(directories) > 1:
        raise UsageError("a report is of one directory; `fip report --night DIR...` makes one page of several")
    say(str(write_report(directories[0], output, transients_of(directories[0]))))
