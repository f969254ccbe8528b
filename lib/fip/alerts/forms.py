"""The forms in which an alert is written, by the names that they have on the command line and in the configuration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fip.alerts.circular import as_text
from fip.alerts.gcn import as_json
from fip.alerts.tables import as_ecsv, as_votable
from fip.alerts.voevent import as_xml
from fip.alerts.words import Alert


@dataclass(frozen=True, slots=True)
class Form:
    """How an alert is written."""

    content_type: str  # as HTTP has it
    write: Callable[[Alert], bytes]


FORMS: Mapping[str, Form] = {
    "gcn": Form("application/json", as_json),
    "voevent": Form("application/xml", as_xml),
    "votable": Form("application/x-votable+xml", as_votable),
    "ecsv": Form("text/plain; charset=utf-8", as_ecsv),
    "text": Form("text/plain; charset=utf-8", as_text),
}
