"""`fip spool`: what is in the ring of a stream's integrations, and a MeasurementSet of it."""

from pathlib import Path
from typing import Annotated

import typer

from fip.cli.app import app, say

spool = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(spool, name="spool", help="Look into the ring of a stream's integrations, or write it out.")

SpoolArgument = Annotated[Path, typer.Argument(metavar="SPOOL", help="The folder that the receiver writes, NAME.live.")]


@spool.command("info")
def info_command(path: SpoolArgument) -> None:
    """Say what came, what of it is still there, and whether more comes; `fip info` says how it would be imaged."""
    from fip.spool.describing import describe

    say(describe(path))


@spool.command("export")
def export_command(
    path: SpoolArgument,
    ms: Annotated[Path, typer.Option("--ms", metavar="OUT.ms", help="The MeasurementSet to write.")],
) -> None:
    """Write the integrations that are still in the ring to a MeasurementSet, of which FIP makes the same images."""
    from fip.cli.data import told_progress
    from fip.source.spooled.export import export

    with told_progress("writing", None) as told:
        written, left = export(path, ms, told)
    say(f"{ms} has {written} integrations" + (f"; {left} left the ring before they were written" if left else ""))
