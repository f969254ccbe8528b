"""The function that a follower runs, by its name `package.module:function`, and what it may give back."""

import importlib
import json
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fip.archive.folder import is_plain
from fip.archive.followed import Finding, FollowedImage
from fip.data.errors import UsageError
from fip.data.names import label

State = dict[str, Any]
"""What a follower keeps from image to image: arrays of numbers and JSON values, by name. It begins as {}."""

StepFunction = Callable[[State, FollowedImage], tuple[State, Iterable[Finding]]]
"""Takes the state and the next image, gives the state after it, and what was found in it. It may change the state that
it is given. The same state and image give the same again: after a restart, images are seen twice."""

UNWRITTEN = "_"
"""Keys of a state that begin so are in no checkpoint, and may hold anything."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*")


class StepError(Exception):
    """A step has failed at an image, or gave back what it may not; one line says what."""


@dataclass(frozen=True)
class Step:
    """A function that was found by its name."""

    name: str  # package.module:function
    function: StepFunction
    files: Callable[[State], Mapping[str, bytes]] | None = None  # the module's `files`: what of a state is on disk
    end: Callable[[State], Iterable[Finding]] | None = None  # the module's `end`: what is found when a run is over
    kept: Callable[[State], State] | None = None  # the module's `kept`: a state as a checkpoint has it

    def __call__(self, state: State, image: FollowedImage) -> tuple[State, list[str]]:
        """The state after an image, and what was found in it, each as JSON text. Raises StepError."""
        try:
            given = self.function(state, image)
            after, found = given
            texts = _texts(found)
        except Exception as error:
            raise StepError(_fault(error)) from error
        if fault := state_fault(after):
            raise StepError(fault)
        return after, texts

    def end_of(self, state: State) -> list[str]:
        """What is found when no more images of a run come, each as JSON text. Raises StepError."""
        try:
            return _texts(self.end(state)) if self.end else []
        except Exception as error:
            raise StepError(f"end(state): {_fault(error)}") from error

    def kept_of(self, state: State) -> State:
        """A state as it is to be written. Raises StepError."""
        try:
            made = self.kept(state) if self.kept else state
        except Exception as error:
            raise StepError(f"kept(state): {_fault(error)}") from error
        if fault := state_fault(made):
            raise StepError(f"kept(state): {fault}")
        return made

    def files_of(self, state: State) -> dict[str, bytes]:
        """The files that show a state, by their names. Raises StepError."""
        if self.files is None:
            return {}
        try:
            made = {str(name): bytes(content) for name, content in self.files(state).items()}
        except Exception as error:
            raise StepError(f"files(state): {_fault(error)}") from error
        if odd := [name for name in made if not is_plain(name)]:
            raise StepError(f"files(state): {odd[0]!r:.80} is not the name of a file")
        return made


def load_step(name: str) -> Step:
    """The function of that name, and `files`, `end` and `kept` if its module has them. UsageError if it has none.

    Modules are looked for in the working directory, too.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"follower '{name}': is not a function's name, as package.module:step")
    module, _, function = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    importlib.invalidate_caches()
    try:
        imported = importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 it is somebody's own
        raise UsageError(f"follower {name}: {module} cannot be imported: {_fault(error)}") from None
    found = getattr(imported, function, None)
    if not callable(found):
        raise UsageError(f"follower {name}: {module} has no function {function}")
    others = (getattr(imported, what, None) for what in ("files", "end", "kept"))
    return Step(name, found, *(each if callable(each) else None for each in others))


def name_of(step: str) -> str:
    """Return a follower's name if nobody gives one: that of its function, or of its module if that is called `step`."""
    module, _, function = step.partition(":")
    return label(module.rpartition(".")[2] if function == "step" else function)


def state_fault(state: object) -> str:
    """What is wrong with a state; "" if it can be kept."""
    if type(state) is not dict:
        return f"the state is a {type(state).__name__}: give back a dict"
    for name, value in state.items():
        if type(name) is not str:
            return f"the state's key {name!r:.80} is a {type(name).__name__}: give it a text"
        if name.startswith(UNWRITTEN):
            continue
        if isinstance(value, np.ndarray | np.generic):
            if value.dtype.hasobject:
                return f"state[{name!r:.80}] is an array of objects: numbers, times and texts can be kept"
        elif not _is_json(value):
            return f"state[{name!r:.80}] is a {type(value).__name__}: arrays and JSON values can be kept"
    return ""


def _texts(found: Iterable[Finding]) -> list[str]:
    return [json.dumps(dict(each), default=_plain, allow_nan=False) for each in found]


def _is_json(value: object) -> bool:
    """Whether a value comes back from JSON as it was."""
    if type(value) is list:
        return all(map(_is_json, value))
    if type(value) is dict:
        return all(type(key) is str and _is_json(each) for key, each in value.items())
    return value is None or type(value) in (bool, int, float, str)


def _plain(value: object) -> object:
    """A number or an array of numpy's, for JSON."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a finding holds a {type(value).__name__}: JSON values can be kept")


def _fault(error: BaseException) -> str:
    """Return an error of somebody's code, in one line, with the file and line that raised it."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    place = "" if at.filename.startswith("<") else f" ({at.filename.rpartition('/')[2]}, line {at.lineno})"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{place}"
