"""`fip inject`: a copy with sources added, which is known for one whatever is made of it."""

import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from casacore.tables import table
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.quantities import SPEED_OF_LIGHT
from fip.simulation.injected_ms import inject
from fip.simulation.injecting import Injecting, parse_numbers
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support.fip_command import fip, images

CENTRE = (math.radians(155.0), math.radians(-45.0))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MeasurementSet of 12 integrations."""
    path = tmp_path_factory.mktemp("original") / "a.ms"
    simulate(path, Simulation(antennas=14, channels=4, integrations=12, transient=0.0, flag_fraction=0.0, seed=5))
    return path


def column(path: Path | str, name: str) -> NDArray[Any]:
    """A whole column of a table; subtables as PATH::NAME."""
    with table(str(path), ack=False) as opened:
        return np.asarray(opened.getcol(name))


def digests(path: Path) -> dict[str, str]:
    """Return the digest of each file below a folder."""
    return {str(each): hashlib.sha256(each.read_bytes()).hexdigest() for each in path.rglob("*") if each.is_file()}


def lmn(ra: float, dec: float) -> NDArray[np.float64]:
    """l, m, n - 1 of a direction (deg, ICRS) about the phase centre, which is of J2000: some mas away."""
    there = SkyCoord(ra, dec, unit="deg").fk5
    a, d, (a0, d0) = there.ra.rad, there.dec.rad, CENTRE
    east, north = (
        math.cos(d) * math.sin(a - a0),
        math.sin(d) * math.cos(d0) - math.cos(d) * math.sin(d0) * math.cos(a - a0),
    )
    return np.array([east, north, math.sqrt(1 - east**2 - north**2) - 1])


def expected(path: Path, sources: Table) -> NDArray[np.complex128]:
    """What the sources add, [row, channel, correlation]: the sum by the formula, as linear feeds see it."""
    uvw, time = column(path, "UVW"), column(path, "TIME")
    frequency = column(f"{path}::SPECTRAL_WINDOW", "CHAN_FREQ")[0]
    slices = np.unique(time, return_inverse=True)[1]
    hands = {"I": (1, 0, 0, 1), "V": (0, 1j, -1j, 0)}
    out = np.zeros((len(uvw), len(frequency), 4), complex)
    for each in sources:
        path_ = uvw @ lmn(each["ra"], each["dec"])
        seen = np.exp(2j * np.pi * path_[:, None] * frequency / SPEED_OF_LIGHT)
        seen = seen * each["flux"] * (frequency / 1.284e9) ** each["index"]
        seen[(slices < each["first"]) | (slices > each["last"])] = 0
        out += seen[..., None] * np.array(hands[each["stokes"]])
    return out


@pytest.mark.parametrize("stokes", ["I", "V"])
def test_visibilities_are_those_of_the_sources_that_are_listed_and_the_original_stays(
    original: Path, tmp_path: Path, stokes: str
) -> None:
    before = digests(original)
    asked = Injecting(6, None, (0.5, 2.0), (1, 5), stokes, (-2.0, 2.0), 3)
    listing = inject(original, tmp_path / "b.ms", asked)
    assert digests(original) == before
    sources = Table.read(listing, format="ascii.ecsv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.injected.ecsv", "b.ms"]
    added = column(tmp_path / "b.ms", "DATA") - column(original, "DATA").astype(complex)
    np.testing.assert_allclose(added, expected(original, sources), atol=2e-4)
    for name in ("FLAG", "WEIGHT", "MODEL_DATA", "UVW", "TIME"):
        assert np.array_equal(column(tmp_path / "b.ms", name), column(original, name))
    assert len(sources) == 6
    assert set(sources["stokes"]) == {stokes}
    assert (np.sign(sources["flux"]).min() < 0) == (stokes == "V")
    assert np.all((sources["width"] >= 1) & (sources["width"] <= 5))
    assert np.all(sources["last"] - sources["first"] + 1 == sources["width"])
    if stokes == "V":  # the same seed puts the same in
        assert inject(original, tmp_path / "c.ms", asked).read_text() == listing.read_text()


def test_its_images_say_so_are_not_listed_and_nothing_seen_in_them_is_told(original: Path, tmp_path: Path) -> None:
    told = fip("inject", original, "--output", tmp_path / "b.ms", "--count", 2, "--snr", "60", "--widths", "3",
               "--size", 192, "--seed", 2)  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert f"a copy with 2 sources; they are listed in {tmp_path / 'b.injected.ecsv'}" in told.stdout
    made = fip("run", tmp_path / "b.ms", "--output", tmp_path / "b.fip", "--subtract-model", "--size", 192)
    assert made.returncode == 0, made.stderr
    assert "sources were added to it by fip inject" in (tmp_path / "b.fip" / "fip.log").read_text()
    assert len(images(tmp_path / "b.fip")) == 12
    assert all(fits.getheader(path)["FIPINJ"] is True for path in images(tmp_path / "b.fip"))
    assert (tmp_path / "b.fip" / "images.txt").read_text() == ""
    assert fip("detect", tmp_path / "b.fip").returncode == 0
    events = json.loads(fip("events", tmp_path / "b.fip", "--json").stdout)
    assert all("injection" in event["labels"] for event in events)
    stored = Table.read(tmp_path / "b.fip" / "transients" / "events.ecsv", format="ascii.ecsv")
    assert all("injection" in labels.split() for labels in stored["labels"])
    sources = Table.read(tmp_path / "b.injected.ecsv", format="ascii.ecsv")
    places = SkyCoord([event["ra"] for event in events], [event["dec"] for event in events], unit="deg")
    for each in sources:
        near = places.separation(SkyCoord(each["ra"], each["dec"], unit="deg")).arcsec < 3
        (event,) = [event for event, is_near in zip(events, near, strict=True) if is_near]
        assert (event["first"], event["last"]) == (each["first"], each["last"])
        assert event["flux"] == pytest.approx(each["flux"], rel=0.1)


def test_the_run_is_another_one_than_that_of_the_original(original: Path, tmp_path: Path) -> None:
    """Times, antennas and windows are the same: a directory of the one would go on with the other."""
    from fip.data.settings import asked
    from fip.source.open_run import open_run

    inject(original, tmp_path / "b.ms", Injecting(1, (8.0, 8.0)))
    ids = []
    for path in (original, tmp_path / "b.ms"):
        run = open_run(path, asked())
        ids.append((run.id, *(each.injected for each in run.observations.values())))
        run.close()
    assert ids[0][0] != ids[1][0]
    assert (ids[0][1], ids[1][1]) == (False, True)


def test_a_reference_to_rows_of_another_set_is_copied_and_that_stays(original: Path, tmp_path: Path) -> None:
    whole, some = tmp_path / "whole.ms", tmp_path / "some.ms"
    shutil.copytree(original, whole)
    with table(str(whole), ack=False) as opened, opened.query("ANTENNA1 < 6") as query:
        query.copy(str(some), deep=False).close()
    before = digests(whole)
    listing = inject(some, tmp_path / "b.ms", Injecting(2, None, (1.0, 1.0), (2, 2)))
    assert digests(whole) == before
    added = column(tmp_path / "b.ms", "DATA") - column(some, "DATA").astype(complex)
    sources = Table.read(listing, format="ascii.ecsv")
    np.testing.assert_allclose(added, expected(tmp_path / "b.ms", sources), atol=2e-4)


def test_corrected_data_has_the_sources_too(original: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.ms"
    shutil.copytree(original, both)
    with table(str(both), readonly=False, ack=False) as opened:
        description = opened.getcoldesc("DATA") | {"name": "CORRECTED_DATA", "comment": ""}
        description["dataManagerGroup"] = "Corrected"
        opened.addcols({"CORRECTED_DATA": description})
        opened.putcol("CORRECTED_DATA", 2 * opened.getcol("DATA"))
    inject(both, tmp_path / "b.ms", Injecting(2, None, (1.0, 1.0), (2, 2)))
    added = [column(tmp_path / "b.ms", name) - column(both, name) for name in ("DATA", "CORRECTED_DATA")]
    assert np.abs(added[0]).max() > 0.9
    np.testing.assert_allclose(added[1], added[0], atol=1e-4)


def test_a_snr_is_that_by_the_noise_of_images(original: Path, tmp_path: Path) -> None:
    """Natural weights, 91 baselines of 4 channels and 2 hands, 0.5 Jy each."""
    listing = inject(original, tmp_path / "b.ms", Injecting(20, (5.0, 12.0), None, (1, 12)))
    sources = Table.read(listing, format="ascii.ecsv")
    noise = 0.5 / math.sqrt(91 * 4 * 2 * 12 / 14)  # one of 14 antennas is flagged: 78 of 91
    by_flux = sources["flux"] * np.sqrt(sources["width"]) / noise
    assert np.asarray(by_flux / sources["snr"]) == pytest.approx(1, abs=0.12)
    assert 5 <= min(sources["snr"]) < max(sources["snr"]) <= 12


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"flux": (1.0, 1.0), "snr": (5.0, 5.0)}, "--snr and --flux: give one of them"),
        ({}, "--snr and --flux: give one of them"),
        ({"flux": (-1.0, 1.0)}, "--flux: more than 0 is needed"),
        ({"snr": (5.0, 5.0), "widths": (0.0, 3.0)}, "--widths: whole numbers from 1 on are needed, as 1~64"),
        ({"snr": (5.0, 5.0), "widths": (1.5, 3.0)}, "--widths: whole numbers from 1 on are needed, as 1~64"),
        ({"snr": (5.0, 5.0), "stokes": "XX"}, "--stokes XX: give one of I, Q, U, V"),
        ({"snr": (5.0, 5.0), "count": 0}, "--count 0: 1 to 100000 is needed"),
        ({"snr": (5.0, 5.0), "index": (0.0, 11.0)}, "--spectral-index: -10 to 10 is needed"),
    ],
)
def test_what_cannot_be_put_in_is_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        Injecting(**asked)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("there.ms", "there.ms exists; nothing is overwritten: choose another name"),
        ("listed.ms", "listed.injected.ecsv exists; nothing is overwritten"),
        ("no/where.ms", "no does not exist"),
        ("mine.ms", "mine.ms.partial is in the way: move it"),
    ],
)
def test_nothing_is_overwritten(original: Path, tmp_path: Path, output: str, said: str) -> None:
    (tmp_path / "there.ms").mkdir()
    (tmp_path / "mine.ms.partial").mkdir()
    (tmp_path / "listed.injected.ecsv").touch()
    with pytest.raises(UsageError) as refused:
        inject(original, tmp_path / output, Injecting(1, (8.0, 8.0)))
    assert said in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["listed.injected.ecsv", "mine.ms.partial", "there.ms"]


def test_a_wrong_option_is_one_line(original: Path, tmp_path: Path) -> None:
    refused = fip("inject", original, "--output", tmp_path / "b.ms", "--snr", "much")
    assert (refused.returncode, refused.stderr) == (2, "fip: --snr: 'much' is no number or range, as 8 or 5~12\n")


def test_a_copy_that_is_not_whole_is_not_there(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy is checked in the end; here it would not be known for one."""
    monkeypatch.setattr("fip.simulation.injected_ms.INJECTED", "REAL")
    with pytest.raises(UsageError, match="OBSERVATION"):
        inject(original, tmp_path / "b.ms", Injecting(1, (8.0, 8.0)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "ends"), [("8", (8.0, 8.0)), ("5~12", (5.0, 12.0)), ("-1~0.5", (-1.0, 0.5))])
def test_numbers_and_ranges(text: str, ends: tuple[float, float]) -> None:
    assert parse_numbers(text) == ends


@pytest.mark.parametrize("text", ["", "~", "5~", "9~3", "nan", "1~inf", "a~b"])
def test_what_is_no_number_or_range(text: str) -> None:
    with pytest.raises(ValueError, match="is no number or range"):
        parse_numbers(text)
