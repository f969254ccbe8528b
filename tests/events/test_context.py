"""The context of an event: how often noise makes one like it, its possible places, what was there before and after."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from fip.archive.lightcurve import stored_entries
from fip.data.directions import Frame
from fip.data.values import Grid
from fip.events.context import ellipse_of, false_alarm_rate
from fip.events.folder import write_event
from fip.events.words import Found, Series, Thresholds
from fip.fits.sky import wcs_of
from fip.search.theory import threshold
from fip.search.words import Budget, Event, Matrix, Peak, Searched
from support.measured_run import BANDS, CADENCE, GRID, ON, SIGMA, START, WIDTH, flare_found, store_flare


def found_at(
    x: float, y: float, snr: float = 20.0, grid: Grid = GRID, curvature: Matrix = ((0.2, 0.0), (0.0, 0.2))
) -> Found:
    searched = Searched(grid.width, grid.height, curvature, ((0.05, 0.0), (0.0, 0.05)), CADENCE)
    series = Series("89aabbcc", "flare", "", "I", 0, 1, grid, grid.width * grid.height, searched, Thresholds(6.5, 5.0))
    peak = Peak(x, y, 12, 4, snr, 1, 1.0, (12, 15))
    return Found(series, Event(3, peak, 12, 15, 12, 15, 4), START + 12 * CADENCE, START + 16 * CADENCE)


def test_at_the_threshold_noise_makes_what_was_asked_for() -> None:
    """The brighter an event is, the rarer are those of noise; for very bright ones the rate is 0."""
    budget = Budget(1, 7 * 86400)
    found = found_at(40, 40)
    at = threshold(budget, [found.series.searched], [found.series.area])
    rates = [false_alarm_rate(found_at(40, 40, snr)) for snr in (at, at + 1, 1000.0)]
    assert rates[0] == pytest.approx(1 / (7 * 86400), rel=1e-6)
    assert rates[0] > 100 * rates[1] > 0
    assert rates[2] == 0


@pytest.mark.parametrize("frame", ["ICRS", "GALACTIC"])
@pytest.mark.parametrize("place", [(48.0, 48.0), (90.0, 5.0)])
def test_an_ellipse_holds_the_places_that_noise_makes_of_one(frame: Frame, place: tuple[float, float]) -> None:
    """4000 places show it, drawn in pixels and taken to the sky by their header: nearly at the pole of ICRS, too."""
    declination = -45.0 if frame == "GALACTIC" else 88.0
    grid = replace(GRID, frame=frame, scale=math.radians(0.02), latitude=math.radians(declination))
    curvature = ((0.30, 0.12), (0.12, 0.10))
    found = found_at(*place, snr=10.0, grid=grid, curvature=curvature)
    ellipse = ellipse_of(found)
    spread = np.linalg.inv(np.array(curvature)) / 10.0**2
    pixels = np.random.default_rng(1).multivariate_normal(place, spread, 4000)
    name = frame.lower()
    there = SkyCoord(*wcs_of(grid).wcs_pix2world([place], 0)[0], unit="deg", frame=name).icrs
    drawn = SkyCoord(*wcs_of(grid).wcs_pix2world(pixels, 0).T, unit="deg", frame=name).icrs
    apart, angle = there.separation(drawn).rad, there.position_angle(drawn).rad - ellipse.angle
    along, across = apart * np.cos(angle), apart * np.sin(angle)
    assert np.std(along) == pytest.approx(ellipse.major, rel=0.05)
    assert np.std(across) == pytest.approx(ellipse.minor, rel=0.05)
    assert abs(np.corrcoef(along, across)[0, 1]) < 0.05
    assert ellipse.major > 1.5 * ellipse.minor


def test_what_was_there_before_and_after_is_told_apart(tmp_path: Path) -> None:
    """A source that stays after the event is seen after it, and not before; with band, telescope and times."""
    count = 30
    store_flare(tmp_path, count, range(ON[0], count), SIGMA, stokes=("I",))
    folder = tmp_path / "transients" / write_event(tmp_path, flare_found(tmp_path), stored_entries(tmp_path)).found.id
    told = json.loads((folder / "event.json").read_text())
    before, after = told["flux_before"], told["flux_after"]
    assert (before["images"], after["images"]) == (ON[0], count - ON[-1] - 1)
    assert before["value"] == pytest.approx(0.0, abs=4 * before["error"])
    assert after["value"] == pytest.approx(1.0, abs=4 * after["error"])
    assert before["each"] == pytest.approx(SIGMA, rel=0.2)
    assert (before["begin"], before["end"], after["begin"]) == (told["window_begin"], told["begin"], told["end"])
    assert told["band"] == [BANDS[0] - WIDTH / 2, BANDS[-1] + WIDTH / 2]
    assert told["telescope"] == "MeerKAT"
    assert told["far"] > 0


def test_what_is_always_there_is_no_part_of_what_was_before(tmp_path: Path) -> None:
    """This holds if the search took it off."""
    store_flare(tmp_path, 20, range(20), SIGMA, stokes=("I",))
    found = flare_found(tmp_path, "running")
    measured = write_event(tmp_path, found, stored_entries(tmp_path))
    told = json.loads((tmp_path / "transients" / measured.found.id / "event.json").read_text())
    for side in (told["flux_before"], told["flux_after"]):
        assert side["value"] == pytest.approx(0.0, abs=4 * side["error"])
    assert told["steady"]["value"] == pytest.approx(1.0, abs=0.2)
