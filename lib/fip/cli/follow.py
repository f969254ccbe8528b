"""`fip follow`."""

from typing import Annotated

import typer

from fip.cli.app import ConfigOption, ImagesArgument, app, console


@app.command("follow")
def follow_command(
    directory: ImagesArgument,
    followers: Annotated[
        list[str],
        typer.Argument(
            metavar="FOLLOWER...",
            help="Functions, as package.module:step, or names of [follower.NAME] in the configuration.",
        ),
    ],
    watch: Annotated[bool, typer.Option("--watch", help="Go on for ever: wait for more images.")] = False,
    config: ConfigOption = None,
) -> None:
    """Run functions on each stored image in order, exactly once; again, they go on with those that they have not seen.

    What they find goes to DIR/followers/NAME. Exits with 0, or 1 if a function failed at an image.
    """
    from fip.config import load
    from fip.local.followers import chosen, follow

    found = chosen(load(config).config, followers)
    raise typer.Exit(0 if follow(directory, found, console, watch) else 1)
