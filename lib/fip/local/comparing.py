"""Whether a directory's images are of the data that are there now: stored slices are cut again, and compared."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from fip.archive.ledger import Ledger
from fip.data.arriving import Writing
from fip.data.errors import InputError, LostReaderError, UsageError
from fip.data.fingerprints import Comparison, compare, to_compare
from fip.data.names import RunId
from fip.data.needs import another
from fip.data.ranges import of as ranges_of
from fip.data.settings import Asked
from fip.local.written import as_found, as_written
from fip.sink.mixing import mixture, otherwise_corrected
from fip.sink.store import Store
from fip.source.child import Child
from fip.source.requests import Held, RunFacts, fingerprint, look

MOST_LISTED = 12  # stretches of slices that differ


def compare_run(
    ledger: Ledger, directory: Path, path: Path, asked: Asked, found: RunFacts, reader: Child, whole: bool
) -> Comparison:
    """Compare what is stored of a run with its MeasurementSet, all of it or, of one that grows, not the `whole`."""
    indices = to_compare(found.run, ledger.stored(found.run), grows=not (whole or found.final))
    writing, held = as_found(directory, path, found)
    return compare(
        ledger.data.fingerprints(found.run),
        indices,
        lambda index: reader.call(fingerprint, path, asked, writing, found.run, index, held),
    )


def check_data(
    store: Store, path: Path, asked: Asked, found: RunFacts, reader: Child, say: Callable[[str], None]
) -> None:
    """Check that a run goes on with the data that it began with; look into them only if their files have changed.

    UsageError if stored slices differ, are of another column, or were corrected otherwise.
    """
    ledger, ids = store.ledger, [each for each in (found.run, found.older) if each]
    if mixed := mixture(store.directory, ledger, found.name, ids, found.others):
        raise UsageError(mixed)
    if other := otherwise_corrected(store.directory, ledger, str(path), asked, found.hints, ids):
        raise UsageError(other)
    if not ledger.stored(found.run) or ledger.data.hints(found.run) == found.hints:
        return
    say("its files were written since: what is stored is compared with the data")
    compared = compare_run(ledger, store.directory, path, asked, found, reader, whole=False)
    if compared.unlike:
        raise UsageError(compared.refusal(str(store.directory), found.name))
    for note in compared.notes:
        say(note)
    ledger.data.set_hints(found.run, found.hints)


def compare_all(directory: Path, say: Callable[[str], None]) -> bool:
    """Compare every stored slice of a directory with its data, run by run; return whether none differs.

    Say the result for each run. Data that can no longer be read are named, and do not count as different. Raises
    StoreError.
    """
    same = True
    with closing(Ledger(directory, read_only=True)) as ledger, Child.fork() as reader:
        asked = ledger.asked()
        for run in ledger.runs():
            path = Path(run.measurement_set)
            try:
                found = as_stored(reader, directory, path, asked or Asked(), run.run)
                compared = compare_run(ledger, directory, path, asked or Asked(), found, reader, whole=True)
            except InputError as error:
                say(f"{run.name}: its slices cannot be compared: {error}")
                if isinstance(error, LostReaderError):
                    break
                continue
            for note in compared.notes:
                say(f"{run.name}: {note}")
            if compared.unlike:
                same = False
                say(f"{run.name}: the data of {len(compared.unlike)} slices were changed: {listed(compared.unlike)}")
    return same


def as_stored(reader: Child, directory: Path, path: Path, asked: Asked, run: RunId) -> RunFacts:
    """Return what is known of a directory's run; its set was whole at first or is being written. InputError if gone."""
    ways: tuple[tuple[Writing | None, Held | None], ...] = ((None, None), as_written(directory, path))
    errors: list[UsageError] = []
    for writing, held in ways:
        follow = writing is not None
        try:
            found = reader.call(look, path, asked, writing, follow, follow, 0, held)
        except LostReaderError:
            raise
        except UsageError as error:  # what is not over can only be followed
            errors.append(error)
            continue
        if run in (found.run, found.older):
            return replace(found, run=run)
    if len(errors) == len(ways):
        raise errors[0]
    raise InputError(another(path, asked.source, "when it was imaged"))


def listed(indices: Sequence[int]) -> str:
    """Return numbers as "3~7, 9", the end included; only the first few."""
    told = [f"{begin}~{end - 1}" if end - begin > 1 else f"{begin}" for begin, end in ranges_of(indices)]
    return ", ".join([*told[:MOST_LISTED], *(["..."] if len(told) > MOST_LISTED else [])])
