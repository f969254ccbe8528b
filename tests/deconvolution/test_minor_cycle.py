"""The minor cycle: sources with power laws over an octave come off, and what is left is noise."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.data.values import Grid
from fip.deconvolution.clark import deepened, minor_cycle, peak_of
from fip.deconvolution.spectra import fitted
from fip.deconvolution.values import Deep, Points, beside, no_points, noise_of

SIDE = 64
FREQUENCY = np.array([9e8, 1.1e9, 1.3e9, 1.5e9])
WEIGHT = np.array([4.0, 3.0, 3.0, 2.0])
GRID = Grid(SIDE, SIDE, 1e-5, 0.1, 0.2, "ICRS")
EVERYWHERE = np.ones((SIDE, SIDE), bool)
SOURCES = (((20, 30), 1.0, -0.7), ((40, 12), 0.5, 0.3), ((33, 50), -0.2, -1.5))  # (y, x), Jy at the reference, index
NOISE = 1e-3  # Jy/beam, of the whole band

PLANE = NDArray[np.complex128]


def _transfers(seed: int) -> list[NDArray[np.float64]]:
    """Return, for each band, the weights of random baselines on the plane of twice the image; their sum is 1."""
    drawn = np.random.default_rng(seed)
    base = drawn.normal(0, 6, (300, 2))
    planes = []
    for frequency in FREQUENCY:
        plane = np.zeros((2 * SIDE, 2 * SIDE))
        for u, v in np.rint(2 * base * frequency / 1.2e9).astype(int):
            plane[v, u] += 1
            plane[-v, -u] += 1
        planes.append(plane / plane.sum())
    return planes


def _seen(sky: NDArray[np.float64], transfer: NDArray[np.float64]) -> NDArray[np.float64]:
    """A sky [y, x] as an image with these weights: exact, and of all pixels at any distance."""
    wide = np.zeros((2 * SIDE, 2 * SIDE))
    wide[:SIDE, :SIDE] = sky
    full = np.fft.ifft2(np.fft.fft2(wide) * transfer * transfer.size).real
    return full[:SIDE, :SIDE]


def _deep(fluxes: NDArray[np.float64], noise: float, seed: int = 3) -> Deep:
    """An image of fluxes [band, y, x] with noise that is seen as sources are; `noise` of the whole band."""
    drawn = np.random.default_rng(8)
    planes = []
    for flux, transfer, weight in zip(fluxes, _transfers(seed), WEIGHT, strict=True):
        white = np.fft.fft2(drawn.normal(size=(2 * SIDE, 2 * SIDE)))
        made = np.fft.ifft2(white * np.sqrt(transfer)).real[:SIDE, :SIDE]
        made *= noise * np.sqrt(WEIGHT.sum() / weight) / made.std()
        planes.append(_seen(flux, transfer) + made)
    return Deep(GRID, np.array(planes, np.float32), WEIGHT, FREQUENCY)


def _psf() -> Deep:
    point = np.zeros((len(FREQUENCY), SIDE, SIDE))
    point[:, SIDE // 2, SIDE // 2] = 1
    return _deep(point, 0.0)


def _fluxes(reference: float) -> NDArray[np.float64]:
    fluxes = np.zeros((len(FREQUENCY), SIDE, SIDE))
    for (y, x), flux, index in SOURCES:
        fluxes[:, y, x] = flux * (FREQUENCY / reference) ** index
    return fluxes


def _of(points: Points, place: tuple[int, int]) -> tuple[float, float]:
    """Flux and index of the points about a place: a source is shared out among pixels that the beam cannot separate."""
    y, x = np.divmod(points.place, SIDE)
    here = (abs(y - place[0]) <= 2) & (abs(x - place[1]) <= 2)
    return float(points.flux[here].sum()), float(np.average(points.index[here], weights=points.flux[here]))


def _without(points: Points, image: Deep) -> Deep:
    """What a major cycle would leave of an image: its points taken off exactly."""
    planes = image.planes.copy()
    for band, transfer in enumerate(_transfers(3)):
        sky = np.zeros(SIDE * SIDE)
        sky[points.place] = points.flux * (FREQUENCY[band] / points.reference) ** points.index
        planes[band] -= _seen(sky.reshape(SIDE, SIDE), transfer).astype(np.float32)
    return Deep(GRID, planes, WEIGHT, FREQUENCY)


def test_power_laws_over_an_octave_come_off_to_the_noise() -> None:
    empty = _deep(np.zeros((len(FREQUENCY), SIDE, SIDE)), NOISE)
    image = _deep(_fluxes(empty.reference), NOISE)
    psf = _psf()
    points, left = no_points(image.reference), image
    for _ in range(5):
        noise, peak = noise_of(left.whole), peak_of(left, EVERYWHERE)
        if 0.1 * peak > 5 * noise:
            points = minor_cycle(left, psf, points, EVERYWHERE, 0.1 * peak, noise).points
        else:
            points = deepened(left, psf, points, EVERYWHERE, 5 * noise, noise)
        left = _without(points, image)
    logs = np.log(FREQUENCY / image.reference)
    spread = np.sqrt(np.average((logs - np.average(logs, weights=WEIGHT)) ** 2, weights=WEIGHT))
    for place, flux, index in SOURCES:
        got = _of(points, place)
        # 5 of its standard deviations: noise, and of a slope that over the spread of ln f
        assert got[0] == pytest.approx(flux, abs=5 * NOISE)
        assert got[1] == pytest.approx(index, abs=5 * NOISE / abs(flux) / spread)
    assert peak_of(left, EVERYWHERE) <= 6 * NOISE
    assert noise_of(left.whole) < 1.1 * noise_of(empty.whole)


def test_a_mask_keeps_points_out() -> None:
    image = _deep(_fluxes(1.2e9), NOISE)
    allowed = np.zeros((SIDE, SIDE), bool)
    allowed[20, 30] = True
    found = minor_cycle(image, _psf(), no_points(image.reference), allowed, 0.1, NOISE)
    assert found.points.place.tolist() == [20 * SIDE + 30]


def test_a_psf_that_is_not_of_the_image_is_noticed() -> None:
    image, psf = _deep(_fluxes(1.2e9), NOISE), _psf()
    wrong = Deep(GRID, -psf.planes, WEIGHT, FREQUENCY)
    assert minor_cycle(image, wrong, no_points(image.reference), EVERYWHERE, 0.01, NOISE).diverged


def test_a_step_stays_near_the_index_so_far() -> None:
    ones, logs = np.ones(4), np.log(FREQUENCY / 1.2e9)
    share = np.full(4, 0.25)
    d0, d1 = fitted(1 + 50 * logs, share, ones, logs, 2, 1.0)
    assert abs(d1) == 2 * abs(d0 + 1)
    assert fitted(1 + 0.5 * logs, share, ones, logs, 2, 1.0) == pytest.approx((1, 0.5))
    assert fitted(1 + 0.5 * logs, share, ones, logs, 1, 1.0)[1] == 0


def test_the_neighbours_of_a_point_in_a_corner_are_within_the_image() -> None:
    near = beside(Points(1e9, np.array([0]), np.ones(1), np.zeros(1)), GRID)
    assert near.sum() == 4 and near[:2, :2].all()
