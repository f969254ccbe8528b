"""`fip keys`: the keys of a layout."""

from pathlib import Path
from typing import Annotated

import typer

from fip.cli.app import app, say
from fip.config import load


@app.command("keys")
def keys_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Configuration with the layout: [node.HOST] tables.")],
    output: Annotated[Path, typer.Option(help="Folder for the keys.")] = Path("keys"),
    renew: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST/ROLE", help="Replace this key; the old is let in until its line is removed."),
    ] = None,
) -> None:
    """Make the keys of a layout that are not there yet, and allowed.toml, the list of those who are let in."""
    from fip.layout.keys import make_keys

    for line in make_keys(load(file).config, output, renew or []):
        say(line)
