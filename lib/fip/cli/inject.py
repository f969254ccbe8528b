"""`fip completeness` and `fip inject`: sources that are put in to see whether they are found."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from fip.cli.app import ImagesArgument, app, parsed, say


@app.command("completeness")
def completeness_command(
    directory: ImagesArgument,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects, one for each average.")] = False,
) -> None:
    """Say what share of true transients a search finds, by the sources that it put into its own copy of the images."""
    from fip.events.completeness import as_lines, as_objects, read_injections, threshold_of

    tried, threshold = read_injections(directory), threshold_of(directory)
    if as_json:
        sys.stdout.write(json.dumps(as_objects(tried, threshold), indent=1) + "\n")
        return
    for line in as_lines(tried, threshold):
        say(line)


@app.command("inject")
def inject_command(
    measurement_set: Annotated[Path, typer.Argument(metavar="MS", help="It stays as it is.")],
    output: Annotated[Path, typer.Option(metavar="OUT.ms", help="The copy to write; nothing is overwritten.")],
    count: Annotated[int, typer.Option(help="Sources.")] = 10,
    snr: Annotated[
        str | None, typer.Option(metavar="LO~HI", help="S/N of all slices of a source together.  [default: 5~12]")
    ] = None,
    flux: Annotated[str | None, typer.Option(metavar="LO~HI", help="Flux density in Jy, in place of --snr.")] = None,
    widths: Annotated[
        str, typer.Option(metavar="LO~HI", help="Slices that a source is on, log-uniform, both included.")
    ] = "1~64",
    stokes: Annotated[str, typer.Option(help="I, Q, U or V; sources in the last three have either sign.")] = "I",
    spectral_index: Annotated[
        str, typer.Option(metavar="A~B", help="Flux density goes as frequency to this power.")
    ] = "0",
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    size: Annotated[
        str, typer.Option(metavar="1024", help="Pixels of images all over which they lie.  [default: as of fip run]")
    ] = "",
    scale: Annotated[str, typer.Option(metavar="1.2arcsec", help="Side of a pixel.  [default: as of fip run]")] = "",
) -> None:
    """Write a copy of a MeasurementSet with point sources added to DATA and CORRECTED_DATA: to see what is found.

    They are listed in OUT.injected.ecsv. Images of the copy say FIPINJ = T, and images.txt leaves them out.
    """
    from fip.simulation.injected_ms import inject
    from fip.simulation.injecting import Injecting, parse_numbers

    asked = Injecting(
        count,
        parsed("--snr", parse_numbers, snr or "5~12") if snr or not flux else None,
        parsed("--flux", parse_numbers, flux) if flux else None,
        parsed("--widths", parse_numbers, widths),
        stokes.upper(),
        parsed("--spectral-index", parse_numbers, spectral_index),
        seed,
        size,
        scale,
    )
    listing = inject(measurement_set, output, asked)
    say(f"{output} is written, a copy with {count} sources; they are listed in {listing}")
