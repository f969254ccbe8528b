"""The options of `fip run` as keyword arguments: declared once, in `fip.data.settings`."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from fip.config import all_options
from fip.data.settings import Option

Function = TypeVar("Function", bound=Callable[..., Any])


def with_options(*tables: str) -> Callable[[Function], Function]:
    """Has help and completion show the options of these tables in place of a function's `**options`."""
    declared = {key.rpartition(".")[2]: each for key, each in all_options().items() if key.partition(".")[0] in tables}

    def shown(function: Function) -> Function:
        signature = inspect.signature(function)
        named = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        options = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in declared]
        function.__signature__ = signature.replace(parameters=[*named, *options])  # type: ignore[attr-defined]
        lines = "\n".join(f"    {name}: {_told(option)}" for name, option in declared.items())
        function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nOptions, as text or as values:\n{lines}\n"
        return function

    return shown


def _told(option: Option) -> str:
    return " ".join(option.help.split())
