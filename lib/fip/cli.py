"""`fip`: everything a person types. Each command is a few lines here and a function elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress

from fip import __version__
from fip.config import Loaded, load
from fip.errors import FipError, UsageError
from fip.quantities import parse_range

Value = TypeVar("Value")

app = typer.Typer(
    help="Fast imaging pipeline: every integration of a MeasurementSet becomes a FITS image.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
console = Console()

ConfigOption = Annotated[Path | None, typer.Option(help="Configuration file; the options given here win over it.")]
ImagesArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Directory of images, as `fip run` leaves it.")]


@app.command("run")
def run_command(
    measurement_sets: Annotated[list[Path], typer.Argument(metavar="MS...", help="MeasurementSets to image.")],
    output: Annotated[Path | None, typer.Option(help="Directory for the images.  [default: ./NAME.fip]")] = None,
    size: Annotated[
        str | None, typer.Option(help="Pixels, as 1024 or 1024x768.  [default: 1.2 primary beams, at most 4096]")
    ] = None,
    scale: Annotated[
        str | None, typer.Option(help="Pixel, as 1.2arcsec or 2asec.  [default: a quarter of the finest fringe]")
    ] = None,
    stokes: Annotated[
        str | None, typer.Option("--stokes", "--pol", help="I, IQUV, 'I,V', pseudoI, XX, ...  [default: I]")
    ] = None,
    epsilon: Annotated[
        float | None, typer.Option(help="Accuracy: relative L2 error of an image.  [default: 1e-5]")
    ] = None,
    kernel: Annotated[
        str | None,
        typer.Option(
            help="wgridder; slant, many times faster and under test; auto, slant where that is expected to be "
            "faster.  [default: wgridder]"
        ),
    ] = None,
    weight: Annotated[
        str | None, typer.Option("--weight", "--weighting", help="natural, uniform or briggs.  [default: natural]")
    ] = None,
    robust: Annotated[
        float | None, typer.Option(help="Of briggs: -2 is nearly uniform, 2 nearly natural.  [default: 0]")
    ] = None,
    taper: Annotated[
        str | None, typer.Option(help="Gaussian taper, as the width on the sky (FWHM) that it gives: 30arcsec.")
    ] = None,
    channels_out: Annotated[
        int | None, typer.Option(help="Sub-bands of equal width, imaged beside the whole band.  [default: 1]")
    ] = None,
    make_psf: Annotated[
        bool, typer.Option("--make-psf", "--psf", help="Store each image's point spread function beside it.")
    ] = False,
    column: Annotated[
        str | None,
        typer.Option(
            "--column",
            "--data-column",
            help="Column to image.  [default: CORRECTED_DATA where it holds values, else DATA]",
        ),
    ] = None,
    subtract_model: Annotated[bool, typer.Option("--subtract-model", help="Image the column less MODEL_DATA.")] = False,
    field: Annotated[
        str | None, typer.Option(metavar="NAME|ID,...", help="Fields, by name or number.  [default: all]")
    ] = None,
    spw: Annotated[
        str | None,
        typer.Option(
            metavar="W[:A~B[;C~D]],...",
            help="Spectral windows and channels, as 0:100~900,2; B is included, as in CASA.  [default: all]",
        ),
    ] = None,
    scan: Annotated[
        str | None, typer.Option(metavar="A~B,...", help="Scans, as 3~7,9; B is included.  [default: all]")
    ] = None,
    antenna: Annotated[
        str | None,
        typer.Option(
            metavar="[!]NAME|ID,...",
            help="Antennas, by name or number: m000,m001 keeps the baselines among them, '!m012' leaves one out.  "
            "[default: all]",
        ),
    ] = None,
    uv_range: Annotated[
        str | None,
        typer.Option(
            metavar="A~B",
            help="Length of baselines in the plane of u and v, as 100lambda~5klambda (each channel by itself) or "
            "0.1~5km; A and B are included.  [default: all]",
        ),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(
            metavar="A~B", help="Integrations of each field, from 0; B is left out, as in WSClean.  [default: all]"
        ),
    ] = None,
    time_range: Annotated[
        str | None,
        typer.Option(
            metavar="A~B",
            help="UTC, as 2024-03-01T22:00:00~2024-03-01T22:30:00: the integrations with their middle in it; B is "
            "left out.  [default: all]",
        ),
    ] = None,
    average: Annotated[
        str | None,
        typer.Option(
            metavar="N|Ts",
            help="Image 4, or 32s of, integrations of a scan together, uvw as they are.  [default: each by itself]",
        ),
    ] = None,
    phase_centre: Annotated[
        str | None,
        typer.Option(
            "--phase-centre",
            "--phase-center",
            "--shift",
            help="Image about this direction: '05h31m58.7s +33d08m52s', 'B1950 82.2deg 33.1deg'; J2000 (ICRS where the "
            "data are) unless J2000, ICRS, B1950 or GALACTIC is in front. All fields become one series on one grid, "
            "as suits drift scans.  [default: each field about its own phase centre]",
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="CPU workers.  [default: one for each core]")] = None,
    pace: Annotated[
        str | None, typer.Option(help="max, realtime, or a number of times real time.  [default: max]")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Remove the images that the directory's ledger lists, and begin anew.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Image every slice of MeasurementSets, here; run again, it resumes."""
    from fip.run import run

    loaded = load(
        config,
        {
            "imaging.size": size,
            "imaging.scale": scale,
            "imaging.stokes": stokes,
            "imaging.epsilon": epsilon,
            "imaging.kernel": kernel,
            "imaging.weight": weight,
            "imaging.robust": robust,
            "imaging.taper": taper,
            "imaging.channels_out": channels_out,
            "imaging.make_psf": make_psf or None,
            "imaging.phase_centre": phase_centre,
            "source.column": column,
            "source.subtract_model": subtract_model or None,
            "source.field": field,
            "source.spw": spw,
            "source.scan": scan,
            "source.antenna": antenna,
            "source.uv_range": uv_range,
            "source.interval": interval,
            "source.time_range": time_range,
            "source.average": average,
            "ventilator.pace": pace,
        },
    )
    _check_robust(robust, loaded)
    raise typer.Exit(run(measurement_sets, loaded.config, output, workers, overwrite, console))


@app.command("warmup")
def warmup_command() -> None:
    """Compile the slant kernel for this machine, once; a worker would else do it on its first slice."""
    from fip.slant.warm import warm_up

    seconds = warm_up(lambda line: console.print(line, highlight=False, soft_wrap=True))
    console.print(f"the imaging kernels are ready: {seconds:.1f} s", highlight=False)


@app.command("info")
def info_command(measurement_set: Annotated[Path, typer.Argument(metavar="MS")]) -> None:
    """Say what is in a MeasurementSet, and the size and scale to image it with."""
    from fip.info import describe
    from fip.isolation import in_child

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
) -> None:
    """Write an observation of known sources and a transient, and beside it OUT.truth.ecsv, which says what is in it."""
    from fip.simulate import Simulation, simulate

    simulation = Simulation(
        antennas=antennas,
        channels=channels,
        integrations=integrations,
        cadence=cadence,
        frequency=frequency,
        bandwidth=bandwidth,
        noise=noise,
        transient=transient,
        transient_on=_parsed("--transient-on", parse_range, transient_on) if transient_on else None,
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
    from fip.movie import make_movie

    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("drawing", total=None)
        movies = make_movie(
            directory, output, png, lambda done, total: progress.update(task, completed=done, total=total)
        )
    for movie in movies:
        console.print(str(movie), highlight=False, soft_wrap=True)


@app.command("check")
def check_command(file: Annotated[Path | None, typer.Argument(metavar="[FILE]")] = None) -> None:
    """Validate a configuration; print what each host runs, and each setting with its origin."""
    loaded = load(file)
    for line in _layout(loaded):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _check_robust(robust: float | None, loaded: Loaded) -> None:
    """UsageError where --robust is given and would do nothing."""
    scheme, said = loaded.config.imaging.weight
    if robust is not None and scheme != "briggs":
        raise UsageError(f"--robust {robust:g}: is for briggs weighting, and this is {scheme}; give --weight briggs")
    if robust is not None and said is not None:
        raise UsageError(f"--robust {robust:g}: --weight {scheme}:{said:g} says another one; give one of them")


def _parsed(option: str, parse: Callable[[str], Value], text: str) -> Value:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _layout(loaded: Loaded) -> list[str]:
    lines = [f"{host} runs {', '.join(node.runs) or 'nothing'}" for host, node in loaded.config.node.items()]
    values = loaded.config.model_dump(mode="json", exclude={"node"})
    for section, table in values.items():
        for key, value in _leaves(table):
            lines.append(f"{section}.{key} = {value!r}  ({loaded.origin(f'{section}.{key}')})")
    return lines


def _leaves(table: dict[str, Any]) -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for key, value in table.items():
        leaves += (
            [(f"{key}.{inner}", leaf) for inner, leaf in _leaves(value)] if isinstance(value, dict) else [(key, value)]
        )
    return leaves


@app.callback(invoke_without_command=True)
def version_option(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Fast imaging pipeline: every integration of a MeasurementSet becomes a FITS image."""
    if version:
        console.print(f"fip {__version__}", highlight=False)
        raise typer.Exit


def main() -> None:
    """Runs a command; what a person can mend is said in one line, without a traceback."""
    try:
        app()
    except FipError as error:
        Console(stderr=True).print(f"fip: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
