"""`fip run`."""

from pathlib import Path
from typing import Annotated

import typer

from fip.cli.app import ConfigOption, app, console
from fip.cli.run_options import with_detection, with_settings
from fip.config import DETECTOR, Settings
from fip.data.errors import UsageError
from fip.data.imaging_words import BRIGHT_ONES

MAKE_PSF = "imaging.make_psf"
"""By those of bright slices, unless PSFs are asked for otherwise, the detector tells a source from its sidelobes."""


@app.command("run")
@with_settings
@with_detection
def run_command(
    measurement_sets: Annotated[list[Path], typer.Argument(metavar="MS...", help="MeasurementSets to image.")],
    output: Annotated[Path | None, typer.Option(help="Directory for the images.  [default: ./NAME.fip]")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="CPU workers.  [default: one for each core]")] = None,
    devices: Annotated[
        str,
        typer.Option(metavar="cpu,cuda:0,...", help="What workers image on: the CPU, GPUs (one worker each), or both."),
    ] = "cpu",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Remove the images that the directory's ledger lists, and begin anew.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Image again the slices whose files are missing, cut short or another's."),
    ] = False,
    web: Annotated[
        bool, typer.Option("--web", help="Serve a page to watch the run on, and print its address.")
    ] = False,
    follower: Annotated[
        list[str] | None,
        typer.Option(metavar="package.module:step", help="Run a function on each stored image; may be repeated."),
    ] = None,
    detect: Annotated[
        bool,
        typer.Option(
            "--detect", help="Find transients in the images as they are stored, as `fip detect`: DIR/transients."
        ),
    ] = False,
    config: ConfigOption = None,
    *,
    detection: Settings,
    settings: Settings,
) -> None:
    """Image every slice of MeasurementSets, here; run again, it resumes."""
    from fip.local.run import run, workers_on

    if detection.typed and not detect:
        table, _, key = next(iter(detection.typed)).partition(".")
        first = (key if table == DETECTOR else table).replace("_", "-")
        raise UsageError(f"--{first} is for --detect, which is not given: give it, too")
    loaded = settings.load(config, detection.typed)
    source = loaded.config.source
    subtracted = source.subtract_model or source.sky_model  # with the sky in it, every image is bright
    if detect and subtracted and loaded.origin(MAKE_PSF) == "default":
        loaded = settings.load(config, {**detection.typed, MAKE_PSF: BRIGHT_ONES})
    on = workers_on(devices, workers)
    code = run(
        measurement_sets, loaded.config, output, on, overwrite, web, console, repair, follower or (), detect=detect
    )
    raise typer.Exit(code)
