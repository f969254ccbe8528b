"""Checkpoints: a follower's state on disk, from which it goes on after a restart. The last two of a run are kept."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

import numpy as np

from fip.archive.folder import Folder
from fip.data.errors import NoRoomError
from fip.follower.step import UNWRITTEN, State

KEPT = 2

_NAME = re.compile(r"state-(?P<run>[A-Za-z0-9._+-]+)-(?P<number>[0-9]{9,18})\.npz")
_TEMPORARY = ".state.tmp"


class Checkpoints:
    """Those in a follower's folder; a file `state-RUN-NUMBER.npz` each, NUMBER that of the last decision before it."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def numbers(self, run: str) -> list[int]:
        """Those of a run, the newest first. Raises NoRoomError."""
        try:
            found = [_NAME.fullmatch(name) for name in self._folder.names()]
        except OSError as error:
            raise NoRoomError(f"{self._folder.path}: cannot be read: {error.strerror}") from None
        return sorted((int(each["number"]) for each in found if each and each["run"] == run), reverse=True)

    def write(self, run: str, number: int, state: State) -> None:
        """Write a state under a temporary name, sync it, and rename it; then older ones go. Raises NoRoomError."""
        try:
            self._folder.write_from(_TEMPORARY, lambda file: pack(state, file))
            self._folder.replace(_TEMPORARY, _name(run, number))
            self._folder.sync()
            self.remove(run, KEPT)
        except OSError as error:
            raise NoRoomError(f"{self._folder.path}: a checkpoint cannot be written: {error.strerror}") from None

    def remove(self, run: str, kept: int = 0) -> None:
        """Remove those of a run but for the newest; one that cannot be removed stays."""
        for old in self.numbers(run)[kept:]:
            with suppress(OSError):
                self._folder.unlink(_name(run, old))

    def read(self, run: str, number: int) -> State | None:
        """A state as it was written; None if its file is damaged, or gone."""
        with suppress(OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError):
            return unpacked(self._folder.read(_name(run, number)))
        return None


def pack(state: State, file: BinaryIO) -> None:
    """Write a state as an npz archive: `values`, JSON of the keys in their order, each array by its place there."""
    described: list[list[object]] = []
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {}
    for place, (key, value) in enumerate(_kept(state)):
        if isinstance(value, np.ndarray | np.generic):
            described.append([key, "array" if isinstance(value, np.ndarray) else "number", None])
            arrays[f"array{place}"] = np.asarray(value)
        else:
            described.append([key, "value", value])
    text = np.frombuffer(json.dumps(described).encode(), np.uint8)
    np.savez(file, allow_pickle=False, values=text, **arrays)


def unpacked(content: bytes) -> State:
    """The inverse of `pack`. Raises ValueError, KeyError, TypeError or BadZipFile for what is none."""
    state: State = {}
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        for place, (key, kind, value) in enumerate(json.loads(archive["values"].tobytes())):
            if kind == "value":
                state[key] = value
            else:
                array = archive[f"array{place}"]
                state[key] = array if kind == "array" else array[()]
    return state


def _kept(state: State) -> Iterator[tuple[str, object]]:
    return ((key, value) for key, value in state.items() if not key.startswith(UNWRITTEN))


def _name(run: str, number: int) -> str:
    return f"state-{run}-{number:09d}.npz"
