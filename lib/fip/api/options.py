"""The options of `fip run` as keyword arguments: declared once, in `fip.data.settings`."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fip.config import all_options
from fip.data.options import Option, options
from fip.data.settings import TABLES

Function = TypeVar("Function", bound=Callable[..., Any])


OF_A_RUN: Mapping[str, Option] = {key.rpartition(".")[2]: option for key, option in all_options().items()}
"""All that the command `fip run` declares so, by name."""

OF_SLICES: Mapping[str, Option] = {name: option for table in TABLES.values() for name, option in options(table).items()}
"""Those that say what slices there are, and how they are imaged."""


def with_options(declared: Mapping[str, Option]) -> Callable[[Function], Function]:
    """Have help and completion show these options in place of a function's `**options`."""

    def shown(function: Function) -> Function:
        signature = inspect.signature(function)
        named = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        more = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in declared]
        function.__signature__ = signature.replace(parameters=[*named, *more])  # type: ignore[attr-defined]
        lines = "\n".join(f"    {name}: {_told(option)}" for name, option in declared.items())
        function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nOptions, as text or as values:\n{lines}\n"
        return function

    return shown


def _told(option: Option) -> str:
    return " ".join(option.help.split())
