"""`fip web`: the page of any directory of images, finished or being imaged into, in a real browser."""

import gzip
import json
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from playwright.sync_api import Response, expect

from fip.archive.opened import archive
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support import small_ms
from support.browser import browser, keep, place_on_screen, unnamed
from support.fip_command import WITHIN, fip, images, started
from support.holed_ms import OF_HOLED, TWO, holed
from support.stored_run import GRID, RUN, STEADY, store_run

pytestmark = pytest.mark.timeout(400)  # s: it waits for a pipeline and for a browser, on a busy machine, too

LARGE = 4096


@contextmanager
def served(directory: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`fip web` on a free port: its address, as it says it, and the process."""
    with started("web", directory, "--port", 0) as process:
        assert process.stdout
        said = process.stdout.readline()
        found = re.fullmatch(rf"{re.escape(str(directory))}: (http://127\.0\.0\.1:\d+)/ \(Ctrl-C ends it\)\n", said)
        assert found, said
        yield found[1], process


def answer(address: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Ask for an address and return status, headers and body."""
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=WITHIN) as got:
            return got.status, {name.lower(): value for name, value in got.headers.items()}, got.read()
    except urllib.error.HTTPError as error:
        return error.code, {name.lower(): value for name, value in error.headers.items()}, b""


def test_a_finished_directory_has_its_page(tmp_path: Path) -> None:
    """It says finished, and shows images, light curves, settings and log; Ctrl-C ends it without a word."""
    store_run(tmp_path / "night", count=4)
    (tmp_path / "night" / "fip.log").write_text("first\n12:00:00 the log of the night\n")
    with served(tmp_path / "night") as (address, process), browser(tmp_path) as (page, errors):
        page.goto(address)
        expect(page.locator("#verdict")).to_have_text("finished")
        expect(page.locator("#headline")).to_have_text("done")
        expect(page.locator("#image")).to_have_attribute("aria-label", re.compile("night-t000003.*peak 100 mJy/beam"))
        expect(page.locator("#workers")).to_be_hidden()
        expect(page.locator("#graph")).to_be_hidden()
        with page.expect_response("**/lightcurve?*"):
            page.locator("#image").click()
        page.get_by_text("What this run was asked for").click()
        expect(page.locator("#run-settings")).to_contain_text("natural")
        page.get_by_text("Log", exact=True).click()
        expect(page.locator("#log")).to_have_text("12:00:00 the log of the night")
        assert unnamed(page) == []
        keep(page, "web-finished", tmp_path, whole=True)
        assert errors == []
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN) == 0
        assert process.stdout
        assert process.stdout.read() == ""


def test_what_lacks_of_a_run_is_said_wherever_it_is_looked_at(tmp_path: Path) -> None:
    """Header, ledger, log, summary, status, report and page; also of a run that goes on."""
    data, output, grid = (
        tmp_path / "holes.ms",
        tmp_path / "out",
        ("--size", "64", "--scale", "40arcsec", "--workers", "1"),
    )
    small_ms.write(data, holed(), bands=TWO)
    done = fip("run", data, "--output", output, *grid)
    assert done.returncode == 0, done.stderr
    words = "holes: 83.3% of the samples are there, 40.0% in the least of 8 slices; 3 lack some"
    assert f"{words} (FIPCOMPL)" in done.stdout
    assert "1 are of doubtful quality: 1 incomplete" in done.stdout
    assert [fits.getheader(image)["FIPCOMPL"] for image in images(output)] == OF_HOLED
    assert [image.entry.complete for image in archive(output).images if image.entry] == OF_HOLED
    assert archive(output).table()["complete"].tolist() == OF_HOLED
    assert words in (output / "fip.log").read_text()
    images(output)[3].unlink()
    again = fip("run", data, "--output", output, *grid, "--repair")
    assert again.returncode == 0, again.stderr
    assert (output / "fip.log").read_text().count(words) == 2  # by the seven that were there, and the one made anew
    (run,) = json.loads(fip("status", output, "--json").stdout)["runs"]
    assert run["complete"] == {"slices": 8, "lacking": 3, "least": 0.4, "mean": pytest.approx(sum(OF_HOLED) / 8)}
    assert fip("report", output).returncode == 0
    report = (output / "report.html").read_text()
    assert words.partition(": ")[2] in report
    assert "Samples there" in report
    with served(output) as (address, _), browser(tmp_path) as (page, errors):
        page.goto(address)
        expect(page.locator("#complete")).to_have_text("83.3%40.0% at least")  # the first in large, the other below
        told = page.locator("#image-name")
        expect(told).to_contain_text("66.7% of the samples there")  # of the one that was stored last
        page.locator("#strip [data-key='5']").click()
        expect(told).to_contain_text("40.0% of the samples there · incomplete")
        page.locator("#strip [data-key='4']").click()
        expect(told).to_contain_text("t000004")
        expect(told).not_to_contain_text("samples there")
        keep(page, "web-complete", tmp_path)
        assert errors == []


def test_a_large_image_is_sent_as_it_is_seen(tmp_path: Path) -> None:
    """Less than a megabyte; what is read under the cursor says what it is of; zoomed in it is the pixel of the file."""
    store_run(tmp_path / "night", count=1, grid=replace(GRID, width=LARGE, height=LARGE))
    file = fits.getdata(images(tmp_path / "night")[0])[0, 0]
    seen: list[Response] = []
    with served(tmp_path / "night") as (address, _), browser(tmp_path) as (page, errors):
        page.on("response", lambda response: seen.append(response) if "/view?" in response.url else None)
        page.goto(address)
        expect(page.locator("#image")).to_have_attribute("aria-label", re.compile("peak 100 mJy/beam"))
        x, y = STEADY  # a corner of a block of 4 x 4: the cursor is put on its top
        left, top = place_on_screen(page, x + 2, y + 2, LARGE)
        page.mouse.move(left, top)
        cursor = page.locator("#cursor")
        expect(cursor).to_contain_text(
            re.compile(r"maximum of 4 × 4 pixels: (100|99\.9\d) mJy/beam ± \d+(\.\d+)? µJy/beam")
        )
        with page.expect_response("**/lightcurve?*") as asked:
            page.mouse.click(left, top)
        assert f"x={x}&y={y}&" in asked.value.url, "the pixel that a block shows is its brightest"
        for _ in range(12):
            page.mouse.wheel(0, -300)
        expect(cursor).not_to_contain_text("maximum")
        page.mouse.move(left + 1, top)
        expect(cursor).not_to_contain_text("±")
        told = re.search(r"pixel (\d+), (\d+)  ·  (-?[\d.]+) (m|µ)Jy/beam$", cursor.text_content() or "")
        assert told
        value = float(told[3]) * {"m": 1e-3, "µ": 1e-6}[told[4]]
        assert value == pytest.approx(file[int(told[2]), int(told[1])], rel=1e-3)
        keep(page, "web-zoomed", tmp_path)
        assert errors == []
    sizes = [int(response.headers["content-length"]) for response in seen]
    assert len(sizes) >= 2
    assert max(sizes) <= 1_000_000


def test_a_view_is_kept_for_as_long_as_its_image(tmp_path: Path) -> None:
    """It is kept by run, slice, plane and kind: a browser asks once. Another image in its place is another view."""
    folder = tmp_path / "night"
    store_run(folder, count=2, stokes=("I", "V"))
    with served(folder) as (address, _):
        runs = f"{address}/api/runs/{RUN}/images"
        listed = json.loads(answer(runs)[2])["images"][1]
        place = f"{runs}/1/view?plane=1&x=10&y=20&width=30&height=40&most=64"
        status, headers, body = answer(f"{place}&of={listed['of']}")
        assert (status, headers["content-encoding"]) == (200, "gzip")
        assert headers["cache-control"] == "private, max-age=31536000, immutable"
        view = json.loads(headers["x-fip-view"])
        assert view == {
            "left": 10,
            "bottom": 20,
            "width": 30,
            "height": 40,
            "columns": 30,
            "rows": 40,
            "block": 1,
            "step": 0.0,
        }
        values = np.frombuffer(gzip.decompress(body), np.uint8).reshape(4, -1).T.copy().view("<f4").reshape(40, 30)
        np.testing.assert_array_equal(values, fits.getdata(images(folder)[1])[1, 0, 20:60, 10:40])

        loose = answer(place)[1]
        assert loose["cache-control"] == "private, no-cache"
        assert answer(place, **{"If-None-Match": loose["etag"]})[0] == 304
        others = (place.replace("plane=1", "plane=0"), f"{runs}/0/view", f"{runs}/1/view?most=64")
        assert len({loose["etag"], *(answer(other)[1]["etag"] for other in others)}) == 4
        assert answer(f"{runs}/1/view?x=200&y=0&width=9&height=9")[0] == 404
        assert answer(f"{runs}/1/view?x=1")[0] == 400

        for each in folder.iterdir():
            each.unlink()
        store_run(folder, count=2, stokes=("I", "V"))
        status, headers, _ = answer(f"{place}&of={listed['of']}", **{"If-None-Match": loose["etag"]})
        assert (status, headers["cache-control"]) == (200, "private, no-cache")


def test_the_page_goes_with_the_run(tmp_path: Path) -> None:
    """It follows the run into the directory while there is one, says finished after it, and follows the next one."""
    path = tmp_path / "night.ms"
    simulate(path, Simulation(antennas=8, channels=4, integrations=24, cadence=1.0))
    grid = ("--size", 64, "--scale", "30arcsec", "--workers", 1, "--output", tmp_path / "out")
    assert fip("run", path, *grid, "--interval", "0~2").returncode == 0
    with served(tmp_path / "out") as (address, process), browser(tmp_path) as (page, errors):
        page.goto(address)
        expect(page.locator("#verdict")).to_have_text("finished")
        expect(page.locator("#stored")).to_have_text("2 / 2")
        with started("run", path, *grid, "--overwrite", "--interval", "4~22", "--pace", 4) as run:
            expect(page.locator("#workers tbody tr")).to_have_count(1)
            expect(page.locator("#graph")).to_be_visible()
            expect(page.locator("#image")).to_have_attribute("aria-label", re.compile("night-t0000(0[4-9]|[12])"))
            assert run.wait(WITHIN) == 0
        expect(page.locator("#verdict")).to_have_text("finished")
        expect(page.locator("#stored")).to_have_text("18 / 18")
        assert errors == []
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN) == 0


def test_what_cannot_be_served_is_said_in_a_line(tmp_path: Path) -> None:
    """No such directory, one of something else, a ledger of something else, a port that is taken."""
    (tmp_path / "else").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "fip.sqlite").write_text("this is no database, whatever its name says\n" * 100)
    store_run(tmp_path / "night", count=1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for name, options, said in (
            ("nowhere", (), "no such directory"),
            ("else", (), "there is no fip.sqlite"),
            ("broken", (), "file is not a database"),
            ("night", ("--port", port), f"--port {port}: Address already in use"),
        ):
            done = fip("web", tmp_path / name, *options)
            assert done.returncode in (1, 2)
            assert said in done.stderr
            assert len(done.stderr.splitlines()) == 1
            assert done.stdout == ""
