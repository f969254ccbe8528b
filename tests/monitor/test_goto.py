"""What is known at an event, on the page; and to go to a name or coordinates, in a real browser and by the API."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from fip.catalogues.bodies import where
from fip.fits.sky import wcs_of
from support.browser import browser, keep, unnamed
from support.found_events import EVENTS, FLARE, write_found
from support.monitor_process import Web, monitor
from support.stored_run import CADENCE, GRID, RUN, START, STEADY, TRANSIENT, store_run

pytestmark = pytest.mark.timeout(400)  # s: it waits for a browser, on a busy machine, too

MATCHES = [{"name": "J1019 \"x\" & <b>", "of": "pulsars", "separation": 1.234, "chance": 1e-6}]  # fmt: skip


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """The monitor of a directory with events, one of them at a pulsar; its catalogue has the steady source."""
    folder = tmp_path_factory.mktemp("goto")
    store_run(folder / "images", count=12)
    write_found(folder / "images", [each | {"matches": json.dumps(MATCHES) * (each["id"] == FLARE)} for each in EVENTS])
    ra, dec = wcs_of(GRID).wcs_pix2world(*STEADY, 0)
    (folder / "psr.csv").write_text(f"name,ra,dec\nThe Steady,{ra},{dec}\nFar,10,10\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIP__CATALOGUE__PSR__FILE", str(folder / "psr.csv"))
        with monitor(folder) as running:
            yield running


def place(web: Web, name: str) -> tuple[int, dict[str, object]]:
    answer = web.get(f"/api/runs/{RUN}/place?like=5&name={quote(name)}")
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize("name", ["the steady", "TheSteady"])
def test_a_source_of_a_catalogue_is_gone_to_by_its_name(web: Web, name: str) -> None:
    status, found = place(web, name)
    assert status == 200, found
    assert (found["x"], found["y"]) == pytest.approx(STEADY, abs=0.02)
    assert str(found["said"]).startswith(f"{name} at ICRS 10h2")


@pytest.mark.parametrize("name", [FLARE, FLARE.upper(), MATCHES[0]["name"]])
def test_an_event_is_gone_to_by_its_id_and_by_what_is_there(web: Web, name: str) -> None:
    assert place(web, name) == (200, {"x": TRANSIENT[0], "y": TRANSIENT[1], "said": f"event {FLARE}"})


def test_coordinates_are_gone_to_as_they_are_written_anywhere(web: Web) -> None:
    ra, dec = wcs_of(GRID).wcs_pix2world(*STEADY, 0)
    status, found = place(web, f"J2000 {ra}deg {dec}deg")
    assert status == 200, found
    assert (found["x"], found["y"]) == pytest.approx(STEADY, abs=0.02)


def test_a_body_is_where_it_was_when_the_image_was_taken(web: Web) -> None:
    """The Sun is not in this image, and its place at that time is said."""
    x, y, z = where("sun", START + 5.5 * CADENCE, None)[0].tolist()
    status, found = place(web, "Sun")
    assert status == 400
    assert math.degrees(math.atan2(y, x)) % 360 == pytest.approx(96.84, abs=0.01)  # at the end of June
    assert math.degrees(math.asin(z)) == pytest.approx(23.29, abs=0.01)
    assert str(found["error"]).startswith("J2000 06h27m21")


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("nothing", 404, "is no event's name, no body's, and none in a catalogue (psr); and 'nothing' is not a"),
        ("Far", 400, "is beyond the horizon of the images"),
        ("offset 1arcsec 1arcsec", 400, "is no direction"),
        ("", 400, "name: a name or coordinates"),
        ("x" * 300, 400, "name: a name or coordinates"),
    ],
)  # fmt: skip
def test_what_cannot_be_gone_to_is_one_line(web: Web, name: str, status: int, said: str) -> None:
    answer = place(web, name)
    assert answer[0] == status
    assert said in str(answer[1]["error"])
    assert "\n" not in str(answer[1]["error"])
    assert web.get(f"/api/runs/{RUN}/place?like=-5&name=a").status == 400
    assert web.get("/api/runs/another/place?like=5&name=a").status == 404


def test_names_are_shown_and_gone_to(web: Web, tmp_path: Path) -> None:
    with browser(tmp_path, 1400) as (page, errors):
        page.goto(web.origin)
        flare = page.locator(".event").first
        expect(flare).to_contain_text('J1019 "x" & <b> (pulsars), 1.2″')
        assert unnamed(page) == []
        field, said = page.get_by_label("Go to"), page.locator("#go-said")
        expect(page.locator("#image-name")).to_contain_text("night-t000011")
        field.focus()
        assert page.locator("#go-names option").evaluate_all("all => all.map((each) => each.value)") == [
            FLARE, MATCHES[0]["name"], EVENTS[0]["id"], EVENTS[2]["id"],
        ]  # fmt: skip
        for name, (x, y), told in (
            ("The Steady", STEADY, "The Steady at ICRS"), (str(MATCHES[0]["name"]), TRANSIENT, f"event {FLARE}"),
        ):  # fmt: skip
            field.fill(name)
            with page.expect_response(f"**/lightcurve?x={x}&y={y}&like=11&plane=0"):
                field.press("Enter")
            expect(said).to_have_text(re.compile(f"^{told}"))
            page.mouse.move(0, 0)
            page.locator("#image").hover()  # it is in the middle
            expect(page.locator("#cursor")).to_contain_text(f"pixel {x}, {y}")
        keep(page, "page-goto-1400", tmp_path)
        field.fill("nowhere")
        field.press("Enter")
        expect(said).to_have_text(re.compile("^'nowhere' is no event's name"))
        page.set_viewport_size({"width": 700, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= 700
        assert [each for each in errors if "404" not in each] == []
