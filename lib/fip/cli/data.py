"""`fip info`, `fip simulate` and `fip movie`: MeasurementSets before a run, and images after it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from fip.cli.app import ImagesArgument, app, console, parsed
from fip.data.quantities import parse_range


@app.command("info")
def info_command(measurement_set: Annotated[Path, typer.Argument(metavar="MS")]) -> None:
    """Say what is in a MeasurementSet, and the size and scale to image it with."""
    from fip.source.child import in_child
    from fip.source.info import describe

    console.print(in_child(describe, measurement_set), highlight=False, markup=False, soft_wrap=True)


@app.command("simulate")
def simulate_command(
    measurement_set: Annotated[Path, typer.Argument(metavar="OUT.ms", help="The MeasurementSet to write.")],
    antennas: Annotated[int, typer.Option(help="Antennas, laid out like MeerKAT's.")] = 64,
    channels: Annotated[int, typer.Option(help="Channels of the spectral window.")] = 64,
    integrations: Annotated[int, typer.Option(help="Integrations, one after the other.")] = 20,
    cadence: Annotated[float, typer.Option(help="Seconds from one integration to the next.")] = 8.0,
    frequency: Annotated[float, typer.Option(help="Centre of the band, Hz.")] = 1.284e9,
    bandwidth: Annotated[float, typer.Option(help="Width of the band, Hz.")] = 100e6,
    noise: Annotated[float, typer.Option(help="Jy, standard deviation of a visibility's real part.")] = 0.5,
    transient: Annotated[float, typer.Option(help="Jy, the transient while it is on; 0 for none.")] = 0.3,
    transient_on: Annotated[
        str | None, typer.Option(help="Integrations A~B, B left out.  [default: the middle fifth]")
    ] = None,
    flag_fraction: Annotated[float, typer.Option(help="Flagged share of the samples; 0 for no flags at all.")] = 0.04,
    autocorrelations: Annotated[bool, typer.Option("--autocorrelations", help="Write them, too.")] = False,
    weight_spectrum: Annotated[bool, typer.Option("--weight-spectrum", help="Write WEIGHT_SPECTRUM, too.")] = False,
    seed: Annotated[int, typer.Option(help="Of noise, flags and junk.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older MeasurementSet.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Write as a telescope does, each integration when it is over.")
    ] = False,
) -> None:
    """Write an observation of known sources and a transient, and beside it OUT.truth.ecsv, which says what is in it."""
    from fip.simulation.observation import Simulation, simulate

    simulation = Simulation(
        antennas=antennas,
        channels=channels,
        integrations=integrations,
        cadence=cadence,
        frequency=frequency,
        bandwidth=bandwidth,
        noise=noise,
        transient=transient,
        transient_on=parsed("--transient-on", parse_range, transient_on) if transient_on else None,
        flag_fraction=flag_fraction,
        autocorrelations=autocorrelations,
        weight_spectrum=weight_spectrum,
        seed=seed,
    )
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("simulating", total=integrations)
        truth = simulate(
            measurement_set,
            simulation,
            overwrite=overwrite,
            live=live,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    console.print(f"{measurement_set} is written; what is in it is in {truth}", highlight=False, soft_wrap=True)


@app.command("movie")
def movie_command(
    directory: ImagesArgument,
    output: Annotated[Path | None, typer.Option(help="The movie.  [default: DIR/movie.mp4]")] = None,
    png: Annotated[Path | None, typer.Option(help="Directory for the frames as PNG files, too.")] = None,
) -> None:
    """Make an MP4 movie, and PNGs, of the images of a run."""
    from fip.archive.movie import make_movie

    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("drawing", total=None)
        movies = make_movie(
            directory, output, png, lambda done, total: progress.update(task, completed=done, total=total)
        )
    for movie in movies:
        console.print(str(movie), highlight=False, soft_wrap=True)
