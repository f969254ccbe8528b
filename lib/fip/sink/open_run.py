"""A run that images are stored of."""

from dataclasses import dataclass, field

from fip.data.fingerprints import Comparing
from fip.sink.store import Store
from fip.wire.messages import RunPlan, RunStored


@dataclass
class OpenRun:
    """A run under way, and what is stored of it."""

    plan: RunPlan
    store: Store | None  # None if the run is refused, or goes on under another id
    said: RunStored  # what the ventilator is told of it
    comparing: Comparing | None = None  # what is stored, with the data as they are now, before the run goes on
    followers: set[str] = field(default_factory=set)  # those that the ledger knows of
