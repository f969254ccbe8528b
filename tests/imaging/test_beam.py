"""The fitted beam, against coverages whose point spread function is known and against its own definition."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import label
from scipy.optimize import curve_fit

from fip.data.settings import Imaging
from fip.data.values import Beam, Block, Grid
from fip.imaging.beam import LOBE_LEVEL, fit_beam, uv_moments
from fip.imaging.weighting import weigh
from support.direct_sum import direct_sum
from support.no_ellipses import NO_ELLIPSES
from support.synthetic import array_uvw

WAVELENGTH = 0.2
FREQUENCY = np.array([299792458.0 / WAVELENGTH])


def block_of(uv: NDArray[np.float64], weight: NDArray[np.float64] | None = None) -> Block:
    """Samples at uv[row, 2] wavelengths; what they saw does not matter."""
    weights = np.ones((1, len(uv), 1)) if weight is None else weight.reshape(1, -1, 1)
    uvw = np.column_stack([uv * WAVELENGTH, np.zeros(len(uv))])
    return Block(0, uvw, FREQUENCY, np.zeros(weights.shape, complex), weights)


def gaussian_coverage(major: float, minor: float, angle: float) -> Block:
    """Weights in uv whose PSF is exactly the Gaussian of these widths at half maximum.

    exp(-4 ln 2 x^2/F^2) is the transform of exp(-(pi F u)^2/(4 ln 2)).
    """
    steps = np.linspace(-4, 4, 57)
    along, across = np.meshgrid(steps, steps)
    spread = math.sqrt(2 * math.log(2)) / math.pi  # standard deviation in u of a beam of width 1
    north, east = np.array([math.cos(angle), math.sin(angle)])
    u = spread * (along * east / major + across * north / minor)
    v = spread * (along * north / major - across * east / minor)
    weight = np.exp(-(along**2 + across**2) / 2)
    return block_of(np.column_stack([u.ravel(), v.ravel()]), weight.ravel())


def defined_beam(blocks: Sequence[Block], like: Beam) -> tuple[float, float, float]:
    """The definition at work: the exact PSF in steps of a fortieth of either axis, and a least-squares ellipse."""
    side = 60
    along, across = np.meshgrid(*2 * [np.arange(-side, side + 1) / 40])
    along, across = along * like.major, across * like.minor
    cosine, sine = math.cos(like.angle), math.sin(like.angle)
    east, north = along * sine + across * cosine, along * cosine - across * sine
    weights = [Block(0, b.uvw, b.frequency, b.weight.astype(complex), b.weight) for b in blocks]
    psf = direct_sum(weights, east, north)[0] / sum(b.weight.sum() for b in blocks)
    regions, _ = label(psf > LOBE_LEVEL)
    lobe = regions == regions[side, side]
    assert not lobe[0].any()
    assert not lobe[:, 0].any()

    def ellipse(
        place: NDArray[np.float64], major: float, minor: float, cosine: float, sine: float
    ) -> NDArray[np.float64]:
        long = (place[0] * sine + place[1] * cosine) / math.hypot(cosine, sine)
        short = (place[0] * cosine - place[1] * sine) / math.hypot(cosine, sine)
        result: NDArray[np.float64] = np.exp(-4 * math.log(2) * ((long / major) ** 2 + (short / minor) ** 2))
        return result

    start = [like.major / like.minor, 1.0, cosine, sine]
    place = np.stack([east[lobe], north[lobe]]) / like.minor
    (major, minor, cosine, sine), _ = curve_fit(ellipse, place, psf[lobe], start)
    return abs(major) * like.minor, abs(minor) * like.minor, math.atan2(sine, cosine) % math.pi


@pytest.mark.parametrize("angle", [0.0, 20.0, 90.0, 135.0, 179.0])
@pytest.mark.parametrize(("major", "minor"), [(1e-2, 9e-3), (3e-5, 1e-5), (2e-6, 1e-7)])
def test_gaussian_beam_is_found_exactly(major: float, minor: float, angle: float) -> None:
    """Widths from 0.02 arcsec to half a degree and any angle, from north through east, come back to 1e-3.

    The PSF is gridded to 1e-4 of its peak; a width moves by no more than a few times that.
    """
    beam = fit_beam([gaussian_coverage(major, minor, math.radians(angle))])
    assert beam is not None
    assert (beam.major, beam.minor) == pytest.approx((major, minor), rel=1e-3)
    turned = (beam.angle - math.radians(angle) + math.pi / 2) % math.pi - math.pi / 2
    assert abs(turned) < 1e-2
    assert 0 <= beam.angle < math.pi


WEIGHTINGS = {
    "natural": Imaging(stokes=("I",), epsilon=1e-5, kernel="wgridder", weight="natural"),
    "uniform": Imaging(stokes=("I",), epsilon=1e-5, kernel="wgridder", weight="uniform"),
    "robust": Imaging(stokes=("I",), epsilon=1e-5, kernel="wgridder", weight="briggs", robust=0.0),
    "tapered": Imaging(stokes=("I",), epsilon=1e-5, kernel="wgridder", weight="natural", taper=1e-4),
}

ARRAYS = {
    "round": [(0, 27, 1.2)],
    "low": [(1, 27, 0.2)],
    "few": [(2, 5, 0.6)],
    "three": [(6, 3, 0.9)],
}


@pytest.mark.parametrize("weighting", ["natural", "uniform", "robust", "tapered"])
@pytest.mark.parametrize("name", ARRAYS)
def test_beam_of_an_array_follows_the_definition(name: str, weighting: str) -> None:
    """It is the least-squares ellipse over the region above 0.35 of a finely sampled exact PSF, within 0.5 %.

    Two samplings of the region disagree about its rim, a few thousandths of its points at this fineness.
    """
    blocks = [
        block_of(array_uvw(seed, antennas, 1500.0, elevation)[:, :2]) for seed, antennas, elevation in ARRAYS[name]
    ]
    blocks = list(weigh(blocks, WEIGHTINGS[weighting], Grid(1024, 1024, 2e-5, 0.0, 0.0, "FK5")))
    beam = fit_beam(blocks)
    assert beam is not None
    major, minor, angle = defined_beam(blocks, beam)
    assert (beam.major, beam.minor) == pytest.approx((major, minor), rel=5e-3)
    turned = (beam.angle - angle + math.pi / 2) % math.pi - math.pi / 2
    assert abs(turned) < 5e-3 / (1 - minor / major)


@pytest.mark.parametrize("angle", [20.0, 135.0])
def test_taper_convolves_the_beam_with_its_gaussian(angle: float) -> None:
    """A Gaussian beam, tapered, is the Gaussian whose squared widths are the sums; to the accuracy of the patch.

    The coverage reaches 4 standard deviations, and the taper leaves more than that: nothing else cuts it.
    """
    major, minor, width = 4e-5, 2e-5, 3e-5
    tapered = replace(WEIGHTINGS["tapered"], taper=width)
    grid = Grid(256, 256, 2e-6, 0.0, 0.0, "FK5")
    beam = fit_beam(weigh([gaussian_coverage(major, minor, math.radians(angle))], tapered, grid))
    assert beam is not None
    assert (beam.major, beam.minor) == pytest.approx((math.hypot(major, width), math.hypot(minor, width)), rel=1e-3)
    assert beam.angle == pytest.approx(math.radians(angle), abs=1e-2)


@pytest.mark.parametrize("weighting", ["uniform", "robust"])
def test_beam_does_not_depend_on_the_pixels_of_a_field(weighting: str) -> None:
    """With 1.5 to 60 pixels across a beam, in a field of one size, uv cells, weights and beam are the same."""
    blocks = [block_of(array_uvw(7, 27, 1500.0, 0.7)[:, :2])]
    width, field = 2e-5, 40  # a beam, roughly, and how many of them span the field
    found = []
    for pixels in (1.5, 3, 10, 60):
        side = int(field * pixels)
        grid = Grid(side, side, width / pixels, 0.0, 0.0, "FK5")
        beam = fit_beam(weigh(blocks, WEIGHTINGS[weighting], grid))
        assert beam is not None
        found.append((beam.major, beam.minor, beam.angle))
    np.testing.assert_allclose(found, found[:1] * len(found), rtol=1e-6)


def test_broad_foot_of_a_dense_core_is_fitted_whole() -> None:
    """A core with far outliers has a thin tip on a broad foot above 0.35: the ellipse is that of the region.

    The sidelobes of the far antennas (0.5/24 of the peak) fray the rim finer than either sampling resolves: 2 %.
    """
    core = array_uvw(3, 24, 60.0, 1.3)[:, :2]
    far = array_uvw(4, 24, 900.0, 1.3)[:, :2]
    weight = np.concatenate([np.full(len(core), 0.5 / len(core)), np.full(len(far), 0.5 / len(far))])
    blocks = [block_of(np.concatenate([core, far]), weight)]
    beam = fit_beam(blocks)
    assert beam is not None
    assert (beam.major, beam.minor) == pytest.approx(defined_beam(blocks, beam)[:2], rel=2e-2)


def test_windows_share_one_beam() -> None:
    """Two windows of different rows give the beam of all their samples together."""
    uv = array_uvw(5, 27, 1500.0, 0.8)[:, :2]
    together, apart = fit_beam([block_of(uv)]), fit_beam([block_of(uv[:100]), block_of(uv[100:])])
    assert together is not None
    assert apart is not None
    assert (apart.major, apart.minor) == pytest.approx((together.major, together.minor), rel=1e-4)


@pytest.mark.parametrize("width", [0.05, 0.7], ids=["narrow band", "octave"])
def test_channels_of_a_window_count_each_at_its_frequency(width: float) -> None:
    """A window of many channels of uneven weights gives the beam of the same channels as windows of one each."""
    uv = array_uvw(5, 27, 1500.0, 0.8)[:, :2]
    frequency = FREQUENCY * np.linspace(1 - width / 2, 1 + width / 2, 60)
    weight = np.random.default_rng(8).random((1, len(uv), 60))
    window = replace(block_of(uv), frequency=frequency, visibility=np.zeros(weight.shape, complex), weight=weight)
    apart = [
        replace(window, frequency=frequency[k : k + 1], visibility=window.visibility[..., :1], weight=weight[..., [k]])
        for k in range(60)
    ]
    one, other = fit_beam([window]), fit_beam(apart)
    assert one is not None
    assert other is not None
    assert (one.major, one.minor, one.angle) == pytest.approx((other.major, other.minor, other.angle), rel=1e-4)


def test_beam_scales_with_the_array() -> None:
    """An array a hundred thousand times larger has a beam as many times smaller: no pixel scale enters."""
    uv = array_uvw(5, 27, 10.0, 0.8)[:, :2]
    small, large = fit_beam([block_of(uv)]), fit_beam([block_of(uv * 1e5)])
    assert small is not None
    assert large is not None
    assert (small.major, small.minor) == pytest.approx((large.major * 1e5, large.minor * 1e5), rel=1e-5)


@pytest.mark.parametrize(("uv", "weight"), NO_ELLIPSES.values(), ids=NO_ELLIPSES.keys())
def test_no_ellipse_is_none(uv: NDArray[np.float64], weight: NDArray[np.float64]) -> None:
    """If the point spread function has no end in some direction there is no beam, and no invented one."""
    assert fit_beam([block_of(uv, weight)]) is None


def test_the_moments_of_u_and_v_are_weighted_means() -> None:
    """They are in wavelengths squared, over all blocks and channels; without samples there are none."""
    random = np.random.default_rng(3)
    blocks = []
    for band in (FREQUENCY, np.linspace(1e9, 1.2e9, 5)):
        weight = random.uniform(0, 2, (1, 40, band.size))
        uvw = random.normal(0, 900, (40, 3))
        blocks.append(Block(0, uvw, band, np.zeros(weight.shape, complex), weight))
    uv = np.concatenate([
        (each.uvw[:, None, :2] * each.frequency[:, None] / 299792458.0).reshape(-1, 2) for each in blocks
    ])  # fmt: skip
    weights = np.concatenate([each.weight.ravel() for each in blocks])
    found = uv_moments(blocks)
    assert found is not None
    expected = [np.average(product, weights=weights) for product in (uv[:, 0] ** 2, uv[:, 0] * uv[:, 1], uv[:, 1] ** 2)]
    assert (found.uu, found.uv, found.vv) == pytest.approx(expected, rel=1e-12)
    assert uv_moments([]) is None
    assert uv_moments([replace(blocks[0], weight=0 * blocks[0].weight)]) is None
