"""Whether a directory's images are of the data that are there now: stored slices are cut again, and compared."""

from collections.abc import Callable
from pathlib import Path

from fip.archive.ledger import Ledger
from fip.data.errors import UsageError
from fip.data.fingerprints import Comparison, compare, to_compare
from fip.data.settings import Asked
from fip.sink.store import Store
from fip.source.child import Child
from fip.source.requests import RunFacts, fingerprint


def compare_run(ledger: Ledger, path: Path, asked: Asked, found: RunFacts, reader: Child, whole: bool) -> Comparison:
    """Compares what is stored of a run with its MeasurementSet: all of it with `whole`, else what is worth it."""

    indices = to_compare(found.run, ledger.stored(found.run), grows=not (whole or found.final))
    return compare(
        ledger.fingerprints(found.run),
        indices,
        lambda index: reader.call(fingerprint, path, asked, not found.final, found.run, index),
    )


def check_data(
    store: Store, path: Path, asked: Asked, found: RunFacts, reader: Child, say: Callable[[str], None]
) -> None:
    """Sees that a run goes on with the data that it began with; looks into them only if their files have changed.

    UsageError where stored slices differ, or are of another column.
    """
    ledger, ids = store.ledger, [each for each in (found.run, found.older) if each]
    if mixture := store.mixture(found.name, ids, found.others):
        raise UsageError(mixture)
    if not ledger.stored(found.run) or ledger.hints(found.run) == found.hints:
        return
    say("its files were written since: what is stored is compared with the data")
    compared = compare_run(ledger, path, asked, found, reader, whole=False)
    if compared.unlike:
        raise UsageError(compared.refusal(str(store.directory), found.name))
    for note in compared.notes:
        say(note)
    ledger.set_hints(found.run, found.hints)
