"""`fip events DIR...`: events of several nights joined by place, and nights that looked for a source in vain."""

import json
import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from astropy.coordinates import FK5, SkyCoord
from astropy.table import Table

from fip.events.listing import as_lines, listed
from fip.fits.sky import wcs_of
from support.fip_command import fip
from support.stored_run import GRID, NOISE, RUN, store_run

FAR = replace(GRID, longitude=math.radians(160.0))
BEAM = 8.0  # arcsec
HOURS = 12 * 2 / 3600  # of 12 images of 2 s
U = 6.0


def night(directory: Path, *events: dict[str, Any], run: str = RUN, grid: Any = GRID, **stored: Any) -> Path:
    """A directory of 12 images that was searched, and these were found in it."""
    store_run(directory, field="" if run == RUN else run, grid=grid, **stored)
    rows = [{
        "id": f"{directory.name}-{number}", "kind": "transient", "labels": "", "begin": "2020-01-01T00:00:00",
        "end": "2020-01-01T00:00:02", "stokes": "I", "ra": 0.0, "dec": 0.0, "ra_err": 1e-5, "dec_err": 1e-5, "first": 3,
        "last": 3, "snr": 9.0, "flux": 0.1, "field": "", "run": RUN, **event,
    } for number, event in enumerate(events)]  # fmt: skip
    (directory / "transients").mkdir()
    names = ["id", "kind", "labels", "begin", "end", "stokes", "ra", "dec", "ra_err", "dec_err", "first", "last", "snr",
             "flux", "field", "run"]  # fmt: skip
    table = Table({name: [row[name] for row in rows] for name in names})
    table.write(directory / "transients" / "events.ecsv", format="ascii.ecsv")
    hours = Table({"run": [run, run], "field": ["", ""], "stokes": ["I", "I"], "slices": [5, 7], "threshold": [U, U]})
    if run != RUN:
        hours["field"] = [run, run]
    hours.write(directory / "transients" / "rates.ecsv", format="ascii.ecsv")
    return directory


def place(x: float, y: float, arcsec: float = 0.0) -> dict[str, float]:
    """The direction of a pixel, and so far north of it."""
    ra, dec = (float(each) for each in wcs_of(GRID).wcs_pix2world(x, y, 0))
    there = SkyCoord(ra, dec, unit="deg", frame=FK5(equinox="J2000")).icrs
    return {"ra": float(there.ra.deg), "dec": float(there.dec.deg) + arcsec / 3600}


def test_events_of_one_place_are_one_source_and_others_are_not(tmp_path: Path) -> None:
    one = night(tmp_path / "one", place(40, 60), place(100, 60) | {"snr": 20.0})
    other = night(tmp_path / "other", place(40, 60, 1.1 * BEAM), place(100, 60, -1.4 * BEAM))
    found = {event["id"]: event for event in listed([one, other])}
    assert found["one-0"]["source"] == found["other-0"]["source"]
    assert found["one-0"]["source_events"] == ["one-0", "other-0"]
    assert len({event["source"] for event in found.values()}) == 3
    assert found["one-0"]["not_found"] == []
    assert found["one-0"]["searched_slices"] == 24
    assert found["one-0"]["searched_hours"] == pytest.approx(2 * HOURS)


def test_what_is_known_less_well_may_be_farther_away(tmp_path: Path) -> None:
    one = night(tmp_path / "one", place(40, 60) | {"dec_err": 2 / 3600})
    other = night(tmp_path / "other", place(40, 60, 1.9 * BEAM))
    assert len({event["source"] for event in listed([one, other])}) == 1


def test_where_it_was_not_found_it_was_fainter_than_a_limit(tmp_path: Path) -> None:
    found = night(tmp_path / "found", place(60, 100))
    missed = night(tmp_path / "missed")
    elsewhere = night(tmp_path / "elsewhere", grid=FAR)
    (event,) = listed([found, missed, elsewhere])
    (limit,) = event["not_found"]
    assert (limit["directory"], limit["slices"], limit["stokes"]) == (str(missed), 12, "I")
    assert limit["limit"] == pytest.approx(U * NOISE, rel=0.1)
    assert event["searched_slices"] == 24  # elsewhere it is outside of the images
    lines = as_lines([event])
    assert lines[1] == f"{event['source']}: 1 event (found-0), looked for in 24 slices, {2 * HOURS:.3g} hours"
    assert lines[2].startswith(f"  not in {missed}, Stokes I: 12 slices, {HOURS:.3g} hours, below 0.00")


def test_labelled_and_moving_events(tmp_path: Path) -> None:
    """What something speaks against is shown with --all alone; what moves is no source of a place."""
    one = night(tmp_path / "one", place(40, 60) | {"labels": "sidelobe"}, place(80, 60) | {"kind": "moving"})
    other = night(tmp_path / "other", place(80, 60))
    events = listed([one, other])
    assert len({event["source"] for event in events}) == 3
    assert sum("looked for" in line for line in as_lines(events)) == 2
    assert sum("looked for" in line for line in as_lines(events, True)) == 3


def test_events_of_data_with_sources_added_are_never_told_as_real(tmp_path: Path) -> None:
    one = night(tmp_path / "one", place(40, 60), place(60, 60) | {"labels": "sidelobe"})
    with closing(sqlite3.connect(one / "fip.sqlite")) as database:
        database.execute(f"INSERT INTO numbers VALUES ('{RUN}', 0, 'injected', 1.0, '')")
        database.commit()
    assert [event["labels"] for event in listed([one])] == [["injection"], ["sidelobe", "injection"]]
    assert as_lines(listed([one]))[0] == "no event"


def test_the_command_joins_and_one_directory_is_as_ever(tmp_path: Path) -> None:
    one, other = night(tmp_path / "one", place(40, 60)), night(tmp_path / "other", run="B")
    told = fip("events", one, other)
    assert told.returncode == 0, told.stderr
    assert f"  not in {other}, B, Stokes I: 12 slices" in told.stdout
    (event,) = json.loads(fip("events", one, "--json").stdout)
    assert "source" not in event
    assert event["directory"] == str(one)
