"""`fip report --night`: one page of several directories, with the right numbers, and nothing in it that runs."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.table import QTable

from fip.data.errors import UsageError
from fip.data.settings import asked
from fip.events.completeness import injections_table, series_key
from fip.events.night import Kind, counts, night_of
from fip.events.night_page import night_html
from fip.events.tables import as_ecsv
from fip.search.survey import most_expected
from fip.sink.store import Store
from fip.wire.messages import RunPlan
from support.browser import browser, keep
from support.fip_command import fip
from support.found_events import EVENTS, FLARE, event, write_found
from support.stored_run import CADENCE, NOISE, RUN, store_run, stored_image

HOSTILE = "<script>alert(2)</script>"
THRESHOLD, AREA = 6.37, 0.01  # of support.found_events


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Two that were searched, and one that was not."""
    one, two, three = (tmp_path_factory.mktemp(name) for name in ("one", "two", "three"))
    store_run(one, count=12, failed=(9,))
    write_found(one, [*EVENTS, event("hostile-0", HOSTILE, (12, 12), (60, 60))])
    store_run(two, count=12)
    write_found(two, [])
    store_run(three, count=4)
    return one, two, three


def test_what_was_searched_is_added_up(nights: tuple[Path, Path, Path]) -> None:
    """Slices of all hours and directories, each with its own noise; sources by the width with which they were found."""
    night = night_of(nights[:2])
    found = night.depths()
    assert set(found) == {Kind("I", 1, CADENCE), Kind("I", 32, 32 * CADENCE)}
    one, two, *_ = found[Kind("I", 1, CADENCE)]
    assert one.epochs == pytest.approx(2 * 12 * AREA)
    assert one.exposure == pytest.approx(2 * 12 * CADENCE / 3600 * AREA)
    assert one.fluxes[0] == pytest.approx(THRESHOLD * NOISE, rel=0.02)
    assert two.fluxes[0] == pytest.approx(THRESHOLD * NOISE / math.sqrt(2), rel=0.02)
    assert (one.found, two.found) == (0, 1)  # the flare was on for three images
    assert two.density == pytest.approx(most_expected(1) / (12 * AREA))
    means = found[Kind("I", 32, 32 * CADENCE)][0]
    assert means.duration == 32 * CADENCE
    assert means.fluxes[0] == pytest.approx(THRESHOLD * NOISE / math.sqrt(32), rel=0.02)
    assert night.hours == pytest.approx((11 + 12) * CADENCE / 3600)
    assert [each["id"] for _, each in night.events] == [FLARE, "00112233-I-000002-1", "hostile-0"]  # none injected


def test_what_somebody_has_called_interference_is_no_event_for_a_limit() -> None:
    """What something speaks against is no event either; a verdict that was taken back is none."""
    for labels, verdict, is_one in (
        ([], None, True), ([], "real", True), ([], "none", True), ([], "rfi", False), (["edge"], "real", False),
    ):  # fmt: skip
        assert counts({"labels": labels, "verdict": verdict and {"label": verdict}}) == is_one


def test_what_the_tables_say_of_a_search_counts(tmp_path: Path) -> None:
    """Flooded slices were not searched; cadence and widest boxcar are those of the search."""
    store_run(tmp_path, count=12)
    write_found(tmp_path, [])
    path = tmp_path / "transients" / "rates.ecsv"
    rates = QTable.read(path)
    rates["flooded"], rates["cadence"], rates["widest"] = 2, np.array(rates["average"]) * 3.0 * units.s, 4
    rates.write(path, overwrite=True)
    night = night_of([tmp_path])
    assert "4 of 12 slices, which count for nothing here" in night_html(night)
    found = night.depths()[Kind("I", 1, 3.0)]
    assert [each.width for each in found] == [1, 2, 4]
    assert found[0].epochs == pytest.approx((12 - 2 * 2) * AREA)
    assert found[2].duration == 12.0


def test_a_page_of_a_night_is_one_file_as_it_was(nights: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """Numbers, events with reasons, limits, noise and checks; in a browser without a request or a word of complaint."""
    done = fip("report", "--night", *nights, "--output", tmp_path / "night.html")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "night.html")
    html = (tmp_path / "night.html").read_text()
    assert "<script" not in html
    assert "&lt;script&gt;alert(2)" in html
    assert not re.search(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!data:)\w", html)
    with browser(tmp_path, 1240, 900, "dark") as (page, errors):
        urls: list[str] = []
        page.on("request", lambda request: urls.append(request.url))
        page.goto((tmp_path / "night.html").as_uri())
        text = " ".join(page.locator("body").inner_text().split())
        for part in (
            "Night of 2020-06-27 18:40 to 18:40 UTC", "directories 3", "Not searched for transients: `fip detect",
            "negative: it became fainter", "Stokes I, images, one in 2 s", "Stokes I, means of 32 slices, one in 64 s",
            "events 1 without labels, 0.8 false expected", "84 of S/N 5.25 and more", "found 4 of 6", "failed slices 1",
            f"< {most_expected(0) / (24 * AREA):.3g}", "No corrections were asked for",
        ):  # fmt: skip
            assert part in text, part
        assert page.locator("#noise svg").count() == 3
        assert page.locator("#searched tbody tr").count() == 5 + 2  # widths up to 16 of 24 images, and 2 of 2 means
        keep(page, "night-dark", tmp_path, whole=True)
        page.emulate_media(color_scheme="light")
        keep(page, "night", tmp_path, whole=True)
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert [url for url in urls if not url.startswith(("file:", "data:"))] == []
        assert errors == []


def test_a_night_without_events_or_search_says_so(nights: tuple[Path, Path, Path]) -> None:
    """It still shows how the noise was."""
    html = night_html(night_of(nights[2:]))
    assert "nothing was searched" in html
    assert "Nothing was searched." in html
    assert html.count("<svg") == 1


def test_gains_places_injections_and_many_events_are_told(tmp_path: Path) -> None:
    """Medians and extremes of what the ledger has; sources by width; a line for each event after the first."""
    store = Store(tmp_path)
    store.open_run(RunPlan(RUN, "night", 3, "/data/night.ms", asked(), ""))
    for index, amplitude in enumerate((0.9, 1.0, 1.25)):
        told = {
            "model.amplitude": (amplitude, ""),
            "model.offset": (0.01 * index, "beam"),
            "noise.expected": (5e-4, ""),
        }
        store.put(replace(stored_image(RUN, index), numbers=told))
    store.close()
    write_found(tmp_path, [event(f"e-{number:03d}", "edge", (1, 2), (9, 9)) for number in range(15)])
    row = {"series": series_key(RUN, "", "I", 1), "x": 1.0, "y": 1.0, "first": 1, "snr": 8.0, "event": None}
    tried = [row | {"width": width, "found": found} for width, found in ((1, True), (5, True), (7, False))]
    (tmp_path / "transients" / "injections.ecsv").write_text(as_ecsv(injections_table(tried)))
    html = night_html(night_of([tmp_path]))
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", html)
    for row_ in (
        ["night", "amplitude, over the model's".replace("'", "&#39;"), "1", "0.9", "1.25", "3"],
        ["night", "sources off the model's, beams".replace("'", "&#39;"), "0.01", "0", "0.02", "3"],
        ["4 to 7", "1 of 2", "50% (1% to 99%)"],
        ["1", "1 of 1", "100% (2% to 100%)"],
    ):
        assert any(cells[at : at + len(row_)] == row_ for at in range(len(cells))), row_
    at = next(at for at, cell in enumerate(cells) if cell.startswith("noise, over"))
    assert float(cells[at + 1]) == pytest.approx(2.0, rel=0.02)
    assert [cell for cell in cells if cell.startswith("e-")] == ["e-012", "e-013", "e-014"]
    assert html.count('<figure class="event-of"') == 12


def test_what_cannot_be_a_night_is_said(nights: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """A directory given twice, by whatever name; one without images; several without --night; a place not to be
    written to."""
    (tmp_path / "again").symlink_to(nights[0])
    with pytest.raises(UsageError, match="is given twice"):
        night_of([nights[0], tmp_path / "again"])
    with pytest.raises(UsageError, match=r"no fip\.sqlite in it"):
        night_of([nights[0], tmp_path])
    done = fip("report", *nights[:2])
    assert (done.returncode, "`fip report --night DIR...` makes one page" in done.stderr) == (2, True)
    done = fip("report", "--night", nights[2], "--output", tmp_path / "nowhere" / "page.html")
    assert (done.returncode, "cannot be written" in done.stderr) == (2, True)
