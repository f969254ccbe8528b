"""A model image's visibilities are those of its pixels; to degrid is the adjoint of imaging."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.corrections.observed import Observed
from fip.corrections.predict import degridding
from fip.corrections.predict.predicting import predict
from fip.corrections.sky.components import Components, SkyImage
from fip.data.directions import Direction
from fip.data.rotations import icrs_axes
from support.sky_seen import components, error, exact, observed

CENTRE = Direction(0.3, -0.5, "ICRS")
BAND = np.linspace(1.3e9, 1.4e9, 24)


def image(height: int, width: int, scale: float, frequency: list[float], centre: Direction = CENTRE) -> SkyImage:
    """A few pixels that shine in each plane."""
    rng = np.random.default_rng(0)
    pixels = np.zeros((len(frequency), height * width), np.float32)
    for plane in pixels:
        plane[rng.choice(height * width, 25, replace=False)] = rng.normal(size=25)
    return SkyImage("made", pixels.reshape(-1, height, width), np.array(frequency), scale, centre)


def of_pixels(model: SkyImage, plane: int, seen: Observed) -> Components:
    """The pixels of a plane as points in each channel."""
    y, x = np.nonzero(model.pixels[plane])
    height, width = model.pixels.shape[1:]
    east, north = -(x - width // 2) * model.scale, (y - height // 2) * model.scale
    axes = icrs_axes(model.centre)
    towards = np.stack([east, north, np.sqrt(1 - east**2 - north**2)], axis=1) @ axes
    none = np.zeros(len(x))
    flux = np.repeat(model.pixels[plane][y, x].astype(float)[:, None, None], len(seen.frequency), axis=1)
    return Components(("",) * len(x), towards, flux, none, none, none)


def predicted(model: SkyImage, seen: Observed, epsilon: float) -> NDArray[Any]:
    return predict(components(seen, 0, 0.01), [model], seen, epsilon)


@pytest.mark.parametrize("epsilon", [1e-5, 1e-6, 1e-9])
@pytest.mark.parametrize("shape", [(128, 96), (61, 45), (20, 24)])
def test_an_image_is_the_sum_of_its_pixels(epsilon: float, shape: tuple[int, int]) -> None:
    """Even or odd, about the middle pixel."""
    seen = observed(BAND, antennas=9)
    model = image(*shape, 1e-4, [1.35e9])
    assert error(predicted(model, seen, epsilon), exact(of_pixels(model, 0, seen), seen)) < epsilon


@pytest.mark.parametrize(
    "centre", [Direction(0.33, -0.52, "ICRS"), Direction(0.3, -0.5, "FK5"), Direction(4.0, 0.1, "GALACTIC")]
)
def test_an_image_may_be_centred_anywhere(centre: Direction) -> None:
    """Its pixels keep their places on the sky, whatever the phase centre."""
    seen = observed(BAND, antennas=9, integrations=2)
    model = image(64, 64, 1e-4, [1.35e9], centre)
    assert error(predicted(model, seen, 1e-6), exact(of_pixels(model, 0, seen), seen)) < 1e-6


def test_between_planes_it_is_linear_in_frequency_and_beyond_them_as_the_nearest() -> None:
    """Three planes, the first and the last within the band."""
    seen = observed(BAND, antennas=9)
    model = image(64, 64, 1e-4, [1.32e9, 1.35e9, 1.38e9])
    first, middle, last = (exact(of_pixels(model, plane, seen), seen) for plane in range(3))
    right = np.empty_like(first)
    for channel, f in enumerate(BAND):
        t = np.clip((f - 1.32e9) / 0.03e9, 0, 2)
        low, high = (first, middle) if t <= 1 else (middle, last)
        t = t if t <= 1 else t - 1
        right[:, channel] = (1 - t) * low[:, channel] + t * high[:, channel]
    assert error(predicted(model, seen, 1e-5), right) < 1e-5


def test_a_thousand_channels_of_an_image_follow_from_few() -> None:
    """They follow as those of points do."""
    seen = observed(np.linspace(1.3e9, 1.4e9, 512), antennas=5)
    model = image(64, 64, 1e-4, [1.35e9])
    assert error(predicted(model, seen, 1e-6), exact(of_pixels(model, 0, seen), seen)) < 1e-6


def test_pixels_beyond_the_horizon_are_no_sky() -> None:
    """The whole hemisphere, and the corners of its square."""
    seen = observed(BAND, antennas=6, size=100.0)
    model = image(128, 128, 2 / 100, [1.35e9])
    y, x = np.indices((128, 128)) - 64
    sky = replace(model, pixels=np.where(np.hypot(x, y) * 0.02 < 0.99, model.pixels, 0))
    corners = replace(model, pixels=np.where(np.hypot(x, y) * 0.02 < 1, sky.pixels, 5))
    assert error(predicted(corners, seen, 1e-6), exact(of_pixels(sky, 0, seen), seen)) < 1e-6


@pytest.mark.parametrize("epsilon", [1e-5, 1e-8])
def test_large_images_are_degridded_by_the_slant_kernel_and_else_by_ducc0(
    epsilon: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is right either way; ducc0 is used if no machine code may be made, too."""
    seen, asked = observed(BAND, antennas=9), list[str]()
    seen.uvw[:, 2] = seen.uvw[:, :2] @ [0.3, -0.4] + 0.003 * seen.uvw[:, 2]  # an array that is nearly a plane
    model = image(400, 300, 6e-6, [1.35e9])
    by_ducc = degridding._by_ducc  # noqa: SLF001 which of them it was

    def noted(*given: Any) -> Any:
        asked.append("ducc0")
        return by_ducc(*given)

    monkeypatch.setattr(degridding, "_by_ducc", noted)
    right = exact(of_pixels(model, 0, seen), seen)
    assert error(predicted(model, seen, epsilon), right) < epsilon
    assert asked == []
    monkeypatch.setattr(degridding, "machine_code_allowed", lambda: False)
    assert error(predicted(model, seen, epsilon), right) < epsilon
    assert asked == ["ducc0"]


def test_points_and_images_add_up() -> None:
    """A model may have both."""
    seen = observed(BAND, antennas=9)
    model, points = image(64, 64, 1e-4, [1.35e9]), components(seen, 20, 0.01, planes=4)
    both = predict(points, [model, model], seen, 1e-6)
    right = exact(points, seen)
    right[..., 0] += 2 * exact(of_pixels(model, 0, seen), seen)[..., 0]
    assert error(both, right) < 1e-6
