"""Options of the command line that are made from what is declared elsewhere, once."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, get_type_hints

import typer

from fip.config import Settings, all_options, detector_options
from fip.data.errors import UsageError
from fip.data.names import is_label
from fip.data.options import Option

_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """The command with each setting of a run as an option, in place of its parameter `settings`."""
    return _with_keys(command, "settings", all_options())


def with_detection(command: Callable[..., None]) -> Callable[..., None]:
    """The command with settings of the detector, and catalogues, as options, in place of its parameter `detection`."""
    return _with_keys(command, "detection", detector_options(), CATALOGUE)


CATALOGUE = Option(
    "Tell events with the names of what this list (CSV, ECSV, VOTable) has at their places; may be repeated.",
    metavar="NAME=FILE",
    several=True,
)


def _catalogues(given: Sequence[str]) -> dict[str, str]:
    """The keys of catalogues that are given as NAME=FILE. UsageError."""
    found: dict[str, str] = {}
    for each in given:
        name, equals, file = each.partition("=")
        if not (equals and file and is_label(name)):
            raise UsageError(f"--catalogue {each:.200}: give a name and a file, as pulsars=pulsars.csv")
        if f"catalogue.{name}.file" in found:
            raise UsageError(f"--catalogue {name}: is given twice: give each a name of its own")
        found[f"catalogue.{name}.file"] = file
    return found


def _with_keys(
    command: Callable[..., None], name: str, found: Mapping[str, Option], catalogue: Option | None = None
) -> Callable[..., None]:
    """The command with options of the configuration, by their keys, in place of one parameter, their `Settings`.

    With a `catalogue`, there is this option, too, which gives tables of the configuration.
    """
    keys = {key.rpartition(".")[2]: key for key in found}
    options = [parameter(key.rpartition(".")[2], option) for key, option in found.items()]
    options += [parameter("catalogue", catalogue)] if catalogue else []

    def settings(given: Mapping[str, Any]) -> Settings:
        listed = _catalogues(given.get("catalogue") or ()) if catalogue else {}
        known = {name: value for name, value in given.items() if name in keys}
        typed = {name: ",".join(value) or None if isinstance(value, list) else value for name, value in known.items()}
        return Settings({keys[name]: value for name, value in typed.items() if value not in (None, False)} | listed)

    return with_options(command, name, options, settings)


def with_options(
    command: Callable[..., None],
    name: str,
    options: Sequence[inspect.Parameter],
    made: Callable[[Mapping[str, Any]], object],
) -> Callable[..., None]:
    """The command with these options in place of its parameter `name`, which is `made` of what is given for them.

    Its signature is what Typer reads.
    """

    def typed(**kwargs: Any) -> None:
        given = {each.name: kwargs.pop(each.name) for each in options}
        command(**kwargs, **{name: made(given)})

    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for each in inspect.signature(command).parameters.values():
        parameters += options if each.name == name else [each.replace(kind=_KEYWORD, annotation=hints[each.name])]
    typed.__doc__ = command.__doc__
    typed.__annotations__ = {each.name: each.annotation for each in parameters}
    typed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return typed


def parameter(name: str, option: Option, default: Any = None) -> inspect.Parameter:
    """An option as Typer takes it: of the type of its default, a flag, or text to be read later."""
    names = option.names or (f"--{name.replace('_', '-')}",)
    default = False if option.flag else default
    kind: Any = type(default) if default is not None else list[str] | None if option.several else str | None
    said = Annotated[kind, typer.Option(*names, help=option.help, metavar=option.metavar)]
    return inspect.Parameter(name, _KEYWORD, default=default, annotation=said)
