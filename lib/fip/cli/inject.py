"""`fip completeness` and `fip inject`: sources that are put in to see whether they are found."""

import json
import sys
from typing import Annotated

import typer

from fip.cli.app import ImagesArgument, app, say


@app.command("completeness")
def completeness_command(
    directory: ImagesArgument,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects, one for each average.")] = False,
) -> None:
    """Say what share of true transients a search finds, by the sources that it put into its own copy of the images."""
    from fip.events.completeness import as_lines, as_objects, read_injections, threshold_of

    tried, threshold = read_injections(directory), threshold_of(directory)
    if as_json:
        sys.stdout.write(json.dumps(as_objects(tried, threshold), indent=1) + "\n")
        return
    for line in as_lines(tried, threshold):
        say(line)
