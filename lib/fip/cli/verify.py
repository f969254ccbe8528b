"""`fip verify`."""

from typing import Annotated

import typer

from fip.cli.app import ImagesArgument, app, say


@app.command("verify")
def verify_command(
    directory: ImagesArgument,
    digests: Annotated[bool, typer.Option("--digests", help="Read all of each file, and compare its digest.")] = False,
) -> None:
    """Name the files that are missing, cut short or another's; exits with 0 if all are there, 1 if not, 2 for usage."""
    from fip.archive.verify import verify

    raise typer.Exit(verify(directory, digests, say))
