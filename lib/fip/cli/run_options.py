"""The options that `fip run` and `fip submit` share, made from what the configuration declares."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

from fip.config import Loaded, all_options, load
from fip.data.errors import UsageError
from fip.data.settings import Option

Others = ParamSpec("Others")
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


@dataclass(frozen=True)
class Settings:
    """What to image, and how, as it was typed; the configuration's parsers read it."""

    typed: Mapping[str, str | bool]  # the configuration's key, as imaging.scale -> what was given

    def load(self, config: Path | None, others: Mapping[str, Any] | None = None) -> Loaded:
        """The configuration. What was typed wins: here, or in `others` by its keys.

        Raises ConfigError and UsageError.
        """
        loaded = load(config, {**self.typed, **(others or {})})
        robust, weight = self.typed.get("imaging.robust"), loaded.config.imaging.weight
        said = str(self.typed.get("imaging.weight", "")).partition(":")[2]
        if robust is not None and weight != "briggs":
            raise UsageError(f"--robust {robust}: is for briggs weighting, and this is {weight}; give --weight briggs")
        if robust is not None and said:
            raise UsageError(f"--robust {robust}: --weight briggs:{said} says another one; give one of them")
        return loaded


def with_settings(command: Callable[Concatenate[Settings, Others], None]) -> Callable[..., None]:
    """The command with each setting as an option of its own, beside its other parameters.

    Its signature is what Typer reads: the parameters of `command`, with the options in place of the first.
    """
    keys = {key.rpartition(".")[2]: key for key in all_options()}

    def typed(*args: Others.args, **kwargs: Others.kwargs) -> None:
        given = {key: kwargs.pop(name) for name, key in keys.items()}
        command(Settings({key: value for key, value in given.items() if value not in (None, False)}), *args, **kwargs)  # type: ignore[misc]

    hints = get_type_hints(command, include_extras=True)
    own = list(inspect.signature(command).parameters.values())[1:]
    parameters = [each.replace(kind=_KEYWORD, annotation=hints[each.name]) for each in own]
    parameters += [_parameter(key.rpartition(".")[2], option) for key, option in all_options().items()]
    typed.__doc__ = command.__doc__
    typed.__annotations__ = {each.name: each.annotation for each in parameters}
    typed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return typed


def _parameter(name: str, option: Option) -> inspect.Parameter:
    """An option as Typer takes it: text for the configuration to read, or a flag."""
    names = option.names or (f"--{name.replace('_', '-')}",)
    said = typer.Option(*names, help=option.help, metavar=option.metavar)
    if option.flag:
        return inspect.Parameter(name, _KEYWORD, default=False, annotation=Annotated[bool, said])
    return inspect.Parameter(name, _KEYWORD, default=None, annotation=Annotated[str | None, said])
