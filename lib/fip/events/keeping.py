"""Values made of dataclasses, as a checkpoint and a journal have them: JSON, with arrays beside; and back."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

T = TypeVar("T")
Arrays = dict[str, np.ndarray[Any, Any]]

_ARRAY = "array:"  # how the name of an array begins, which stands for it


def as_json(value: object, arrays: Arrays | None = None) -> Any:
    """A value of dataclasses, lists, tuples, dicts, texts and numbers as JSON; arrays go to `arrays`, by new names.

    TypeError for an array if there is no place for it, and for anything else.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        if arrays is None:
            raise TypeError("an array has no place in JSON")
        name = f"{_ARRAY}{len(arrays)}"
        arrays[name] = value
        return name
    if is_dataclass(value):
        return {each.name: as_json(getattr(value, each.name), arrays) for each in fields(value)}
    if isinstance(value, Mapping):
        return [[as_json(key, arrays), as_json(each, arrays)] for key, each in value.items()]
    if isinstance(value, list | tuple | frozenset):
        return [as_json(each, arrays) for each in value]
    raise TypeError(f"a {type(value).__name__} cannot be kept")


def from_json(kind: type[T], value: Any, arrays: Arrays | None = None) -> T:
    """The inverse of `as_json`, of a value of a type. KeyError, TypeError or ValueError for what is none."""
    made: T = _made(kind, value, arrays or {})
    return made


def _made(kind: Any, value: Any, arrays: Arrays) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        one = next(each for each in get_args(kind) if each is not type(None))
        return None if value is None else _made(one, value, arrays)
    if isinstance(kind, type) and is_dataclass(kind):
        told = {name: hint for name, hint in _hints(kind).items() if name in value or name not in _lately(kind)}
        return kind(**{name: _made(hint, value[name], arrays) for name, hint in told.items()})
    if origin is tuple:
        kinds = get_args(kind)
        kinds = (kinds[0],) * len(value) if kinds[-1] is Ellipsis else kinds
        return tuple(_made(one, each, arrays) for one, each in zip(kinds, value, strict=True))
    if origin in (list, frozenset):
        return origin(_made(get_args(kind)[0], each, arrays) for each in value)
    if origin is dict:
        of, to = get_args(kind)
        return {_made(of, key, arrays): _made(to, each, arrays) for key, each in value}
    if origin is np.ndarray or kind is np.ndarray:
        return arrays[value]
    return float(value) if kind is float else value


@cache
def _lately(kind: Any) -> frozenset[str]:
    """What need not be there, as an older FIP did not write it: what has a default."""
    return frozenset(each.name for each in fields(kind) if each.default is not MISSING)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
