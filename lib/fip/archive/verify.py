"""Whether the files of a directory are those that its ledger has: each there, as long as it was, and of its slice."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import xxhash

from fip.archive.entries import Listed
from fip.archive.file_names import LEDGER
from fip.archive.folder import Folder
from fip.archive.ledger import Ledger
from fip.data.errors import UsageError
from fip.data.names import RunId
from fip.fits.identity import HEADER_READ, Identity, cards_of, identity_of

_IMAGE = re.compile(r"(?P<stem>.+)-t(?P<integration>[0-9]{6,})-(?P<kind>dirty|psf)\.fits")


@dataclass(frozen=True)
class Fault:
    """A file that is not as the ledger has it."""

    name: str
    what: str  # as "is missing"
    run: RunId  # to which its image should belong
    index: int | None  # of the slice in that run; None if the ledger has no such image
    there: bool = True  # whether the name is taken

    def __str__(self) -> str:
        return f"{self.name} {self.what}"


def verify(directory: Path, digests: bool = False, say: Callable[[str], None] = print) -> int:
    """Name each file that is missing, cut or foreign; return the exit code, 0 if all is there. Raises FipError."""
    if not (directory / LEDGER).exists():
        raise UsageError(f"{directory} is not a directory of images, as `fip run` leaves it: there is no {LEDGER}")
    with closing(Ledger(directory, read_only=True)) as ledger:
        try:
            folder = Folder(directory, make=False)
        except OSError as error:
            raise UsageError(f"{directory} cannot be read: {error.strerror}") from None
        with closing(folder):
            found = faults(folder, ledger, digests)
        number = sum(1 for _ in ledger.listed())
    for each in found:
        say(str(each))
    if found:
        say(f"{amount(len(found))} not as stored; `fip run` with --repair images them again")
        return 1
    how = "with the content that was stored" if digests else "of the size that was stored; --digests reads all of them"
    say(f"{amount(number)} there, {how}")
    return 0


def amount(number: int) -> str:
    """Return a number of files in words, as "1 file is"."""
    return f"{number} file is" if number == 1 else f"{number} files are"


def faults(folder: Folder, ledger: Ledger, digests: bool = False) -> list[Fault]:
    """The files of stored images that are missing, of another size, or another's, and others of a slice's name.

    A header is read of each, or with `digests` all of it. Other files are nobody's business. While a run is under way,
    what comes and goes meanwhile is not taken for a fault.
    """
    listed = list(ledger.listed())
    there = set(folder.names())
    found = [
        Fault(each.name, what, each.run, each.index, each.name in there)
        for each in listed
        if (what := _wrong(folder, each, digests))
    ]
    names = {each.name for each in listed}
    found += _strangers(folder, there - names, {run.name: run.run for run in ledger.runs()})
    if found:
        now = {each.name for each in ledger.listed()}
        found = [each for each in found if (each.name in names) == (each.name in now)]
    return sorted(found, key=lambda each: each.name)


def _wrong(folder: Folder, listed: Listed, digests: bool) -> str:
    """What is wrong with a file; "" if nothing is."""
    try:
        size = folder.size(listed.name)
        if size != listed.size:
            short = "is cut short" if size < listed.size else "is too long"
            return f"{short}: it has {size} of {listed.size} bytes"
        told = _identity(folder, listed.name)
        same = told is not None and told.matches(listed.identity)
        if (digests or not same) and _digest(folder, listed.name) != listed.digest:
            return "has changed: its content is not what was stored" if same else _foreign(told)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def _strangers(folder: Folder, names: set[str], runs: Mapping[str, RunId]) -> Iterator[Fault]:
    """Yield files that the ledger does not list, named as a slice of its runs, but that are no images of theirs."""
    for name in names:
        match = _IMAGE.fullmatch(name)
        own = sorted((each for each in runs if match and _begins(match["stem"], each)), key=len)
        if not match or not own:
            continue
        try:
            told = _identity(folder, name)
        except OSError:
            told = None
        meant = told and (told.integration, told.kind) == (int(match["integration"]), match["kind"])
        if not told or not meant or told.run not in {runs[each] for each in own}:
            yield Fault(name, _foreign(told), runs[own[-1]], None)


def _begins(stem: str, name: str) -> bool:
    """Whether what a file name begins with is the name of a run, or that and a field's."""
    return stem == name or stem.startswith(f"{name}-")


def _foreign(told: Identity | None) -> str:
    if told is None:
        return "is foreign: it is no image of FIP's"
    return f"is foreign: it is the image ({told.kind}) of integration {told.integration} of run {told.run}"


def _identity(folder: Folder, name: str) -> Identity | None:
    try:
        return identity_of(cards_of(folder.read(name, HEADER_READ)))
    except ValueError:
        return None


def _digest(folder: Folder, name: str) -> str:
    return xxhash.xxh3_64_hexdigest(folder.read(name))
