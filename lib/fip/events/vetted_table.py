"""The table of what people said of events, DIR/transients/labels.ecsv."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from astropy import units
from astropy.table import QTable

from fip.data.quantities import iso_utc
from fip.data.vetting import NONE
from fip.events.tables import as_ecsv

if TYPE_CHECKING:
    from fip.events.vetting import Entered


def vetted_table(verdicts: "Sequence[Entered]") -> str:
    """ECSV: a row for each verdict, oldest first; `counts` is true of the last one of an event, if it says anything."""
    last = {each.event: each for each in verdicts}
    table = QTable()
    table["event"] = np.array([each.event for each in verdicts], str)
    table["label"] = np.array([each.verdict.label for each in verdicts], str)
    table["user"] = np.array([each.verdict.user for each in verdicts], str)
    table["time"] = np.array([iso_utc(each.verdict.time) for each in verdicts], str)
    counts = [each is last[each.event] and each.verdict.label != NONE for each in verdicts]
    table["counts"] = np.array(counts, bool)
    table["kind"] = np.array([each.kind for each in verdicts], str)
    table["run"] = np.array([each.run for each in verdicts], str)
    for name in ("ra", "dec", "error", "beam"):
        table[name] = np.array([getattr(each, name) for each in verdicts], float) * units.deg
    table.meta["label"] = f"what the user says of the event; {NONE}: what was said before is taken back"
    table.meta["counts"] = "whether it is the last of its event, and was not taken back"
    table.meta["ra, dec, error"] = "ICRS, of the event when it was said; standard deviation of the place by noise"
    return as_ecsv(table)
