"""`fip model`."""

from pathlib import Path
from typing import Annotated

import typer

from fip.cli.app import ConfigOption, app, say
from fip.cli.run_options import with_settings
from fip.config import Settings
from fip.data.errors import UsageError


@app.command("model")
@with_settings
def model_command(
    measurement_sets: Annotated[
        list[Path], typer.Argument(metavar="MS...", help="The MeasurementSet, or with --join bands its sub-bands.")
    ],
    output: Annotated[Path | None, typer.Option(help="Folder for the model.  [default: ./NAME.model]")] = None,
    threshold: Annotated[float, typer.Option(help="Times the noise of the deep image, down to which.")] = 5.0,
    cycles: Annotated[int, typer.Option(min=1, help="Minor cycles at most; a pass more than that.")] = 6,
    mask: Annotated[
        Path | None, typer.Option(metavar="FILE", help="FITS image on the grid of the run: points where it is not 0.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="CPU workers.  [default: one for each core]")] = None,
    devices: Annotated[str, typer.Option(metavar="cpu,cuda:0,...", help="What workers image on.")] = "cpu",
    config: ConfigOption = None,
    *,
    settings: Settings,
) -> None:
    """Make a sky model of a MeasurementSet from its own images: NAME.skymodel, for fip run --sky-model.

    Images all of it, finds points in the sum, images what is left without them, and so on, until noise is left.
    """
    from fip.data.corrections import OWN
    from fip.local.modelling import Cleaning, make_model, own_folder
    from fip.local.run import EXIT_INTERRUPTED, workers_on

    if not threshold > 0:
        raise UsageError(f"--threshold {threshold:g}: above 0 is needed, as 5")
    loaded = settings.load(config).config
    if OWN in loaded.source.sky_model:
        raise UsageError(f"--sky-model {OWN}: that is what `fip model` makes: name what else is to be subtracted")
    folder = output or own_folder(measurement_sets, loaded)
    on, cleaning = workers_on(devices, workers), Cleaning(threshold, cycles, mask)
    try:
        make_model(measurement_sets, loaded, on, folder, cleaning, say)
    except KeyboardInterrupt:
        say("interrupted: give it again, and it goes on", "yellow")
        raise typer.Exit(EXIT_INTERRUPTED) from None
