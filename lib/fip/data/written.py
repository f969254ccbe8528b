"""How values are read that a person writes, as text or as a bare number in a file."""

from collections.abc import Callable
from typing import TypeVar

from pydantic import BeforeValidator, ValidationInfo

Value = TypeVar("Value")
AS_WRITTEN = {"as_written": True}
"""The context in which a bare number is something that a person wrote, as `average = 4` in a file, and is parsed."""


def reads(parse: Callable[[str], Value]) -> BeforeValidator:
    """Has a value be read from text, or from a bare number in a file."""

    def read(value: object, info: ValidationInfo) -> object:
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        written = isinstance(value, str) or (numeric and (info.context == AS_WRITTEN or isinstance(value, int)))
        return parse(str(value)) if written else value

    return BeforeValidator(read)
