"""DIR/transients as a search leaves it beside `store_run`'s images: tables, and a folder for each event."""

import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.table import QTable
from PIL import Image

from fip.archive.tables import JY_PER_BEAM
from fip.data.quantities import iso_utc
from support.stored_run import CADENCE, NOISE, ON, RUN, START, TRANSIENT

FLARE = f"{RUN[:8]}-I-000004-0"
FAINTER = f"{RUN[:8]}-I-000002-1"
INJECTED = f"{RUN[:8]}-I-000009-2"
LINE = "1 event, 0.4 false expected, 1 negative, 2 of 3 injected found, 1 labelled"
ANOTHER = "ffeeddccbbaa99887766554433221100"  # a run of the same directory

_UNITS = {
    "ra": units.deg, "dec": units.deg, "ra_err": units.deg, "dec_err": units.deg, "flux": JY_PER_BEAM,
    "x": units.pix, "y": units.pix, "area": units.deg**2,
}  # fmt: skip


def event(identity: str, labels: str, slices: tuple[int, int], place: tuple[int, int], **others: Any) -> dict[str, Any]:
    """Return a row of events.ecsv."""
    first, last = slices
    return {
        "id": identity, "kind": "transient", "labels": labels, "ra": 155.0, "dec": -45.0, "ra_err": 1e-4,
        "dec_err": 1e-4, "begin": iso_utc(START + first * CADENCE), "end": iso_utc(START + (last + 1) * CADENCE),
        "first": first, "last": last, "width": last - first + 1, "average": 1, "snr": 86.6,
        "threshold": 6.37, "flux": 0.05,
        "sign": -1 if "negative" in labels else 1, "stokes": "I", "field": "", "run": RUN, "x": float(place[0]),
        "y": float(place[1]), "opened": first, "peaks": 1, "closed": True,
    } | others  # fmt: skip


EVENTS = (
    event(FAINTER, "negative edge", (2, 2), (3, 150), snr=6.9, flux=-7e-3),
    event(FLARE, "", (ON[0], ON[1] - 1), TRANSIENT),
    event(INJECTED, "injection", (9, 9), (80, 80), snr=8.1),
)


def rate(hour: int, **others: Any) -> dict[str, Any]:
    """Return a row of rates.ecsv."""
    return {
        "hour": iso_utc(START + 3600 * hour), "run": RUN, "field": "", "stokes": "I", "average": 1, "slices": 6,
        "area": 0.01,
        "threshold": 6.37, "predicted": 0.2, "events": 1, "threshold_candidates": 5.25, "predicted_candidates": 20.0,
        "candidates": 21, "low": 13.0, "high": 32.1, "negative": 11,
    } | others  # fmt: skip


def write_found(
    directory: Path, events: Sequence[dict[str, Any]] = EVENTS, injected: bool = True, folders: bool = True
) -> None:
    """Write the tables and, of the events of this run, their folders; `injected`: with the columns of injections."""
    folder = directory / "transients"
    folder.mkdir(exist_ok=True)
    more = [{"injected": count, "injected_found": found} if injected else {} for count, found in ((1, 1), (2, 1))]
    means = rate(0, average=32, slices=1, predicted=0.0, events=0, candidates=0, negative=0, predicted_candidates=0.0)
    rates = [rate(hour) | each for hour, each in enumerate(more)]
    rates.append(means | ({"injected": 0, "injected_found": 0} if injected else {}))
    for name, rows in (("events.ecsv", events), ("rates.ecsv", rates)):
        part = folder / f"{name}.part"
        _table(rows).write(part, format="ascii.ecsv", overwrite=True)
        part.replace(folder / name)
    for each in events if folders else ():
        _folder(folder / each["id"], each)


def _table(rows: Sequence[dict[str, Any]]) -> QTable:
    table = QTable()
    for name in rows[0] if rows else event("", "", (0, 0), (0, 0)):
        values = np.array([row[name] for row in rows], None if rows else float)
        table[name] = values * _UNITS[name] if name in _UNITS else values
    return table


def _folder(folder: Path, row: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    slices = range(12)
    on = [row["first"] <= index <= row["last"] for index in slices]
    rng = np.random.default_rng(1)
    light = QTable({"time": [iso_utc(START + (index + 0.5) * CADENCE) for index in slices]})
    light["mjd"] = (START + (np.arange(12) + 0.5) * CADENCE) / 86400 * units.day
    light["slice"], light["on"] = list(slices), on
    light["flux_I"] = (row["flux"] * np.array(on) + rng.normal(0, NOISE, 12)) * JY_PER_BEAM
    light["error_I"] = np.full(12, NOISE) * JY_PER_BEAM
    light["quality"] = ["good" if index % 5 else "high noise" for index in slices]
    light.write(folder / "light.ecsv", format="ascii.ecsv", overwrite=True)
    (folder / "event.json").write_text(json.dumps({"id": row["id"], "image_snr": row["snr"]}))
    fits.writeto(folder / "cutout.fits", np.zeros((3, 9, 9), np.float32), overwrite=True)
    picture = BytesIO()
    Image.new("RGB", (240, 120), "#204060").save(picture, "PNG")
    (folder / "event.png").write_bytes(picture.getvalue())
