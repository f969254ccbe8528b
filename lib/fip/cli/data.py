"""`fip info`, `fip simulate` and `fip movie`: MeasurementSets before a run, and images after it."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress

from fip.cli.app import ImagesArgument, app, console, parsed
from fip.cli.run_options import parameter, with_options
from fip.config.tables import Source
from fip.data.directions import parse_direction
from fip.data.errors import UsageError
from fip.data.joining import parse_join
from fip.data.options import options
from fip.data.primary_beam import parse_primary_beam
from fip.data.quantities import parse_angle, parse_brightness, parse_bytes, parse_range
from fip.simulation.options import Options

if TYPE_CHECKING:
    from fip.simulation.plan import Simulation


@app.command("info")
def info_command(
    measurement_sets: Annotated[list[Path], typer.Argument(metavar="MS...")],
    join: Annotated[str | None, typer.Option(metavar="bands", help="Of several sets: take them as one.")] = None,
) -> None:
    """Say what is in a MeasurementSet, and the size and scale to image it with."""
    from fip.local.joining import joined
    from fip.source.child import in_child
    from fip.source.info import describe

    asked = parsed("--join", parse_join, join) if join else ()
    paths, source = joined(measurement_sets, Source(join=asked))
    for path in paths:
        console.print(in_child(describe, path, source.join), soft_wrap=True)


def _gain_errors(text: str) -> tuple[float, float]:
    """A share and degrees from `0.02,3`; ValueError for anything else."""
    amplitude, found, phase = text.partition(",")
    try:
        if found:
            return float(amplitude), float(phase)
    except ValueError:
        pass
    raise ValueError(f"'{text}' is not the drift of gains, a share and degrees as 0.02,3")


def _antenna(text: str) -> int:
    """The number of an antenna; ValueError for anything else."""
    if not text.isdecimal():
        raise ValueError(f"'{text}' is not the number of an antenna, as 5")
    return int(text)


_READ_LATER: dict[str, Callable[[str], Any]] = {
    "transient_on": parse_range,
    "primary_beam": parse_primary_beam,
    "gain_errors": _gain_errors,
    "dead_antenna": _antenna,
}
"""What options of a simulation are made of that have no default."""


def _now() -> dict[str, Any]:
    """What begins at this moment, at whatever hour that is."""
    start = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    return {"start": start, "declination": math.radians(-80.0)}


def _with_simulation(command: Callable[..., None]) -> Callable[..., None]:
    """The command with what can be asked of a simulation as options, in place of its parameter `asked`."""
    declared = [parameter(name, option, getattr(Options, name)) for name, option in options(Options).items()]

    def asked(given: Mapping[str, Any]) -> Options:
        texts = {name: given[name] for name in _READ_LATER if given[name] is not None}
        read = {name: parsed(f"--{name.replace('_', '-')}", _READ_LATER[name], text) for name, text in texts.items()}
        return Options(**{**given, **read, **(_now() if given["start"] == "now" else {})})

    return with_options(command, "asked", declared, asked)


@app.command("simulate")
@_with_simulation
def simulate_command(
    asked: Options,
    measurement_set: Annotated[
        Path | None, typer.Argument(metavar="OUT.ms", help="The MeasurementSet to write.", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older MeasurementSet.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Write as a telescope does, each integration when it is over.")
    ] = False,
    stream: Annotated[
        str | None,
        typer.Option(metavar="udp://HOST:PORT[,...]", help="Send it to a receiver instead, in real time."),
    ] = None,
    stream_format: Annotated[
        str, typer.Option(metavar="fip|meerkat-l0", help="How it is sent: FIP's own packets, or MeerKAT's L0.")
    ] = "fip",
    setup: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what the receiver of a stream needs to know of it.")
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(metavar="50MB", help="Not in real time, but as fast as it is made, and so much a second at most."),
    ] = None,
) -> None:
    """Write an observation of known sources and a transient, and beside it OUT.truth.ecsv, which says what is in it.

    With --sources there is OUT.skymodel, too, for fip run --sky-model, with apparent flux densities if a primary beam
    is simulated; with --gain-errors OUT.B and OUT.G, for fip run --gains. MODEL_DATA is the steady sky as the dishes
    receive it, without gains and interference. --stream sends the samples that would be written.
    """
    from fip.simulation.plan import Simulation

    simulation = Simulation(**vars(asked))
    if rate and not stream:
        raise UsageError("--rate: is of what --stream sends; leave it out, or give --stream udp://HOST:PORT")
    if live and not measurement_set:
        raise UsageError("--live: is of a MeasurementSet; a stream is in real time anyway, unless it has --rate")
    if measurement_set and (stream or setup):
        raise UsageError(f"{measurement_set}: --stream and --setup write no MeasurementSet; leave it, or them, out")
    if stream or setup:
        _stream(simulation, stream, stream_format, setup, rate, overwrite)
    elif measurement_set:
        _write_set(simulation, measurement_set, overwrite, live)
    else:
        raise UsageError("give OUT.ms, the MeasurementSet to write, or --stream udp://HOST:PORT")


def _write_set(simulation: "Simulation", path: Path, overwrite: bool, live: bool) -> None:
    from fip.simulation.observation import simulate

    with told_progress("simulating", simulation.integrations) as told:
        truth = simulate(path, simulation, overwrite=overwrite, live=live, progress=told)
    console.print(f"{path} is written; what is in it is in {truth}", soft_wrap=True)
    if simulation.sources and not simulation.smear:
        console.print("it is not smeared: `fip run --sky-model` takes --smear none for it", soft_wrap=True)


def _stream(
    simulation: "Simulation", stream: str | None, named: str, setup: Path | None, rate: str | None, again: bool
) -> None:
    """The set-up is written before anything is sent: with --setup alone, so that a receiver can be started."""
    from fip.simulation.sending import parse_endpoints, parse_format, stream_observation, write_setup

    form = parsed("--stream-format", parse_format, named)
    endpoints = parsed("--stream", parse_endpoints, stream) if stream else ()
    most = parsed("--rate", parse_bytes, rate) if rate else None
    if setup:
        write_setup(setup, simulation, form, overwrite=again)
        console.print(f"{setup} says what the stream is: [receiver] setup", soft_wrap=True, markup=False)
    if not endpoints:
        return
    with told_progress("sending", simulation.integrations) as told:
        unheard = stream_observation(simulation, endpoints, most, form, told)
    many, start = simulation.integrations, simulation.start
    console.print(f"{many} integrations from {start} on were sent to {stream}", soft_wrap=True)
    if unheard:
        console.print(f"nobody listened there {unheard} times or more: what was sent then is lost", soft_wrap=True)


@app.command("movie")
def movie_command(
    directory: ImagesArgument,
    output: Annotated[Path | None, typer.Option(help="The movie.  [default: DIR/movie.mp4]")] = None,
    png: Annotated[Path | None, typer.Option(help="Directory for the frames as PNG files, too.")] = None,
    stokes: Annotated[str, typer.Option(metavar="V", help="The plane.  [default: the first]")] = "",
    centre: Annotated[
        str | None, typer.Option(metavar="'RA DEC'", help="Middle of what is shown.  [default: that of the images]")
    ] = None,
    width: Annotated[str | None, typer.Option(metavar="10arcmin", help="Show so much.  [default: all]")] = None,
    between: Annotated[
        str | None, typer.Option(metavar="LOW~HIGH", help="Jy/beam, darkest and brightest.  [default: of the images]")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.1, max=60, help="Images a second.  [default: a movie of 4 to 60 s]")
    ] = None,
    every: Annotated[
        int | None, typer.Option(min=1, help="Show every so many-th image.  [default: as many as 60 s can]")
    ] = None,
) -> None:
    """Make an MP4 movie, and PNGs, of the images of a run."""
    from fip.archive.movie import Shown, make_movie

    shown = Shown(
        stokes,
        parsed("--centre", parse_direction, centre) if centre else None,
        parsed("--width", parse_angle, width) if width else None,
        parsed("--between", parse_brightness, between) if between else None,
        Fraction(rate).limit_denominator(1000) if rate else None,
        every,
    )
    with told_progress("drawing", None) as told:
        movies = make_movie(directory, output, png, told, shown)
    for movie in movies:
        console.print(str(movie), soft_wrap=True)


@contextmanager
def told_progress(what: str, total: int | None) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, to be told how many are done, and of how many."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done, total: progress.update(task, completed=done, total=total)
