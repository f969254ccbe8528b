"""What all commands share: the application that they are part of, where they print, and options that several have."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from fip import __version__
from fip.data.errors import UsageError
from fip.terminal.plain import PlainConsole

Value = TypeVar("Value")

app = typer.Typer(
    help="Fast imaging pipeline: every integration of a MeasurementSet becomes a FITS image.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
console = PlainConsole()


def say(text: str, style: str = "") -> None:
    """Prints a text as it is, without line breaks that it does not have."""
    console.print(text, style=style, soft_wrap=True)


ConfigOption = Annotated[Path | None, typer.Option(help="Configuration file; the options given here win over it.")]
ImagesArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Directory of images, as `fip run` leaves it.")]


def parsed(option: str, parse: Callable[[str], Value], text: str) -> Value:
    """What a parser makes of an option's text; UsageError, with the option's name, where it does not take it."""
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def write_out(content: str | bytes, output: Path | None) -> None:
    """To a file, or to standard output. UsageError if the file cannot be written."""
    octets = content.encode() if isinstance(content, str) else content
    if output is None:
        sys.stdout.buffer.write(octets)
        return
    try:
        output.write_bytes(octets)
    except OSError as error:
        raise UsageError(f"--output {output}: cannot be written: {error.strerror}") from None


@app.callback(invoke_without_command=True)
def version_option(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Fast imaging pipeline: every integration of a MeasurementSet becomes a FITS image."""
    if version:
        console.print(f"fip {__version__}")
        raise typer.Exit
