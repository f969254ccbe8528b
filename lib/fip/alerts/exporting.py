"""Events of directories in the forms of alerts, for whoever sends or reads them by other ways than FIP's own."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fip.alerts.forms import FORMS
from fip.alerts.tables import Row, row_of, rows_as_ecsv, rows_as_votable
from fip.alerts.told import alert_id
from fip.alerts.words import Alert, Tense
from fip.data.errors import UsageError
from fip.data.quantities import MJD_0
from fip.events.describing import with_measured
from fip.events.words import FACTS, FOLDER, INJECTION

TABLES: Mapping[str, Callable[[Iterable[Row]], bytes]] = {"votable": rows_as_votable, "ecsv": rows_as_ecsv}
"""Forms of a table of many events."""


def alert_of(event: Mapping[str, Any]) -> Alert:
    """The first alert of an event as `fip event --json` has it, issued now.

    It is archival: whoever writes it by hand looks at what is stored; or an injection, if the event is one.
    """
    tense: Tense = "injection" if INJECTION in event["labels"] else "archival"
    issued = (datetime.now(UTC) - MJD_0).total_seconds()
    return Alert(alert_id(event["id"], 1, tense), event["id"], "initial", tense, issued, event)


def written(event: Mapping[str, Any], form: str) -> bytes:
    """An event in one of `FORMS`. UsageError if what was measured of it is not as it was written."""
    with _as_fip_wrote_it(event):
        return FORMS[form].write(alert_of(event))


def table_written(events: Iterable[Mapping[str, Any]], form: str) -> bytes:
    """Events of `fip.events.listing.listed`, with what was measured of them, in one of `TABLES`. UsageError as well."""
    rows = []
    for each in events:
        event = with_measured(each)
        with _as_fip_wrote_it(event):
            rows.append(row_of(event))
    return TABLES[form](rows)


@contextmanager
def _as_fip_wrote_it(event: Mapping[str, Any]) -> Iterator[None]:
    """Turn what goes wrong with other facts than FIP's own into one line that names their file."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        path = Path(event["directory"]) / FOLDER / event["id"] / FACTS
        raise UsageError(
            f"{path}: it is not as FIP wrote it ({error}): remove it, and `fip detect` writes it anew"
        ) from None
