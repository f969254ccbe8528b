"""What was asked of a run, as FIP wrote it at 0c91216: directories, queues and ids of that time go on."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fip.data.directions import Body
from fip.data.settings import TABLES, Asked, Imaging, asked_adapter, selected, texts

KNOWN = frozenset(
    f"{table}.{name}"
    for table, names in {
        "imaging": "size scale stokes weight robust taper epsilon kernel channels_out make_psf phase_centre",
        "source": "column subtract_model field spw scan antenna uv_range interval time_range average",
    }.items()
    for name in names.split()
)
"""The options that there were."""


def asked_at_0c91216(written: Mapping[str, Any]) -> Asked:
    """Return what is asked by the JSON object that a ledger, or a job in the queue, held at that time."""
    values = {name: value for name, value in written.items() if name != "subset"}
    values["weight"] = values.pop("weighting")
    values |= {name: value or None for name, value in written["subset"].items()}
    tables = {table: {name: values[name] for name in values if f"{table}.{name}" in KNOWN} for table in TABLES}
    return asked_adapter().validate_python(tables)


def facts_of_0c91216(asked: Asked, made: Imaging, pseudo: bool) -> dict[str, Any] | None:
    """Return what a run's id was made of beside the data; None if an option is set that did not exist then.

    `made` has the planes as they are made, `pseudo` is whether one hand may stand for both.
    """
    if not texts(asked).keys() <= KNOWN:
        return None
    centre = asked.imaging.phase_centre
    if isinstance(centre, Body):
        return None
    return {
        "selection": selected(asked.source),
        "phase_centre": centre and asdict(centre),
        "settings": {
            "stokes": made.stokes,
            "epsilon": made.epsilon,
            "kernel": made.kernel,
            "weighting": made.weight,
            "robust": made.robust or 0.0,
            "taper": made.taper,
            "make_psf": made.make_psf is True,
            "pseudo": pseudo,
        },
    }
