"""The light curve of a place that is watched, as a file."""

import math
from pathlib import Path

import numpy as np
from astropy.table import QTable

from fip.archive.lightcurve import Named, Offset
from fip.data.directions import parse_direction
from fip.events.watching import Watched, pixels_of, write_watched
from support.stored_run import GRID


def test_it_is_written_whole_and_in_order_of_time(tmp_path: Path) -> None:
    star = Named("a-star", parse_direction("J2000 155deg -45deg"))
    rows = [
        Watched(
            5.1e9 + 8 * index, "run", index, (1.0 * index, math.nan), (0.1, math.nan), (7.0, 0.0) if index == 1 else ()
        )
        for index in (2, 0, 1)
    ]
    path = write_watched(tmp_path, star, ("I", "V"), rows)
    assert path == tmp_path / "transients" / "watch" / "a-star.ecsv"
    first = path.read_bytes()
    table = QTable.read(path)
    assert list(table["slice"]) == [0, 1, 2]
    assert list(table["flux_I"].to_value("Jy/beam")) == [0.0, 1.0, 2.0]
    assert np.isnan(table["flux_V"]).all()
    assert list(np.nan_to_num(table["changed_I"])) == [0, 7, 0]
    assert table.meta["position"] == "J2000 10h20m00.000s -45d00m00.00s"
    write_watched(tmp_path, star, ("I", "V"), rows)
    assert path.read_bytes() == first
    assert [each.name for each in path.parent.iterdir()] == ["a-star.ecsv"]


def test_places_are_where_the_grid_has_them() -> None:
    """NaN of one that it does not show."""
    middle, away = Named("m", Offset(0.0, GRID.scale)), Named("away", parse_direction("ICRS 10deg 10deg"))
    found = pixels_of(GRID, [middle, away])
    assert tuple(found[0]) == (80.0, 81.0)
    assert np.isnan(found[1]).all()
