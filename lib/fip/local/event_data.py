"""`fip event DIR ID --ms OUT.ms`: the visibilities of the time of an event, as a MeasurementSet of their own.

It is made beside, and appears under its name when it is whole and on disk.
"""

import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from fip.archive.ledger import Ledger
from fip.data.errors import UsageError
from fip.data.fingerprints import compare
from fip.data.options import options
from fip.data.ranges import contains
from fip.data.settings import TABLES, Asked, texts, without_extras
from fip.events.raw import RAW
from fip.events.words import FOLDER
from fip.local.comparing import as_stored, listed
from fip.local.written import as_found
from fip.source.child import Child
from fip.source.copying import Part, copy_rows, part_of
from fip.source.requests import RunFacts, fingerprint
from fip.source.spooled.export import export
from fip.spool.layout import is_spool

LEAST_MARGIN = 10  # slices before and after an event, at least; else as many as the event lasts
_DONE = ("field", "scan", "interval", "time_range")  # options that leave out what is not in the copy

Say = Callable[[str], None]


def copy_event_data(directory: Path, event: Mapping[str, Any], output: Path, margin: int | None, say: Say) -> None:
    """Copy the rows of the slices of an event, as `fip events --json` has it, with `margin` slices before and after.

    Say what was copied, and by which command its images are made again. UsageError if the name is taken, if the set is
    gone or another one now, or if its data were changed; StoreError if the ledger cannot be read.
    """
    _check_place(output)
    if margin is None:
        margin = max(LEAST_MARGIN, event["last"] + 1 - event["first"])
    with closing(Ledger(directory, read_only=True)) as ledger, Child.fork() as reader:
        run = next((each for each in ledger.runs() if each.run == event["run"]), None)
        if run is None:
            raise UsageError(f"{directory} has no run {event['run']} any more, of which {event['id']} is")
        asked, path = ledger.asked() or Asked(), Path(run.measurement_set)
        if is_spool(path):
            _export(directory / FOLDER / event["id"] / RAW, event["id"], path, output, say)
            return
        found = as_stored(reader, directory, path, asked, run.run)
        writing, held = as_found(directory, path, found)
        first, end = event["first"] - margin, event["last"] + 1 + margin
        part = reader.call(part_of, path, asked, writing, run.run, event["field"], first, end, held)
        _check_data(ledger, directory, path, asked, found, part, reader)
        _check_room(path, output, part.share)
        _copy(reader, path, part, output)
    say(f"{output}: {part.rows.size} rows of {path}, slices {part.slices[0]} to {part.slices[-1]} of run {run.name}")
    say(f"the same images: {_command(output, asked, part)}")


def _export(aside: Path, event: str, spool: Path, output: Path, say: Say) -> None:
    """Export, for a stream, what was set aside when the event was reported; it has a margin of its own."""
    if not is_spool(aside):
        raise UsageError(
            f"{spool}: a spool, of which nothing was set aside for {event}; `fip spool export {spool} --ms {output}` "
            "writes what it still has"
        )
    written, _ = export(aside, output, lambda *_: None)
    say(f"{output}: {written} integrations of {aside}")


def _check_place(output: Path) -> None:
    if not output.name:
        raise UsageError(f"--ms {output}: not a name for a MeasurementSet; OUT.ms would do")
    if output.exists() or output.is_symlink():
        raise UsageError(f"--ms {output}: exists; nothing is overwritten: choose another name")
    if not output.parent.is_dir():
        raise UsageError(f"--ms {output}: the folder {output.parent} does not exist")


def _check_data(
    ledger: Ledger, directory: Path, path: Path, asked: Asked, found: RunFacts, part: Part, reader: Child
) -> None:
    """Raise UsageError if the data of these slices are other ones now than those that were imaged."""
    stored = ledger.stored(found.run)
    writing, held = as_found(directory, path, found)
    compared = compare(
        ledger.data.fingerprints(found.run),
        [index for index in part.slices if contains(stored, index)],
        lambda index: reader.call(fingerprint, path, asked, writing, found.run, index, held),
    )
    if compared.unlike:
        raise UsageError(
            f"{path}: the data of {len(compared.unlike)} slices were changed since they were imaged: "
            f"{listed(compared.unlike)}; `fip verify --data` tells all"
        )


def _check_room(path: Path, output: Path, share: float) -> None:
    """Raise UsageError if the disk has no room; subtables are copied as a whole."""
    sizes = {each: each.stat().st_size for each in path.rglob("*") if each.is_file()}
    main = sum(size for each, size in sizes.items() if each.parent == path)
    needed, free = share * main + sum(sizes.values()) - main, shutil.disk_usage(output.parent).free
    if needed > free:
        raise UsageError(f"--ms {output}: needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free there")


def _copy(reader: Child, path: Path, part: Part, output: Path) -> None:
    partial = output.with_name(f"{output.name}.partial")
    if partial.exists() or partial.is_symlink():
        if partial.is_symlink() or not (partial / "table.dat").is_file():
            raise UsageError(f"--ms {output}: {partial} is in the way: move it")
        shutil.rmtree(partial)  # of one that was killed
    try:
        reader.call(copy_rows, path, part.rows, partial)
        for each in (*partial.rglob("*"), partial):
            _sync(each)
        partial.rename(output)
        _sync(output.parent)
    except OSError as error:
        raise UsageError(f"--ms {output}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _command(output: Path, asked: Asked, part: Part) -> str:
    """Return the command that images the copy as the directory was, with the settings that the whole set decided."""
    names = {
        name: (*option.names, f"--{name.replace('_', '-')}")[0]
        for table in TABLES.values()
        for name, option in options(table).items()
    }
    given = {key.partition(".")[2]: text for key, text in texts(without_extras(asked)).items()}
    told = {**part.settled, **{name: text for name, text in given.items() if name not in _DONE}}
    words = [names[name] + ("" if text == "True" else f" {shlex.quote(text)}") for name, text in told.items()]
    return " ".join(["fip run", shlex.quote(str(output)), *words])
