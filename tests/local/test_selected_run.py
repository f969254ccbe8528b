"""Selections through `fip run`, with its real daemons: images against the direct sum over what was picked by hand."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support import small_ms
from support.fip_command import fip, images
from support.table_visibilities import SPEED_OF_LIGHT, Visibilities

SIZE = 256
GRID = ("--size", str(SIZE), "--scale", "8arcsec")


@pytest.fixture(scope="module")
def two_fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve integrations, in turn four of `cal`, four of `target`, four of `cal`; scans 1, 2, 3."""
    path = tmp_path_factory.mktemp("fields") / "two.ms"
    simulate(path, Simulation(antennas=12, channels=8, integrations=12, noise=0.05, flag_fraction=0.02))
    with small_ms.edit(path) as table:
        dump = np.rint((table.getcol("TIME") - table.getcell("TIME", 0)) / 8).astype(int)
        table.putcol("SCAN_NUMBER", (dump // 4 + 1).astype(np.int32))
        table.putcol("FIELD_ID", (dump // 4 % 2).astype(np.int32))
    with small_ms.edit(path / "FIELD") as table:
        table.addrows(1)
        for name in table.colnames():
            if table.iscelldefined(name, 0):
                table.putcell(name, 1, table.getcell(name, 0))
        table.putcol("NAME", ["cal", "my target"])
    return path


def assert_exact(image: Path, visibilities: Visibilities) -> None:
    """The image is the direct sum to epsilon, at its brightest pixels and at some anywhere."""
    data = fits.getdata(image)[0, 0]
    brightest = np.stack(np.unravel_index(np.argsort(data, axis=None)[-20:], data.shape)[::-1], axis=1)
    pixels = np.concatenate([brightest, np.random.default_rng(3).integers(0, SIZE, (200, 2))])
    exact = visibilities.sum_at(image, pixels)
    error = np.linalg.norm(data[pixels[:, 1], pixels[:, 0]] - exact) / np.linalg.norm(exact)
    assert error <= 1e-5, f"{image.name}: {error}"


def channels(visibilities: Visibilities, first: int, last: int) -> NDArray[np.bool_]:
    """Channels from `first` to `last`, [channel]."""
    number = np.arange(visibilities.wavelength.size)
    return (number >= first) & (number <= last)


def test_several_options_together(two_fields: Path, tmp_path: Path) -> None:
    """A field, channels, antennas, lengths in wavelengths, an interval and an average: the sum over just that."""
    output = tmp_path / "out"
    done = fip(
        *("run", two_fields, "--output", output, *GRID, "--field", "cal", "--spw", "0:1~3;6", "--antenna", "!m003"),
        *("--uv-range", "200lambda~6klambda", "--interval", "1~7", "--average", "2"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "two: selected: field cal; spw 0:1~3;6; antenna !m003;" in done.stdout
    names = [image.name for image in images(output)]
    # Integrations 1, 2, 3 of the first scan of `cal` and 4, 5, 6 of the other, in pairs that keep to a scan.
    assert names == [f"two-cal-t{number:06d}-dirty.fits" for number in (1, 3, 4, 6)]
    visibilities = Visibilities(two_fields)
    lengths = np.hypot(*visibilities.uvw[:, :2].T)[:, None] / visibilities.wavelength
    visibilities.keep(channels(visibilities, 1, 3) | channels(visibilities, 6, 6))
    visibilities.keep(~(visibilities.antennas == 3).any(axis=1)[:, None])
    visibilities.keep((visibilities.field == 0)[:, None])
    visibilities.keep((lengths >= 200) & (lengths <= 6000))
    for image, seconds in zip(images(output), (16, 8, 16, 8), strict=True):
        header = fits.getheader(image)
        assert_exact(image, visibilities)
        inside = (visibilities.time > header["MJD-BEG"] * 86400) & (visibilities.time < header["MJD-END"] * 86400)
        assert header["FIPNVIS"] == np.count_nonzero(visibilities.weight[inside])
        assert (header["TELAPSE"], header["XPOSURE"]) == pytest.approx((seconds, seconds), rel=1e-6)
        assert header["OBJECT"] == "cal"
        whole = "field cal; spw 0:1~3;6; antenna !m003; uv_range 200lambda~6000lambda; interval 1~7; average 2"
        assert header["FIPSEL"] == whole[:68]  # as much as a card holds; the comments have it all
        assert " ".join(header["COMMENT"]) == f"selected: {whole}"
        low, high = SPEED_OF_LIGHT / visibilities.wavelength[[1, 6]]
        width = high - low + (high - low) / 5
        assert (header["CRVAL3"], header["CDELT3"]) == pytest.approx(((low + high) / 2, width), rel=1e-9)


def test_one_run_images_all_fields(two_fields: Path, tmp_path: Path) -> None:
    """Each on its own grid under its own name, and one of them alone has the same files."""
    assert fip("run", two_fields, "--output", tmp_path / "all", *GRID).returncode == 0
    names = [f"two-cal-t{n:06d}-dirty.fits" for n in range(8)] + [
        f"two-my_target-t{n:06d}-dirty.fits" for n in range(4)
    ]
    assert [image.name for image in images(tmp_path / "all")] == names
    assert fip("run", two_fields, "--output", tmp_path / "one", *GRID, "--field", "1", "--scan", "2").returncode == 0
    assert [image.name for image in images(tmp_path / "one")] == names[8:]
    for one in images(tmp_path / "one"):
        np.testing.assert_array_equal(fits.getdata(one), fits.getdata(tmp_path / "all" / one.name))
        assert fits.getheader(one)["OBJECT"] == "my target"


def test_quality_is_in_header_ledger_and_summary(two_fields: Path, tmp_path: Path) -> None:
    """Slices that are flagged, noisy or empty are stored and marked; the rest is good."""
    path = tmp_path / "bad.ms"
    small_ms.copy(two_fields, path)
    generator = np.random.default_rng(5)

    with small_ms.edit(path) as table:
        dump = np.rint((table.getcol("TIME") - table.getcell("TIME", 0)) / 8).astype(int)
        data, flag = table.getcol("DATA"), table.getcol("FLAG")
        noise = generator.normal(0, 20, data.shape) + 1j * generator.normal(0, 20, data.shape)
        data[dump == 0] += noise[dump == 0]
        flag[(dump == 1) & (generator.random(dump.size) < 0.7)] = True
        flag[dump == 2] = True
        table.putcol("DATA", data.astype(np.complex64))
        table.putcol("FLAG", flag)
    done = fip("run", path, "--output", tmp_path / "out", *GRID, "--scan", "1~2")
    assert done.returncode == 0
    with sqlite3.connect(tmp_path / "out" / "fip.sqlite") as ledger:
        found = [word for (word,) in ledger.execute("SELECT quality FROM slices ORDER BY slice")]
    in_headers = [fits.getheader(image)["FIPQUAL"] for image in images(tmp_path / "out")]
    assert found[3:] == in_headers[3:] == ["good"] * 5
    assert found[2] == in_headers[2] == "empty"
    assert "flagged" in found[1].split("+")
    assert found[1] == in_headers[1]
    assert (found[0], in_headers[0]) == ("noise", "good")
    assert "2 are of doubtful quality: 1 flagged" in done.stdout
    assert "1 noise" in done.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--field", "3C48"), "--field 3C48"),
        (("--spw", "0:5~1"), "source.spw: '0:5~1': 5~1 is reversed"),
        (("--scan", "1", "--antenna", "!m099"), "--antenna m099"),
        (("--average", "often"), "source.average: 'often'"),
    ],
)
def test_a_selection_of_nothing_is_refused(
    two_fields: Path, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    """Exit 2, one line that names the option, nothing written."""
    done = fip("run", two_fields, *options, cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_another_selection_needs_another_directory(two_fields: Path, tmp_path: Path) -> None:
    """The line has both selections as they were written; the keys of the configuration are the options."""
    config = tmp_path / "fip.toml"
    config.write_text('[source]\nscan = 2\naverage = 2\nfield = "my target"\n')
    output = tmp_path / "out"
    assert fip("run", two_fields, "--output", output, *GRID, "--config", config).returncode == 0
    assert [image.name for image in images(output)] == [f"two-my_target-t{n:06d}-dirty.fits" for n in (0, 2)]
    done = fip("run", two_fields, "--output", output, *GRID, "--scan", "2", "--field", "my target")
    assert done.returncode == 2
    assert "average 2 (now default)" in done.stderr
