"""`fip.open`: the slices of a MeasurementSet, read by a process of their own, as the ventilator has them read."""

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar, TypeVarTuple, Unpack, overload

from fip.api.options import OF_A_RUN, OF_SLICES, with_options
from fip.config import settings_of
from fip.data.errors import LostReaderError, UsageError
from fip.data.settings import Asked
from fip.data.values import Slice
from fip.local.user_code import settled
from fip.source.child import Child
from fip.source.requests import RunFacts, cut, look
from fip.wire.codec import decode_slice

TRIES = 2  # of a call, each in a child of its own: the first may have died of something else
BY = "fip.open"

Given = TypeVarTuple("Given")
Result = TypeVar("Result")


class _Reading:
    """A child that reads, as long as there is one: one that died, or that is another process's, is replaced."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._of = 0  # the process that started it
        self._lock = threading.Lock()

    def call(self, function: Callable[[Path, Unpack[Given]], Result], path: Path, *args: *Given) -> Result:
        """What the child makes of a MeasurementSet, as `Child.call`."""
        with self._lock:
            for _ in range(TRIES - 1):
                with suppress(LostReaderError):
                    return self._running().call(function, path, *args)
                self._end()
            try:
                return self._running().call(function, path, *args)
            except LostReaderError:
                self._end()
                raise

    def end(self) -> None:
        """End the child, if there is one."""
        with self._lock:
            self._end()

    def _running(self) -> Child:
        if self._child is None or self._of != os.getpid():
            self._child, self._of = Child.start(), os.getpid()
        return self._child

    def _end(self) -> None:
        if self._child is not None and self._of == os.getpid():
            self._child.end()
        self._child = None


class Slices(Sequence[Slice]):
    """The slices of an opened set, in order of time; each is cut when it is asked for, and not kept."""

    def __init__(self, number: int, read: Callable[[int], Slice], chosen: range | None = None) -> None:
        self._chosen, self._read = range(number) if chosen is None else chosen, read

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, place: int) -> Slice: ...
    @overload
    def __getitem__(self, place: slice) -> "Slices": ...
    def __getitem__(self, place: int | slice) -> "Slice | Slices":
        """One of them, or some. Raises InputError if it cannot be read."""
        found = self._chosen[place]
        return self._read(found) if isinstance(found, int) else Slices(0, self._read, found)

    def __iter__(self) -> Iterator[Slice]:
        return map(self._read, self._chosen)

    def __repr__(self) -> str:
        return f"<{len(self)} slices>"


class OpenedSet:
    """A MeasurementSet that is open, and what of it is asked for. As a context it is closed in the end."""

    def __init__(self, path: Path, asked: Asked) -> None:
        """Open the set and look into it. Raises InputError and UsageError, as `fip run` says them."""
        self.path, self.asked = path, asked
        self._reading = _Reading()
        self._ended = weakref.finalize(self, self._reading.end)
        try:
            self.facts: RunFacts = self._reading.call(look, path, asked)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<{self.path}: {len(self.slices)} slices>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process that reads; who asks for a slice afterwards starts another."""
        self._reading.end()

    @property
    def slices(self) -> Slices:
        """Its slices, as the workers of `fip run` are given them."""
        return Slices(len(self.facts.times), self._slice)

    @property
    def notes(self) -> tuple[str, ...]:
        """What `fip run` says of it: columns, grid, what is doubtful."""
        return self.facts.notes

    def _slice(self, index: int) -> Slice:
        found = self._reading.call(cut, self.path, self.asked, None, self.facts.run, index)
        return decode_slice(found.frames)


@with_options(OF_SLICES)
def open(  # noqa: A001 it is fip.open
    measurement_set: str | os.PathLike[str], *, config: str | os.PathLike[str] | None = None, **options: object
) -> OpenedSet:
    """Open a MeasurementSet: its `slices` are what `fip run` with the same options sends to its workers.

    The options are those of `fip run`, by the same names, as text or as values: size=1024 or size="1024x768",
    scale="1.2arcsec" or in rad; what is left out is as in the file `config`, the environment, and the defaults. Raises
    UsageError, ConfigError or InputError, in the words of `fip run`.
    """
    loaded = settled(settings_of(options, BY).load(None if config is None else Path(config)).config)
    for name in options:
        if name in OF_A_RUN.keys() - OF_SLICES.keys():
            raise UsageError(f"{BY}: {name} is of a run: give it to fip.run")
    return OpenedSet(Path(measurement_set), loaded.asked)
