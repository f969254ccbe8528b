"""`fip run` as a user starts it: the real command, real daemons, real files."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from numpy.typing import NDArray

from support.fip_command import fip, images
from support.table_visibilities import Array, Visibilities

SIZE = 1200  # pixels; the fifth source is 1140" from the centre
GRID = ("--size", str(SIZE), "--scale", "2arcsec")


@pytest.fixture(scope="module")
def imaged(simulated_ms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small simulated observation, imaged."""
    output = tmp_path_factory.mktemp("imaged") / "out"
    done = fip("run", simulated_ms, "--output", output, *GRID)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 of 10 images" in done.stdout
    assert "spectral compression: 32 channels to" in done.stdout
    return output


def test_every_image_is_the_fourier_sum_of_its_slice(imaged: Path, simulated_ms: Path) -> None:
    """Each FITS agrees with a direct sum over its integration to epsilon, at edges, corners, sources and elsewhere."""
    random = np.random.default_rng(2)
    visibilities = Visibilities(simulated_ms)
    for image in images(imaged):
        data = fits.getdata(image)[0, 0]
        brightest = np.stack(np.unravel_index(np.argsort(data, axis=None)[-20:], data.shape)[::-1], axis=1)
        edges = [(x, y) for x in (0, 1, SIZE // 2, SIZE - 1) for y in (0, SIZE // 2, SIZE - 2, SIZE - 1)]
        pixels = np.concatenate([brightest, edges, random.integers(0, SIZE, (200, 2))])
        exact = visibilities.sum_at(image, pixels)
        error = np.linalg.norm(data[pixels[:, 1], pixels[:, 0]] - exact) / np.linalg.norm(exact)
        assert error <= 1e-5, f"{image.name}: {error}"


def test_file_names_count_the_integrations(imaged: Path) -> None:
    """One file for each integration, listed in time order, and nothing half-written beside them."""
    names = [f"sim-t{index:06d}-dirty.fits" for index in range(10)]
    assert [image.name for image in images(imaged)] == names
    assert (imaged / "images.txt").read_text().split() == names
    others = {path.name for path in imaged.iterdir()} - set(names)
    assert others == {"images.txt", "fip.sqlite", "fip.log", ".fip.lock"}


def test_the_ledger_lists_what_is_stored(imaged: Path) -> None:
    """The ledger has each file with its size, once, whichever attempt it was: of a slow start a second copy is sent."""
    with sqlite3.connect(imaged / "fip.sqlite") as ledger:
        rows = ledger.execute("SELECT file, bytes, state FROM slices ORDER BY slice").fetchall()
    assert [(name, size) for name, size, _ in rows] == [(i.name, i.stat().st_size) for i in images(imaged)]
    assert {state for _, _, state in rows} == {"stored"}


def test_sources_are_where_and_as_bright_as_they_should_be(imaged: Path, simulated_ms: Path) -> None:
    """Each source that is on, the others taken away, peaks at its place to 0.05 pixel with its flux to the noise.

    The transient is there only while it is on.
    """
    visibilities, truth = Visibilities(simulated_ms), Table.read(simulated_ms.with_suffix(".truth.ecsv"))
    for number, image in enumerate(images(imaged)):
        data, header = fits.getdata(image)[0, 0], fits.getheader(image)
        places = np.stack(WCS(header).celestial.all_world2pix(truth["ra"], truth["dec"], 0), axis=1)
        on = (truth["first"] <= number) & (number < truth["end"])
        noise = thermal_noise(visibilities, header)
        for source, place in enumerate(places):
            others = truth[on & (np.arange(len(truth)) != source)]
            pixels = np.rint(place).astype(int) + np.argwhere(np.ones((3, 3))) - 1
            stamp = data[pixels[:, 1], pixels[:, 0]] - visibilities.sum_at(image, pixels, others)
            if on[source]:
                np.testing.assert_allclose(quadratic_peak(pixels, stamp), place, atol=0.05)
                alone = visibilities.sum_at(image, pixels, truth[[source]])
                flux = truth["I"][source] * (stamp @ alone) / (alone @ alone)
                assert flux == pytest.approx(truth["I"][source], abs=5 * noise)
            else:
                assert np.abs(stamp).max() < 5 * noise


def thermal_noise(visibilities: Visibilities, header: fits.Header) -> float:
    """Noise of an image, Jy/beam: weights are inverse variances of the real part, as the simulator writes them."""
    within = np.abs(visibilities.time / 86400 - header["MJD-AVG"]) < 1e-5
    return float(1 / np.sqrt(visibilities.weight[within].sum()))


def quadratic_peak(pixels: NDArray[np.int64], values: Array) -> Array:
    """Place (x, y) of the peak of a paraboloid through the values at pixels around it."""
    origin = pixels.mean(axis=0)
    x, y = (pixels - origin).T
    _, bx, by, cxx, cxy, cyy = np.linalg.lstsq(
        np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1), values, rcond=None
    )[0]
    peak: Array = origin + np.linalg.solve([[2 * cxx, cxy], [cxy, 2 * cyy]], [-bx, -by])
    return peak


def brightest(image: Path) -> tuple[SkyCoord, float]:
    """Return the place at which an image is brightest, and how bright in units of its noise."""
    data, header = fits.getdata(image)[0, 0], fits.getheader(image)
    y, x = np.unravel_index(np.nanargmax(data), data.shape)
    return WCS(header).celestial.pixel_to_world(x, y), float(data[y, x] / header["RMS"])


def test_a_real_burst_is_where_the_catalogue_has_it(real_ms: Callable[[str], Path], tmp_path: Path) -> None:
    """FRB 121102 in one image of all eight windows, with nothing asked for but the calibrated column."""
    output = tmp_path / "out"
    done = fip("run", real_ms("vla_frb121102"), "--column", "CORRECTED_DATA", "--output", output)
    assert done.returncode == 0, done.stderr
    (image,) = images(output)
    place, signal = brightest(image)
    assert place.separation(SkyCoord(82.9945, 33.1479, unit="deg")).arcsec < 0.5
    assert signal > 100


def test_a_real_calibrator_is_at_its_place_in_every_integration(real_ms: Callable[[str], Path], tmp_path: Path) -> None:
    """GMRT's 1543+480, 1.3 arcsec west and 2.7 north of the phase centre, in each of 15 images."""
    output = tmp_path / "out"
    done = fip("run", real_ms("gmrt_1543p480"), "--output", output, "--size", "512")
    assert done.returncode == 0, done.stderr
    assert len(images(output)) == 15
    for image in images(output):
        place, signal = brightest(image)
        header = fits.getheader(image)
        centre = SkyCoord(header["CRVAL1"], header["CRVAL2"], unit="deg", frame=place.frame.name)
        east, north = centre.spherical_offsets_to(place)
        np.testing.assert_allclose([east.arcsec, north.arcsec], [-1.3, 2.7], atol=1.5)  # a pixel is 1 arcsec
        assert signal > 15
