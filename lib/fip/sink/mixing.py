"""Why a run may not go into a directory that has images of the same data, made otherwise."""

from collections.abc import Collection, Mapping
from pathlib import Path

from fip.archive.ledger import Ledger
from fip.data.names import RunId
from fip.data.needs import files_of
from fip.data.settings import Asked


def mixture(
    directory: Path, ledger: Ledger, name: str, ids: Collection[RunId], others: Mapping[str, Collection[RunId]]
) -> str:
    """Return why a run cannot go into a directory whose column was chosen automatically; "" if it can.

    `ids` are those of the run; `others` are, by column, those that it would have with other columns. Images of two
    columns must not become one series.
    """
    if any(ledger.stored(run) for run in ids):
        return ""
    column = next((column for column, runs in others.items() if any(map(ledger.stored, runs))), None)
    if column is None:
        return ""
    return (
        f"{directory} holds images of {name} made from its column {column}, and another one would be imaged "
        "now: name another --output, or --overwrite"
    )


def otherwise_corrected(
    directory: Path, ledger: Ledger, path: str, asked: Asked, hints: str, ids: Collection[RunId]
) -> str:
    """Return why a run cannot go into a directory whose corrections are read from files that changed; "" if it can.

    `path` is of its MeasurementSet, whose files look like `hints`: of these the directory has images, and not under
    one of the run's `ids`.
    """
    files = ", ".join(files_of(asked.source))
    if not files or not hints or any(ledger.stored(run) for run in ids):
        return ""
    same = (each.run for each in ledger.runs() if each.measurement_set == path)
    if not any(ledger.data.hints(run) == hints and ledger.stored(run) for run in same):
        return ""
    return (
        f"{directory} holds images of {path} that were corrected by another content of {files}: "
        "name another --output, or --overwrite"
    )
