"""The web page in a real browser against a real pipeline: what an operator sees is what is so."""

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from playwright.sync_api import Locator, Page, expect
from pydantic import TypeAdapter

from fip.data.settings import asked
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.state.panel import Panel
from support.browser import browser, keep, place_on_screen, unnamed
from support.fip_command import WITHIN, fip, images, started
from support.made_panel import MADE
from support.mesh import Mesh
from support.monitor_process import monitor
from support.small_ms import copy, edit
from support.stored_run import store_run

pytestmark = pytest.mark.timeout(400)  # s: it waits for a pipeline and for a browser, on a busy machine, too

SIDE, ARCSEC = 256, 10.0
RED = "getComputedStyle(document.documentElement).getPropertyValue('--ill').trim()"


@pytest.fixture(scope="module")
def long_ms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An observation that takes two minutes at the pace of the tests."""
    path = tmp_path_factory.mktemp("long") / "night.ms"
    simulate(path, Simulation(antennas=12, channels=4, integrations=240, cadence=2.0, transient=2.0, noise=0.05))
    return path


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """A pipeline of two workers, that images two integrations a second."""
    folder = tmp_path_factory.mktemp("mesh")
    with Mesh(folder, workers=2, settings="pace = 4.0") as running:
        yield running


def submit(mesh: Mesh, path: Path, **options: Any) -> str:
    """A job of small images."""
    return mesh.submit([path], asked(size=(SIDE, SIDE), scale=float(np.radians(ARCSEC / 3600)), **options))


def told_of(page: Page, job: str) -> Locator:
    """The state of a job, as the page says it."""
    return page.locator("#jobs tbody tr", has_text=job).locator("td").nth(1)


def stored(page: Page) -> int:
    """How many images the page says are stored."""
    match = re.match(r"[\d,]+", page.locator("#stored").inner_text())
    return int(match[0].replace(",", "")) if match else 0


def until_more_are_stored(page: Page) -> int:
    """Wait until the page says that more images are stored; return how many."""
    before = stored(page)
    page.wait_for_function(
        "before => parseInt(document.getElementById('stored').textContent.replace(',', '')) > before", arg=before
    )
    return stored(page)


def drawn(page: Page) -> dict[int, float]:
    """How far down on the screen each slice of the light curve is drawn."""
    dots = page.locator("#curve").evaluate(
        "curve => [...curve.querySelectorAll('[data-slice]')].map(dot => [dot.dataset.slice, dot.cy.baseVal.value])"
    )
    return {int(index): float(height) for index, height in dots}


def test_an_operator_watches_a_run(mesh: Mesh, long_ms: Path, tmp_path: Path) -> None:
    """Progress moves; a click gives the light curve of the FITS files; a killed worker turns red; nothing is amiss."""
    job = submit(mesh, long_ms, subtract_model=True)
    with monitor(mesh.folder) as web, browser(tmp_path) as (page, errors):
        page.goto(web.origin)
        expect(page.locator("#verdict")).to_have_text("keeping up")
        until_more_are_stored(page)
        expect(page.locator("#workers tbody tr")).to_have_count(2)
        expect(told_of(page, job)).to_have_text("running")
        expect(page.locator("#image")).to_have_attribute("aria-label", re.compile("night-t.*peak"))
        expect(page.locator("#strip canvas").first).to_be_visible()
        expect(page.locator("#corrected")).to_contain_text(re.compile(r"data / model [01]\.\d\d\d at"))
        assert_the_light_curve_is_that_of_the_files(page, mesh.images / job)
        until_more_are_stored(page)
        keep(page, "page", tmp_path)
        keep(page, "page-whole", tmp_path, whole=True)
        assert unnamed(page) == []

        mesh.kill("cpu1")
        gone = page.locator("#workers tr[data-level='bad']")
        expect(gone).to_contain_text(re.compile("cpu1.*died"))
        assert gone.locator("td").first.evaluate("cell => getComputedStyle(cell).color") == page.evaluate(
            f"(() => {{ const p = document.createElement('p'); p.style.color = {RED}; document.body.append(p);"
            "const c = getComputedStyle(p).color; p.remove(); return c; })()"
        )
        expect(page.locator("#graph rect.ill[data-state='gone']")).to_have_count(1)
        expect(page.locator("#verdict")).to_have_text("failing")
        expect(page.locator("#reasons")).to_contain_text("cpu1 died")
        keep(page, "page-worker-died", tmp_path)
        mesh.start("cpu1")
        expect(gone).to_have_count(0)
        until_more_are_stored(page)
        assert errors == []


def pixel(folder: Path, index: int, x: int, y: int) -> float:
    """What a FITS file holds there."""
    return float(fits.getdata(folder / f"night-t{index:06d}-dirty.fits")[0, 0, y, x])


def assert_the_light_curve_is_that_of_the_files(page: Page, folder: Path) -> None:
    """Check that what is shown of a pixel, under the cursor and after a click, is what the FITS files hold."""
    page.locator("#follow").uncheck()
    name = re.search(r"night-t\d+-dirty\.fits", page.locator("#image-name").inner_text())
    assert name
    shown, header = fits.getdata(folder / name[0])[0, 0], fits.getheader(folder / name[0])
    y, x = (int(at) for at in np.unravel_index(shown.argmax(), shown.shape))
    left, top = place_on_screen(page, x, y, SIDE)
    page.mouse.move(left, top)
    said = page.locator("#cursor")
    expect(said).to_contain_text(f"pixel {x}, {y}")
    words = re.match(r"(\d\d)h(\d\d)m([\d.]+)s ([+−])(\d\d)°(\d\d)′([\d.]+)″ FK5", said.inner_text())
    assert words
    hours, minutes, seconds, sign, degrees, arcmin, arcsec = words.groups()
    told = SkyCoord(
        f"{hours}h{minutes}m{seconds}s", f"{sign.replace('−', '-')}{degrees}d{arcmin}m{arcsec}s", frame="fk5"
    )
    # to the digits shown: 0.01 s of right ascension is 0.15 arcsec
    assert told.separation(WCS(header).celestial.pixel_to_world(x, y)).arcsec < 0.2
    value = re.search(r"([\d.]+) (m?)Jy/beam$", said.inner_text())
    assert value
    assert float(value[1]) * (1e-3 if value[2] else 1) == pytest.approx(shown[y, x], rel=1e-3)

    with page.expect_response("**/lightcurve?*") as answered:
        page.mouse.click(left, top)
    points = answered.value.json()["points"]
    assert len(points) >= 2
    assert [point["flux"] for point in points] == [pixel(folder, point["slice"], x, y) for point in points]
    expect(page.locator("#curve-what")).to_contain_text(f"pixel {x}, {y}")
    heights = drawn(page)
    assert heights.keys() >= {point["slice"] for point in points}
    values, screen = np.array([pixel(folder, index, x, y) for index in heights]), np.array([*heights.values()])
    # they are rounded to 0.1 of a pixel, so that a straight line through them leaves 0.05 at most, and 0.05 of its own
    assert np.abs(screen - np.polyval(np.polyfit(values, screen, 1), values)).max() < 0.11

    page.locator("#image").focus()
    page.keyboard.press("ArrowRight")
    with page.expect_response("**/lightcurve?*"):
        page.keyboard.press("Enter")
    page.keyboard.press("l")
    expect(page.locator("#follow")).to_be_checked()


def test_a_job_is_cancelled_with_the_token_alone(mesh: Mesh, long_ms: Path, tmp_path: Path) -> None:
    """The page asks first, and for the token; a wrong one is refused, and the job goes on."""
    with monitor(mesh.folder) as web, browser(tmp_path) as (page, errors):
        page.goto(web.origin)
        job = page.locator("#jobs tbody tr").first
        told = job.locator("td").nth(1)
        expect(told).to_have_text("running")
        job.get_by_role("button", name=re.compile("Cancel job")).click()
        page.locator("#ask-dialog").get_by_role("button", name="Cancel the job").click()
        page.get_by_label("Token").fill("not the token of this one")
        page.locator("#token-ok").click()
        expect(page.get_by_role("alert")).to_contain_text("not the token")
        expect(told).to_have_text("running")
        page.get_by_label("Token").fill((mesh.folder / "token").read_text().strip())
        page.locator("#token-ok").click()
        expect(told).to_have_text("cancelled")
        expect(job.get_by_role("button")).to_be_hidden()
        # a request that is refused is said on the console by the browser itself
        assert [error for error in errors if "401" not in error] == []


def test_antennas_that_are_ill_are_named(long_ms: Path, tmp_path: Path) -> None:
    """In a real run, one that is flagged away and one that is too bright; in another, in which all are well, none."""
    well = copy(long_ms, tmp_path / "well.ms")
    with edit(well) as table:  # the simulation has flagged an antenna, and some samples, which it has spoilt
        columns = ("FLAG", "FLAG_ROW", "DATA", "MODEL_DATA", "ANTENNA1", "ANTENNA2")
        flags, rows, data, model, first, second = map(table.getcol, columns)
        data = np.where(flags | rows[:, None, None], model, data)
        table.putcol("FLAG", np.zeros_like(flags))
        table.putcol("FLAG_ROW", np.zeros_like(rows))
        table.putcol("DATA", data)
    ill = copy(well, tmp_path / "ill.ms")
    with edit(ill) as table:
        flags[...] = ((first == 4) | (second == 4))[:, None, None]
        table.putcol("FLAG", flags)
        table.putcol("DATA", np.where(((first == 7) | (second == 7))[:, None, None], 10 * data, data))
    with (
        Mesh(tmp_path / "mesh", settings="pace = 4.0") as mesh,
        monitor(mesh.folder) as web,
        browser(tmp_path) as (page, errors),
    ):
        page.goto(web.origin)
        faults, ill_cells = page.locator("#antennas .chip"), page.locator("#antennas .cells i:not([data-level=''])")
        expect(page.locator("#antennas")).to_be_hidden()
        job = submit(mesh, ill)
        expect(faults).to_have_text(["m004", re.compile(r"^m007 ×(9|1\d)")])
        expect(page.locator("#antennas dt")).to_have_text(["1 flagged away", "1 of unlike amplitude"])
        summary = page.locator("#antennas .title .note")
        expect(summary).to_have_text("ill: 12 with data · 17% of samples flagged")  # 11 of 66
        expect(page.locator("#antennas .cells i")).to_have_count(12)
        expect(ill_cells).to_have_count(2)
        keep(page, "page-antennas", tmp_path)
        said = fip("status", "--ventilator", mesh.config.ventilator.control).stdout
        assert "antennas ill: 12 with data · 17% of samples flagged\n  1 flagged away: m004\n" in said
        assert "  1 of unlike amplitude: m007 ×" in said
        with mesh.operator() as operator:
            operator.cancel(job)
        submit(mesh, well)
        expect(summary).to_have_text("well: 12 with data · 0% of samples flagged · none stands out")
        expect(faults).to_have_count(0)
        expect(ill_cells).to_have_count(0)
        keep(page, "page-antennas-well", tmp_path)
        assert errors == []


def test_the_monitor_may_die(mesh: Mesh, simulated_ms: Path, tmp_path: Path) -> None:
    """Killed and started again in mid-run: nothing else notices, and the page goes on by itself."""
    before, said = {name: daemon.pid for name, daemon in mesh.daemons.items()}, len(mesh.log)
    with browser(tmp_path) as (page, _):
        with monitor(mesh.folder) as web:
            page.goto(web.origin)
            job = submit(mesh, simulated_ms)
            expect(told_of(page, job)).to_have_text("running")
            until_more_are_stored(page)
            web.process.kill()
            expect(page.locator("#verdict")).to_have_text("no monitor")
        with monitor(mesh.folder, address=f"127.0.0.1:{web.port}"):
            expect(page.locator("#verdict")).to_have_text("keeping up")
            mesh.wait_for_job(job)
            expect(page.locator("#headline")).to_have_text("done")
    assert {name: daemon.pid for name, daemon in mesh.daemons.items() if daemon.poll() is None} == before
    told = [line for line in mesh.log[said:].splitlines() if " WARNING " in line or " ERROR " in line]
    assert not [line for line in told if "antennas flagged away" not in line]  # of the data, which have such a one
    assert len(list((mesh.images / job).glob("*-dirty.fits"))) == 10


def test_where_others_can_reach_it_the_page_asks_who_is_there(tmp_path: Path) -> None:
    """It shows nothing before it has the token, and everything after, also when it is loaded again."""
    store_run(tmp_path / "images", count=3)
    with monitor(tmp_path, address="0.0.0.0:0") as web, browser(tmp_path) as (page, errors):
        page.goto(web.origin)
        expect(page.locator("#token-dialog")).to_be_visible()
        assert "night" not in page.content()
        page.get_by_label("Token").fill((tmp_path / "token").read_text().strip())
        page.locator("#token-ok").click()
        shown = re.compile(r"Image night-t000002-dirty\.fits")
        expect(page.locator("#image")).to_have_attribute("aria-label", shown)
        page.get_by_text("What this run was asked for").click()
        expect(page.locator("#run-settings")).to_contain_text("natural")
        page.reload()
        expect(page.locator("#image")).to_have_attribute("aria-label", shown)
        expect(page.locator("#token-dialog")).to_be_hidden()
        assert [error for error in errors if "401" not in error] == []


def test_words_can_be_read(tmp_path: Path) -> None:
    """Each word of state stands out from its ground by 4.5 to 1, as WCAG 2 asks (AA), light and dark."""
    store_run(tmp_path / "images", count=3)
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    with monitor(tmp_path) as web, browser(tmp_path) as (page, _):
        page.goto(web.origin)
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme)
            for word in ("keeping up", "behind", "failing", "no pipeline"):
                verdict = page.locator("#verdict")
                colours = verdict.evaluate(
                    "(node, word) => { const copy = node.cloneNode(); copy.dataset.is = word; node.after(copy);"
                    "const style = getComputedStyle(copy), found = [style.color, style.backgroundColor];"
                    "copy.remove(); return found; }",
                    word,
                )
                assert contrast(*colours) >= 4.5, (scheme, word, colours)


def test_any_panel_is_drawn(tmp_path: Path) -> None:
    """Even one that the page does not know is drawn; what is in it is text, never markup."""
    with monitor(tmp_path) as web, browser(tmp_path) as (page, errors):
        page.goto(web.origin)
        expect(page.locator("#headline-label")).to_have_text("waiting for the pipeline")
        made = json.loads(TypeAdapter(Panel).dump_json(MADE))
        for _ in range(2):  # the second time it is there already
            page.evaluate("made => import('/assets/panel.js').then(({ drawPanel }) => drawPanel(made, () => {}))", made)
        section = page.locator("#made")
        expect(section.locator("h2")).to_contain_text("<b>a</b>")
        expect(section.locator(".title .note")).to_have_text("summed up")
        expect(section.locator("dt")).to_have_text(["noted", "plain"])
        expect(section.locator(".chip")).to_have_count(2)
        expect(section.locator("td")).to_have_count(3)
        expect(section.get_by_label("12%")).to_be_visible()
        assert section.locator("b").count() == 0
        assert errors == []


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, as WCAG 2.2 defines it."""

    def luminance(colour: str) -> float:
        parts = np.array([int(part) for part in re.findall(r"\d+", colour)[:3]]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "dark"), (820, "light")])
def test_any_screen(mesh: Mesh, tmp_path: Path, width: int, scheme: Literal["light", "dark"]) -> None:
    """Nothing is wider than the screen but what scrolls by itself; without a run under way, too."""
    with monitor(mesh.folder) as web, browser(tmp_path, width, 844, scheme) as (page, errors):
        page.goto(web.origin)
        expect(page.locator("#verdict")).to_have_text("keeping up")
        expect(page.locator("#image")).to_have_attribute("aria-label", re.compile("dirty.fits"))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        light = sum(int(part) for part in re.findall(r"\d+", background)[:3]) / 3
        assert (light > 128) == (scheme == "light")
        keep(page, f"page-{width}-{scheme}", tmp_path, whole=True)
        assert errors == []


def test_a_run_has_its_page(long_ms: Path, tmp_path: Path) -> None:
    """`fip run --web` says its address, even if that port is taken; images appear; the run ends with its page open."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        configuration = tmp_path / "fip.toml"
        configuration.write_text(f'[monitor]\naddress = "127.0.0.1:{port}"\n[ventilator]\npace = 20.0\n')
        grid = ("--size", SIDE, "--scale", f"{ARCSEC}arcsec", "--interval", "0~120")
        options = ("--web", "--config", configuration, *grid)
        with started("run", long_ms, "--output", tmp_path / "out", *options) as process, browser(tmp_path) as (page, _):
            assert process.stdout
            lines = iter(process.stdout.readline, "")
            assert next(line for line in lines if "taken" in line).startswith(f"port {port} is taken")
            address = next(line for line in lines if "watch it at" in line).split()[-1]
            assert f":{port}/" not in address
            until_it_serves(address)
            page.goto(address)
            until_more_are_stored(page)
            expect(page.locator("#image")).to_have_attribute("aria-label", re.compile(r"night-t.*dirty\.fits"))
            assert process.wait(WITHIN) == 0
            expect(page.locator("#verdict")).to_have_text("no monitor")
    assert len(images(tmp_path / "out")) == 120


def until_it_serves(address: str) -> None:
    """Wait until somebody listens there."""
    host, _, port = address.removeprefix("http://").rstrip("/").rpartition(":")
    give_up = time.monotonic() + WITHIN
    while True:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            assert time.monotonic() < give_up
            time.sleep(0.1)
        else:
            return
