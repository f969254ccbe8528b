"""Transients on the page, in a real browser: the strip, the marks, what is shown of an image; and the API."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from playwright.sync_api import Page, expect

from fip.alerts.entries import Hold
from fip.alerts.outbox import Outbox
from fip.alerts.sender import now
from fip.alerts.taking_back import retract
from fip.archive.compared import BEFORE
from fip.events.listing import listed as listed_events
from fip.events.words import FOLDER
from support.browser import browser, keep, place_on_screen, unnamed
from support.entered_alerts import draft, enter
from support.found_events import EVENTS, FAINTER, FLARE, INJECTED, LINE, event, write_found
from support.monitor_process import Web, monitor
from support.stored_run import RUN, SIDE, TRANSIENT, store_run

pytestmark = pytest.mark.timeout(400)  # s: it waits for a browser, on a busy machine, too

API = f"/api/runs/{RUN}/transients"
PIXELS = """canvas => {
  const copy = document.createElement("canvas"); [copy.width, copy.height] = [canvas.width, canvas.height];
  const brush = copy.getContext("2d", { willReadFrequently: true }); brush.drawImage(canvas, 0, 0);
  return new Uint32Array(brush.getImageData(0, 0, copy.width, copy.height).data.buffer); }"""
LIT = f"() => ({PIXELS})(document.querySelector('.event .film')).some((each) => (each & 255) > 200)"
"""Whether the first film has a bright pixel."""

KEPT = f"() => ({PIXELS})(document.querySelector('.event .film')).some((each) => each === 0xff604020)"
"""Whether the first film is the picture that was kept."""

RINGED = f"() => ({PIXELS})(document.getElementById('image')).filter((each) => each === 0xffd2e06f).length > 30"
"""Whether there is a ring around an event that is on."""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, Path]]:
    """The monitor of a directory of twelve images that nobody has searched, and that directory."""
    folder = tmp_path_factory.mktemp("transients")
    store_run(folder / "images", count=12)
    with monitor(folder) as running:
        yield running, folder / "images"


def told(page: Page, kind: str) -> float:
    """What is read under the cursor at the flare, if this is shown: Jy/beam, or S/N."""
    with page.expect_response(re.compile(rf"/view\?.*kind={kind.replace('/', '%2F')}")):
        page.locator("#kind").select_option(kind)
    page.mouse.move(0, 0)
    page.mouse.move(*place_on_screen(page, *TRANSIENT, SIDE))
    unit = "σ" if kind == "S/N" else "mJy/beam"
    found = page.locator("#cursor")
    expect(found).to_have_text(re.compile(rf"pixel {TRANSIENT[0]}, {TRANSIENT[1]}.* {unit}$"))
    value = float(found.inner_text().rpartition("·")[2].split()[0].replace("−", "-"))
    return value if kind == "S/N" else 1e-3 * value


def test_events_are_seen_and_visited(web: tuple[Web, Path], tmp_path: Path) -> None:
    """Before a search it is said how to search; after it the strip is there, newest first; keys do what clicks do."""
    monitor_, images = web
    with browser(tmp_path, 1400) as (page, errors):
        page.goto(monitor_.origin)
        expect(page.locator("#transients-line")).to_contain_text(f"Not searched for transients: `fip detect {images}`")
        assert page.locator(".event").count() == 0

        write_found(images)
        expect(page.locator("#transients-line")).to_have_text(LINE)
        cards = page.locator(".event")
        expect(cards).to_have_text([
            re.compile(r"S/N 86\.6.*3 slices.*2020-06-27 18:40:08 UTC$"),
            re.compile(r"S/N 6\.9.*1 slice2020-.*negative it became fainter.*edge it is at the edge"),
            re.compile(r"S/N 8\.1.*injection FIP added it"),
        ])  # fmt: skip
        asked = page.locator("#events .vetting")
        expect(asked.nth(1)).to_be_visible()
        expect(asked.nth(2)).to_be_hidden()  # what FIP has put in is known
        page.wait_for_function(LIT)
        expect(page.locator(".event svg circle.on")).to_have_count(5)  # of the light curves: 3, 1 and 1
        assert unnamed(page) == []

        with page.expect_response(f"**/lightcurve?x={TRANSIENT[0]}&y={TRANSIENT[1]}&like=5&plane=0"):
            cards.first.click()
        expect(page.locator("#image")).to_have_attribute("aria-label", re.compile("night-t000005"))
        expect(page.locator("#image")).to_be_focused()
        expect(page.locator("#follow")).not_to_be_checked()
        page.wait_for_function(RINGED)
        keep(page, "page-event", tmp_path)
        page.keyboard.press("0")
        shown = [fits.getdata(images / f"night-t{index:06d}-dirty.fits")[0, 0] for index in range(12)]
        x, y = TRANSIENT
        before = np.mean([each[y, x] for each in shown[:5]])  # there are no 8
        assert told(page, "difference") == pytest.approx(shown[5][y, x] - before, rel=1e-3)
        expect(page.locator("#kind-said")).to_contain_text(f"less the mean of the {BEFORE} images before it")
        noise = 1.4826 * np.median(np.abs(shown[5] - np.median(shown[5])))
        assert told(page, "S/N") == pytest.approx(shown[5][y, x] / noise, rel=0.01)
        assert told(page, "image") == pytest.approx(shown[5][y, x], rel=1e-3)

        cards.nth(1).focus()
        with page.expect_response("**/lightcurve?x=3&y=150&like=2&plane=0"):
            page.keyboard.press("Enter")
        page.locator("#image").focus()
        page.wait_for_function(f"() => !({RINGED})()")  # the flare is not on in slice 2
        for _ in range(2):
            page.keyboard.press("[")
        page.locator("#kind").select_option("difference")  # of the first image
        said = re.compile("^the image itself: there is no image before slice 0")
        expect(page.locator("#kind-said")).to_have_text(said)
        page.locator("#kind").select_option("image")

        gone = event("gone-0", "", (30, 31), (90, 90))  # its images have expired
        write_found(images, [*EVENTS, event("later-0", "", (11, 11), (90, 90)), gone])
        expect(cards).to_have_count(5)
        expect(cards.nth(1)).to_contain_text("18:40:22")
        cards.first.scroll_into_view_if_needed()  # what is not seen is not drawn
        page.wait_for_function(KEPT)
        cards.first.click()
        expect(page.locator("#events-more")).to_have_text(f"slice 30 of run {RUN} is not stored")
        page.emulate_media(color_scheme="dark")
        keep(page, "page-transients-1400-dark", tmp_path, whole=True)
        page.set_viewport_size({"width": 700, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= 700
        keep(page, "page-transients-700-dark", tmp_path, whole=True)
        # of an image that is not there the browser itself says so on the console
        assert [each for each in errors if "404" not in each] == []


def test_events_are_those_of_fip_events_and_their_files(web: tuple[Web, Path]) -> None:
    """They are JSON, with a mark that shows whether it has changed; each file is served as what it is."""
    monitor_, images = web
    write_found(images)
    answer = monitor_.get(API)
    found = json.loads(answer.body)
    assert (found["searched"], found["line"], found["more"]) == (True, LINE, 0)
    assert [each["id"] for each in found["events"]] == [FLARE, FAINTER, INJECTED]
    listed = {each["id"]: each for each in listed_events([images])}
    assert all(listed[each["id"]].items() <= each.items() for each in found["events"])
    assert monitor_.get(API, **{"If-None-Match": answer.headers["etag"]}).status == 304
    types = {"event.png": "image/png", "event.json": "application/json", "cutout.fits": "application/fits"}
    assert found["events"][0]["files"].keys() == {*types, "light.ecsv"}
    for name, content in (types | {"light.ecsv": "text/plain; charset=utf-8"}).items():
        got = monitor_.get(f"{API}/{FLARE}/{name}")
        assert (got.status, got.headers["content-type"]) == (200, content)
        assert got.body == (images / "transients" / FLARE / name).read_bytes()
    assert monitor_.get("/api/runs/another/transients").status == 404


def test_the_page_says_who_was_told_and_what_is_wrong_with_that(web: tuple[Web, Path], tmp_path: Path) -> None:
    """A line of all alerts, red while all is held or a target refuses; and below each event who has heard of it."""
    monitor_, images = web
    write_found(images)
    assert json.loads(monitor_.get(API).body)["alerts"] is None
    hold = Hold("0011-slice-1", "slice", "4 unrelated events in a slice", now(), (), 9)
    enter(images / FOLDER, draft(FLARE, at=now(), desk="due", far="waiting"), hold=hold)
    with closing(Outbox(images / FOLDER)) as box, browser(tmp_path, 1280) as (page, errors):
        [found] = [each for each in json.loads(monitor_.get(API).body)["events"] if each["told"]]
        assert (found["id"], found["told"]) == (FLARE, ["desk is to be told", "far waits until a person calls it real"])
        page.goto(monitor_.origin)
        line, ill = page.locator("#transients-alerts"), ("data-level", "bad")
        expect(line).to_have_text(
            "alerts: 0 sent, 1 due, 1 waits for a person's word, ALL HELD: 4 unrelated events in a slice: 0011-slice-1"
        )
        expect(line).to_have_attribute(*ill)
        expect(page.locator(".event").first).to_contain_text("desk is to be told · far waits until a person calls it")
        box.release(hold.name, now())
        box.note_fault("far", "answers 401 Unauthorized", now())
        expect(line).to_have_text("alerts: 0 sent, 0 due, 2 wait for a person's word, far: answers 401 Unauthorized")
        expect(line).to_have_attribute(*ill)
        box.free(FLARE, now())
        delivery = box.next_due("desk", now())
        assert delivery is not None
        box.settle(delivery, "sent", "", now(), now())
        box.note_fault("far", "", now())
        expect(line).to_have_text("alerts: 1 sent, 1 due")
        expect(line).to_have_attribute("data-level", "")
        told = re.compile(r"desk was told, \d\d:\d\d UTC · far is to be told")
        expect(page.locator(".event").first).to_contain_text(told)
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert errors == []
    retract(Outbox(images / FOLDER), FLARE, "a person calls it rfi", now())
    [found] = [each for each in json.loads(monitor_.get(API).body)["events"] if each["told"]]
    assert found["told"] == ["desk is to be told that it is taken back", "far is not told"]


def test_a_difference_may_change(web: tuple[Web, Path]) -> None:
    """Images before it expire, so a browser asks again; for any other kind the error lists the kinds."""
    monitor_, _ = web
    (first, *_) = json.loads(monitor_.get(f"/api/runs/{RUN}/images").body)["images"][1:]
    view = f"/api/runs/{RUN}/images/{first['slice']}/view?of={first['of']}&kind="
    kept = {kind: monitor_.get(f"{view}{kind}").headers["cache-control"] for kind in ("image", "difference", "S/N")}
    assert {kind: "immutable" in each for kind, each in kept.items()} == {
        "image": True, "difference": False, "S/N": True,
    }  # fmt: skip
    answer = monitor_.get(f"{view}other")
    assert (answer.status, json.loads(answer.body)["error"]) == (400, "kind: one of image, difference, S/N is wanted")


def test_no_path_leads_elsewhere(web: tuple[Web, Path]) -> None:
    """Nothing but the files of events that are in the table is given, by no trick; and no link is followed."""
    monitor_, images = web
    write_found(images)
    folder = images / "transients"
    (folder / FLARE / "secret.txt").write_text("secret")
    (folder / "unlisted-0").mkdir(exist_ok=True)
    (folder / "unlisted-0" / "event.json").write_text("secret")
    (folder / FAINTER / "light.ecsv").unlink()
    (folder / FAINTER / "light.ecsv").symlink_to(folder / FLARE / "secret.txt")
    for path in (
        f"{FLARE}/secret.txt", f"{FLARE}/..%2fevents.ecsv", f"{FLARE}/../events.ecsv", "../fip.sqlite",
        "..%2ffip.sqlite/event.json", "unlisted-0/event.json", "./event.json", "%2e%2e/event.json", f"{FLARE}/",
        f"{FAINTER}/light.ecsv", f"{FLARE}%00/event.json", f"{'9' * 5000}/event.json", "follower.sqlite/light.ecsv",
    ):  # fmt: skip
        answer = monitor_.get(f"{API}/{path}")
        assert answer.status == 404, path
        assert b"secret" not in answer.body
    write_found(images)


def test_a_table_that_is_none_is_said(web: tuple[Web, Path]) -> None:
    """The page and the state that all views show have its name; the monitor serves on."""
    monitor_, images = web
    write_found(images)
    assert b'fip_events_total{kind="transient"} 1.0' in monitor_.get("/metrics").body
    assert json.loads(monitor_.get("/api/state").body)["transients"]["injected"] == 3
    (images / "transients" / "events.ecsv").write_text("# no table\n")
    answer = monitor_.get(API)
    assert answer.status == 400
    assert "events.ecsv: cannot be read: no column 'id'" in json.loads(answer.body)["error"]
    assert "events.ecsv" in json.loads(monitor_.get("/api/state").body)["transients"]["fault"]
    write_found(images)
