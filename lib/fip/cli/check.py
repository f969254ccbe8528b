"""`fip check`, `fip warmup` and `fip units`: whether a host is ready to run FIP, and what it takes."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from fip.cli.app import app, say
from fip.config import OWN_FORMAT, Config, load
from fip.data.errors import UsageError
from fip.layout.cluster import hosts, placement, warnings
from fip.spool.setup import read_setup


@app.command("check")
def check_command(file: Annotated[Path | None, typer.Argument(metavar="[FILE]")] = None) -> None:
    """Validate a configuration; print what each host runs, and each setting with its origin, and what cannot work."""
    loaded = load(file)
    settings = [f"{key} = {value!r}  ({origin})" for key, value, origin in loaded.settings()]
    for line in (*placement(loaded.config), *settings, *_devices()):
        say(line)
    config = loaded.config
    for line in (*warnings(config, _resolves), *_tokens(config), *_lists(config), *_stream(config)):
        say(f"warning: {line}", style="yellow")


@app.command("warmup")
def warmup_command(
    epsilon: Annotated[
        float | None, typer.Option(help="Only what images of this accuracy need.  [default: of any accuracy]")
    ] = None,
) -> None:
    """Compile imaging kernels, what predicts sky models, what compresses and the search; else a first slice waits."""
    from fip.corrections.predict.lanes import warm_up_lanes
    from fip.events.warm import warm_up_search
    from fip.fits.warm import warm_up_rice
    from fip.imaging.compiled_rows import warm_up_rows
    from fip.imaging.slant.scheme import PRECISIONS, scheme_for
    from fip.imaging.slant.warm import warm_up, warm_up_degridding

    precisions = PRECISIONS if epsilon is None else [scheme_for(epsilon).precision]
    seconds = warm_up(say, precisions) + warm_up_degridding(say, precisions) + warm_up_lanes(precisions)
    seconds += warm_up_rice(precisions)
    seconds += warm_up_rows()
    if epsilon is None:
        seconds += warm_up_search(say)
    say(f"the imaging kernels are ready: {seconds:.1f} s")


@app.command("units")
def units_command(directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write them.")]) -> None:
    """Write out this version's units of systemd, example configurations, rules of Prometheus and Grafana's board."""
    from fip.layout.files import write_out

    for path in write_out(directory):
        say(str(path))


def _lists(config: Config) -> Iterator[str]:
    """What of the lists that the detector is to know cannot be used on this host."""
    if config.detector.tle or config.catalogue:
        from fip.events.duty import unusable_lists  # which imports the search

        yield from unusable_lists(config)


def _stream(config: Config) -> Iterator[str]:
    """What of the stream that a receiver is to hear cannot be used on this host."""
    if not hosts(config, "receiver"):
        return
    receiver = config.receiver
    if receiver.format == OWN_FORMAT:
        if not receiver.listen:
            yield 'receiver.listen: has no address; give one as ["udp://0.0.0.0:7148"]'
        try:
            if not receiver.setup:
                raise UsageError("is not given; it is the path of a JSON file that docs/streams.md describes")
            read_setup(Path(receiver.setup))
        except UsageError as error:
            yield f"receiver.setup: {error}"
    most = Path("/proc/sys/net/core/rmem_max")
    if most.exists() and (most_bytes := int(most.read_text())) < receiver.buffer:
        yield (
            f"receiver.buffer: the kernel gives a socket {most_bytes} bytes at most, of the {receiver.buffer} that are "
            f"asked for: sysctl -w net.core.rmem_max={receiver.buffer}"
        )


def _tokens(config: Config) -> Iterator[str]:
    """What is wrong with the tokens of those who are told of events, as this user sees it."""
    from fip.alerts.posting import read_token

    for name, target in config.alerts.items():
        if target.token_file:
            try:
                read_token(target.token_file)
            except UsageError as error:
                yield f"alerts.{name}.{error}"


def _resolves(host: str) -> bool:
    """Whether this host knows an address of another."""
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def _devices() -> list[str]:
    """The GPUs of this host."""
    from fip.imaging.cuda.device import gpus

    return [f"this host has cuda:{number}, {name}" for number, name in enumerate(gpus())] or ["this host has no GPU"]
