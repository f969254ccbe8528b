"""The report of a run: right numbers, one file that asks for nothing, and nothing in it that runs."""

import base64
import re
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from fip.archive.charts import HEIGHT, WIDTH, Span, plot, time_lines
from support.browser import browser, keep
from support.fip_command import fip, images
from support.found_events import EVENTS, FLARE, event, write_found
from support.stored_run import ON, TRANSIENT, WORKERS, store_run

HOSTILE_LABEL = "<script>alert(2)</script>"
HOSTILE = "/data/<script>alert(1)</script>&night.ms"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, with an empty image, one that failed, and a name that wants to be markup."""
    directory = tmp_path_factory.mktemp("run")
    store_run(directory, count=14, empty=(2,), failed=(9,), measurement_set=HOSTILE)
    write_found(directory, [*EVENTS, event("hostile-0", HOSTILE_LABEL, (12, 12), (60, 60))])
    done = fip("report", directory)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(directory / "report.html")
    return directory


def test_it_is_one_file_in_which_nothing_runs(run: Path) -> None:
    """No script, no address of the network; what came from outside is text."""
    html = (run / "report.html").read_text()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "&lt;script&gt;alert(2)" in html
    assert not re.search(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!data:)\w", html)
    assert "default-src 'none'" in html
    assert len(html) < 1_000_000


def test_a_browser_shows_it_as_it_was(run: Path, tmp_path: Path) -> None:
    """Numbers, failures and pictures, light and dark, without a word on the console or a request."""
    with browser(tmp_path, 1240, 900, "dark") as (page, errors):
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((run / "report.html").as_uri())
        text = page.locator("body").inner_text()
        assert "13 of 14" in text
        assert "slice 9" in text
        assert "died; died; died" in text
        for worker in WORKERS:
            assert worker in text
        found = page.locator("#transients")
        assert "1 event, 0.4 false expected, 1 negative, 2 of 3 injected found, 2 labelled" in found.inner_text()
        assert f"{FLARE} S/N 86.6 · slices 4 to 6 · 2020-06-27 18:40:08 UTC" in " ".join(found.inner_text().split())
        assert "negative: it became fainter" in found.inner_text()
        assert page.locator("#transients img").count() == 4
        assert page.locator(".sheet img").count() == 13
        pictures = page.locator("img")
        assert pictures.evaluate_all("all => all.every(img => img.complete && img.naturalWidth > 0 && img.alt)")
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        keep(page, "report-dark", tmp_path, whole=True)
        page.emulate_media(color_scheme="light")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
        keep(page, "report", tmp_path, whole=True)
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        assert errors == []


def test_a_plot_of_many_keeps_the_extremes() -> None:
    """One value of a hundred thousand that stands out is drawn as high as it is."""
    values = np.zeros(100_000)
    values[54_321] = 7.0
    drawn = plot(np.arange(100_000.0), values, "Jy/beam", "Peak")
    assert len(drawn) < 60_000
    path = re.search(r'<path d="([^"]+)"[^>]*stroke: var\(--busy\)', drawn)
    assert path
    points = np.array([point.split() for point in re.findall(r"[ML] ([^\n]+)", path[1])], float)
    assert np.ptp(points[:, 1]) / HEIGHT > 0.6
    assert points[points[:, 1].argmin(), 0] == pytest.approx(64 + 0.54321 * (WIDTH - 74), abs=1.0)


def test_plots_are_text_in_the_colours_of_the_page() -> None:
    """A name is no markup; one value is a dot; colours are the style sheet's; the same is drawn twice."""
    drawn = plot(np.array([1.6e9]), np.array([3.0]), "<b>&$x^$", 'no "name" <i>')
    assert drawn == plot(np.array([1.6e9]), np.array([3.0]), "<b>&$x^$", 'no "name" <i>')
    assert drawn.startswith(
        '<svg viewBox="0 0 1000 200" role="img" aria-label="no &quot;name&quot; &lt;i&gt;: 1 values'
    )
    ElementTree.fromstring(drawn.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1))
    assert "&lt;b&gt;&amp;$x^$" in drawn
    assert "<use" in drawn
    assert set(re.findall(r"(?:fill|stroke): ([^;\"]+)", drawn)) == {"none", "var(--line)", "var(--busy)"}


def test_a_time_line_shows_what_took_longest() -> None:
    """A pixel has one kind; gaps are blank; the size does not grow with the number of spans."""
    kinds = {"image": "#ff0000", "fits": "#0000ff"}
    spans = [Span(float(k), k + 0.5, "image") for k in range(10)] + [Span(5.5, 5.52, "fits")]
    drawn = time_lines({"a": spans, "b<東": [Span(0.0, 10.0, "image")]}, kinds, "Workers")
    assert "b&lt;?" in drawn
    encoded = re.search(r'xlink:href="data:image/png;base64,([^"]+)"', drawn)
    assert encoded
    first, second = np.asarray(Image.open(BytesIO(base64.b64decode(encoded[1]))).convert("RGBA"))
    imaging, fits = ((first == (*colour, 255)).all(axis=1) for colour in ((255, 0, 0), (0, 0, 255)))
    assert np.count_nonzero(np.diff(imaging.astype(int)) == -1) == 10
    assert fits.sum() == 2
    assert imaging.sum() == pytest.approx(840 / 2, abs=10)
    assert (first[~imaging & ~fits, 3] == 0).all()
    assert (second == (255, 0, 0, 255)).all()
    many = [Span(k / 1000, k / 1000 + 0.0005, "image") for k in range(10_000)]
    assert len(time_lines({"a": many}, kinds, "Workers")) < 60_000


def test_what_cannot_be_reported_is_said(tmp_path: Path) -> None:
    """An empty directory, an image that is gone, a place that cannot be written to."""
    done = fip("report", tmp_path)
    assert (done.returncode, "no fip.sqlite in it" in done.stderr) == (2, True)
    store_run(tmp_path / "run", count=2)
    done = fip("report", tmp_path / "run", "--output", tmp_path / "nowhere" / "page.html")
    assert (done.returncode, "cannot be written" in done.stderr) == (2, True)
    images(tmp_path / "run")[0].unlink()
    done = fip("report", tmp_path / "run")
    assert (done.returncode, "night-t000000-dirty.fits: not an image" in done.stderr.replace("\n", " ")) == (2, True)


def test_the_sheet_shows_the_transient(run: Path, tmp_path: Path) -> None:
    """The pictures of the images in which it is on show it, and no others."""
    with browser(tmp_path) as (page, _):
        page.goto((run / "report.html").as_uri())
        sources = page.locator(".sheet img").evaluate_all("all => all.map(img => img.src)")
    x, y = TRANSIENT
    light = []
    for number, source in enumerate(sources):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(base64.b64decode(source.partition(",")[2]))
        picture = np.asarray(Image.open(path)).astype(float).mean(axis=2)
        light.append(picture[-1 - y, x])
    shown = [index for index in range(14) if index != 9]
    on = np.array([index in range(*ON) for index in shown])
    full = np.array([index != 2 for index in shown])
    values = np.array(light)
    assert values[on].min() > values[~on & full].max() + 40
