"""`fip verify`."""

from typing import Annotated

import typer

from fip.cli.app import ImagesArgument, app, say


@app.command("verify")
def verify_command(
    directory: ImagesArgument,
    digests: Annotated[bool, typer.Option("--digests", help="Read all of each file, and compare its digest.")] = False,
    data: Annotated[
        bool, typer.Option("--data", help="Read the MeasurementSets again, and compare each stored slice with them.")
    ] = False,
) -> None:
    """Name the files that are missing, cut short or another's; exits with 0 if all are there, 1 if not, 2 for usage."""
    from fip.archive.verify import verify

    code = verify(directory, digests, say)
    if data:
        from fip.local.comparing import compare_all

        code = max(code, 0 if compare_all(directory, say) else 1)
    raise typer.Exit(code)
