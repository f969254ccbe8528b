"""`fip status`, `fip top` and `fip web`: a pipeline at a glance, once or live, in a terminal or a browser."""

from pathlib import Path
from typing import Annotated

import typer

from fip.cli.app import ConfigOption, ImagesArgument, app, console

DirectoryArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[DIR]", help="Directory that a `fip run` images into.  [default: the ventilator daemon]"),
]
VentilatorOption = Annotated[
    str | None, typer.Option(metavar="ADDR", help="Control address of the ventilator, as tcp://head:5557.")
]


@app.command("status")
def status_command(
    directory: DirectoryArgument = None,
    ventilator: VentilatorOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="All of it, as a JSON object (a line each, watching).")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until interrupted, or the run in DIR is over.")] = False,
    config: ConfigOption = None,
) -> None:
    """Say how a pipeline does; exits with 0 keeping up or all stored, 1 behind or failing, 3 no pipeline."""
    from fip.terminal.status import glance

    raise typer.Exit(glance(directory, ventilator, config, console, as_json=as_json, watch=watch))


@app.command("top")
def top_command(
    directory: DirectoryArgument = None, ventilator: VentilatorOption = None, config: ConfigOption = None
) -> None:
    """Show how a pipeline does, live in the terminal: q ends it, the other keys are shown."""
    from fip.terminal.top import live

    raise typer.Exit(live(directory, ventilator, config, console))


@app.command("web")
def web_command(
    directory: ImagesArgument,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="On 127.0.0.1; 0 for a free one.  [default: 8570, or a free one]"),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Serve the page of a directory of images: of the run into it while there is one, and of what is stored."""
    from fip.config import load
    from fip.local.web import serve

    raise typer.Exit(serve(directory, load(config).config, port, console))
