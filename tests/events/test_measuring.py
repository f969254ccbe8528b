"""What is measured of an event, and its folder: on real dirty images of a flare between pixels."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS

from fip.archive.lightcurve import stored_entries
from fip.data.errors import NoRoomError, UsageError
from fip.events.describing import as_json, as_lines, event_of, told_in_words
from fip.events.event_page import event_page
from fip.events.folder import write_event
from fip.events.measuring import Measured
from fip.events.words import Found
from support.browser import browser, keep
from support.fip_command import fip, images
from support.measured_run import (
    BANDS,
    CADENCE,
    INDEX,
    LEAKAGE,
    ON,
    PLACE,
    RUN,
    SCALE,
    SIDE,
    SIGMA,
    flare_found,
    store_flare,
)  # fmt: skip

COUNT = 30
BEAM = 1800.0  # arcsec, the primary beam at half power
FILES = ["cutout.fits", "event.json", "event.png", "index.html", "light.ecsv"]


Written = tuple[Path, Measured, Path]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A directory, what was measured, and the folder of the event."""
    directory = tmp_path_factory.mktemp("flare")
    store_flare(directory, COUNT, ON, SIGMA, missing=(20,), primary_beam=f"gaussian:{BEAM}arcsec")
    found = flare_found(directory, labels=("edge",))
    return directory, write_event(directory, found, stored_entries(directory)), directory / "transients" / found.id


def gain(frequency: float) -> float:
    """Return the gain of the primary beam at the place of the flare."""
    away = math.asin(math.hypot(PLACE[0] - SIDE / 2, PLACE[1] - SIDE / 2) * SCALE)
    return float(np.exp(-4 * math.log(2) * (math.degrees(away) * 3600 / BEAM * frequency / BANDS[1]) ** 2))


def test_it_is_measured_in_every_image_plane_and_sub_band(written: Written) -> None:
    """Before, during and after: what is there, within the noise given; what is not stored is no row."""
    _, _, folder = written
    light = QTable.read(folder / "light.ecsv")
    assert list(light["slice"]) == [number for number in range(COUNT) if number != 20]
    on = np.array(light["on"])
    assert list(np.array(light["slice"])[on]) == list(ON)
    pulls = []
    for plane, share in (("I", 1.0), ("V", LEAKAGE)):
        for band, frequency in ((0, BANDS[1]), *enumerate(BANDS, 1)):
            end = f"_{band}" * bool(band)
            flux, error = (light[f"{name}_{plane}{end}"].to_value("Jy/beam") for name in ("flux", "error"))
            true = np.where(on, share * (frequency / BANDS[1]) ** INDEX, 0.0)
            pulls.append((flux - true) / error)
            assert np.median(error) == pytest.approx(SIGMA * (math.sqrt(3) if band else 1), rel=0.15)
            corrected = light[f"corrected_{plane}{end}"].to_value("Jy/beam")
            assert corrected == pytest.approx(flux / gain(frequency), rel=0.003)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.15)
    assert light["frequency_2"][0].to_value("Hz") == pytest.approx(BANDS[1], rel=1e-3)


def test_its_facts_are_those_of_the_flare(written: Written) -> None:
    """The JSON has place and times with errors, fluxes, spectral index, and the keys of `fip events --json`."""
    directory, measured, folder = written
    told = json.loads((folder / "event.json").read_text())
    assert told.keys() >= {
        "id", "kind", "labels", "ra", "dec", "begin", "end", "first", "last", "snr", "flux", "stokes",
    }  # fmt: skip
    assert (told["id"], told["labels"]) == (measured.found.id, ["edge"])
    there = WCS(fits.getheader(images(directory)[0])).celestial.pixel_to_world(*PLACE)
    assert there.separation(SkyCoord(told["ra"], told["dec"], unit="deg")).arcsec < 1e-3
    assert (told["images"], told["images_on"]) == (COUNT - 1, len(ON))
    error = SIGMA / math.sqrt(len(ON))
    assert error < told["forced"]["error"] < 1.5 * error  # sidelobes of the flare are part of it
    assert told["forced"]["value"] == pytest.approx(1.0, abs=4 * error)
    assert told["unbiased"]["value"] == pytest.approx(
        math.sqrt(told["forced"]["value"] ** 2 - 2.8 * told["forced"]["error"] ** 2)
    )
    assert told["corrected"]["value"] == pytest.approx(told["unbiased"]["value"] / gain(BANDS[1]), rel=0.003)
    # The beam is narrower at higher frequencies: what it does is taken out of the index.
    assert told["spectrum_of"] == "corrected"
    light = QTable.read(folder / "light.ecsv")
    light = light[light["on"]]
    for band, each in enumerate(told["spectrum"], 1):
        flux, error = light[f"corrected_I_{band}"].value, light[f"error_I_{band}"].value
        assert each["value"] == pytest.approx(np.average(flux, weights=error**-2.0), rel=1e-6)
    index = INDEX - (math.log(gain(BANDS[2])) - math.log(gain(BANDS[0]))) / math.log(BANDS[2] / BANDS[0])
    assert told["spectral_index"]["value"] == pytest.approx(index, abs=4 * told["spectral_index"]["error"])
    assert told["spectral_index"]["error"] < 4
    assert told["time_err"] == pytest.approx(CADENCE / 2 / told["snr"])
    assert 0 < told["dec_err"] * 3600 < 10 / told["snr"] * 4


def test_a_cut_out_has_the_flare_in_its_middle(written: Written) -> None:
    """65 pixels a side, with coordinates, times and S/N; the rest of a cut-out at the edge is blank."""
    directory, _, folder = written
    with fits.open(folder / "cutout.fits") as file:
        cube, snr, times = file[0].data, file["SNR"].data, file["TIMES"].data
        header = file[0].header
    assert cube.shape == snr.shape == (8 + len(ON) + 8, 65, 65)
    assert list(times["SLICE"][times["ON"]]) == list(ON)
    column, row = round(PLACE[0]), round(PLACE[1])
    for number, slice_ in enumerate(times["SLICE"]):
        pixels = fits.getdata(directory / f"flare-t{slice_:06d}-dirty.fits")[0, 0]
        assert cube[number, 32, 32] == pixels[row, column]
        assert cube[number, 32 - 5, 32 + 3] == pixels[row - 5, column + 3]
    assert snr[~times["ON"], 32, 32] == pytest.approx(0.0, abs=5)
    assert np.isnan(cube[:, :, 32 + SIDE - column :]).all()
    where = WCS(header).celestial.pixel_to_world(32 + PLACE[0] - column, 32 + PLACE[1] - row)
    there = WCS(fits.getheader(images(directory)[0])).celestial.pixel_to_world(*PLACE)
    assert where.separation(there).arcsec < 1e-3


def test_to_write_it_again_changes_nothing(written: Written) -> None:
    """Whole files, byte for byte, and nothing beside them."""
    directory, measured, folder = written
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(first) == FILES
    write_event(directory, measured.found, stored_entries(directory))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_what_is_always_there_is_taken_off_if_the_search_did_so(tmp_path: Path) -> None:
    """A steady source at the place of the event is no part of its flux; images that are gone are named."""
    store_flare(tmp_path, 20, on=range(20), sigma=SIGMA, stokes=("I",))
    gone = images(tmp_path)[3]
    gone.unlink()
    measured = write_event(tmp_path, flare_found(tmp_path, "running"), stored_entries(tmp_path))
    assert measured.left_out == (gone.name,)
    assert measured.steady is not None and measured.flux is not None
    assert measured.steady.value == pytest.approx(1.0, abs=4 * measured.steady.error)
    assert measured.flux.value == pytest.approx(0.0, abs=4 * measured.flux.error)
    assert measured.corrected is None
    (folder,) = (tmp_path / "transients").iterdir()
    assert abs(fits.getdata(folder / "cutout.fits")[:, 32, 32]).max() < 6 * SIGMA


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    store_flare(tmp_path, 3, on=(1,), sigma=SIGMA, stokes=("I",))
    (tmp_path / "transients").write_text("a file")
    with pytest.raises(NoRoomError, match="cannot be written"):
        write_event(tmp_path, flare_found(tmp_path), stored_entries(tmp_path))


def list_event(directory: Path, found: Found, name: str = "") -> None:
    """Enter an event into the table of events, as a search does."""
    path, best = directory / "transients" / "events.ecsv", found.event.best
    row = {
        "id": name or found.id, "kind": found.kind, "labels": " ".join(found.labels),
        "ra": 154.956, "dec": -45.016, "ra_err": 1e-4, "dec_err": 1e-4,
        "begin": "2020-06-27T18:41:36.000000", "end": "2020-06-27T18:42:08.000000", "first": ON[0], "last": ON[-1],
        "snr": best.snr, "flux": best.flux, "stokes": "I", "field": "", "run": RUN,
    }  # fmt: skip
    rows = (
        [dict(zip(old.colnames, each, strict=True)) for old in [QTable.read(path)] for each in old]
        if path.exists()
        else []
    )
    path.parent.mkdir(exist_ok=True)
    QTable(rows=[*rows, row]).write(path, overwrite=True)


def test_fip_event_tells_all_that_is_known(written: Written) -> None:
    """Both text and JSON; one that was not measured has what the table has; a wrong name gets the near ones."""
    directory, measured, folder = written
    list_event(directory, measured.found)
    list_event(directory, measured.found, "89aabbcc-I-000025-4")
    said = fip("event", directory, measured.found.id)
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert lines[0] == f"{measured.found.id}: transient, but edge"
    for part in (
        "  against it  edge: it is at the edge of what is imaged",
        "  place       ICRS 10h19m49.4", " arcsec north, by noise",
        "  time        2020-06-27T18:41:36.000 to 2020-06-27T18:42:08.000 UTC, +- 0.2 s; slices 12 to 15",
        "  forced      0.9832 +- 0.054 Jy/beam, apparent, in 4 images that show it",
        "  corrected   0.99", " of the primary beam", "  spectrum    1200 MHz: ", "  index       ",
        *(str(folder / name) for name in FILES),
    ):  # fmt: skip
        assert part in said.stdout, part
    told = json.loads(as_json(event_of(directory, measured.found.id[:-2])))
    assert told["unbiased"] == json.loads((folder / "event.json").read_text())["unbiased"]
    assert told["files"]["light.ecsv"] == str(folder / "light.ecsv")
    assert any("measured    not yet" in line for line in as_lines(event_of(directory, "89aabbcc-I-000025-4")))
    (directory / "transients" / "89aabbcc-I-000025-4").mkdir()
    (directory / "transients" / "89aabbcc-I-000025-4" / "event.json").write_text("{}")
    with pytest.raises(UsageError, match=r"event.json: cannot be read: it does not have what .*`fip detect` writes it"):
        event_of(directory, "89aabbcc-I-000025-4")
    for wrong, said_ in (
        (
            "89aabbcc-I-000013-3",
            rf"has no event .*; near that are {measured.found.id}, 89aabbcc-I-000025-4; `fip events",
        ),
        ("89aabbcc", r"has 2 events whose names begin with 89aabbcc, as .*: give all of it"),
    ):
        with pytest.raises(UsageError, match=said_):
            event_of(directory, wrong)


def test_its_page_says_it_without_anything_beside(written: Written, tmp_path: Path) -> None:
    """One file: picture, labels in words, what `fip event` says, light curve; links to the files; nothing that runs."""
    folder = written[-1]
    html = (folder / "index.html").read_text()
    assert "<script" not in html
    assert "default-src 'none'" in html
    links = re.findall(r"(?:src|href)=\"([^\"]+)\"", html)
    assert sorted(link for link in links if not link.startswith("data:")) == [
        name for name in FILES if name != "index.html"
    ]
    with browser(tmp_path, 1240, 900, "dark") as (page, errors):
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((folder / "index.html").as_uri())
        assert page.locator("img").evaluate("img => img.complete && img.naturalWidth > 0")
        text = " ".join(page.locator("body").inner_text().split())
        assert "Transient of S/N 20.0, 2020-06-27T18:41:36 UTC. Something speaks against it:" in text
        assert "edge: it is at the edge of what is imaged, which shows no maximum there" in text
        for name, told in told_in_words({**json.loads((folder / "event.json").read_text()), "files": {}}):
            assert name == "against it" or f"{name} {told}" in text, name
        keep(page, "event-dark", tmp_path, whole=True)
        page.emulate_media(color_scheme="light")
        page.locator("summary").click()
        assert page.locator("details tbody tr").count() == COUNT - 1
        keep(page, "event", tmp_path, whole=True)
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        assert errors == []


def test_what_came_from_outside_is_text_on_its_page(written: Written) -> None:
    """A name or a label that wants to be markup, and a label that this version does not know."""
    _, measured, folder = written
    told = json.loads((folder / "event.json").read_text())
    hostile = told | {"id": "<script>alert(1)</script>", "labels": ["<b>x</b>"], "closed": False}
    html = event_page(hostile, measured, b"").decode()
    assert "<script" not in html and "<b>x" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "&lt;b&gt;x&lt;/b&gt;</b>: not known to this version" in html
    assert "It goes on, or its run was broken off." in html
