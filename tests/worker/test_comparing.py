"""Known sources in an image from which a model was subtracted: what is left of them, and how far they are off."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fip.data.values import Band, Grid, Image, KnownSource, Slice
from fip.imaging.kernels import make_kernel
from fip.worker.stages import image_file, pass_through
from support.synthetic import Source, array_uvw, make_block, make_slice

GRID = Grid(256, 256, 3e-5, 1.0, -0.5, "FK5")
UVW = array_uvw(1, 24, 600.0, 1.0)
BAND = np.linspace(1.0e9, 1.01e9, 4)
PLACES = [(10.3, -20.2), (-60.6, 40.1), (35.0, 70.4)]  # pixels from the centre, towards smaller x and larger y
FLUX = 5.0


def sky(scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> list[Source]:
    """The sources, brighter by a factor, off by some pixels."""
    return [((east + shift[0]) * GRID.scale, (north + shift[1]) * GRID.scale, scale * FLUX) for east, north in PLACES]


def residual(true: list[Source]) -> Slice:
    """What is left of a sky after the model, `sky()`, is subtracted."""
    model = [(east, north, -flux) for east, north, flux in sky()]
    known = tuple(
        KnownSource(f"S{at}", GRID.width / 2 - east, GRID.height / 2 + north, FLUX)
        for at, (east, north) in enumerate(PLACES)
    )
    made = make_slice([make_block(UVW, BAND, [*true, *model])], GRID)
    numbers = {"noise.expected": (0.05, "Jy/beam"), "model.amplitude": (1.0, "")}
    return replace(made, known=known, numbers=numbers, bands=(Band(1.005e9, 1e7),))


def compared(slice_: Slice) -> tuple[dict[str, tuple[float, str]], Image]:
    """Its numbers, and its dirty image."""
    made, _ = pass_through(slice_, make_kernel(slice_.settings, slice_.grid))
    return dict(made.numbers), made.images["dirty"]


def test_what_is_left_of_a_known_source_is_measured() -> None:
    numbers, image = compared(residual(sky(scale=1.1)))
    for name in ("S0", "S1", "S2"):
        assert numbers[f"residual.{name}"][0] == pytest.approx(0.1 * FLUX, abs=0.02 * FLUX)
        assert numbers[f"predicted.{name}"] == (FLUX, "Jy")
    assert numbers["model.offset"][0] < 0.03
    assert "calibration" not in image.quality


@pytest.mark.parametrize("shift", [(0.5, 0.0), (0.0, -1.5), (0.7, 0.7), (4.0, -2.0)])
def test_sources_that_are_off_are_told_in_beams(shift: tuple[float, float]) -> None:
    numbers, image = compared(residual(sky(shift=shift)))
    assert image.beam is not None
    beam = math.sqrt(image.beam.major * image.beam.minor) / GRID.scale
    assert numbers["model.offset"][0] == pytest.approx(math.hypot(*shift) / beam, abs=0.03)
    (card,) = image.cards
    assert (card.keyword, card.value) == ("FIPMOFF", numbers["model.offset"][0])


def test_sources_far_off_are_a_matter_of_calibration() -> None:
    numbers, image = compared(residual(sky(shift=(4.0, 0.0))))
    assert numbers["model.offset"][0] > 0.2
    assert "calibration" in image.quality.split("+")


def test_faint_sources_and_those_beyond_the_image_are_not_compared() -> None:
    whole = residual(sky(scale=1.1))
    first, second, third = whole.known
    known = (replace(first, flux=0.9), replace(second, x=255.0), third)
    numbers, _ = compared(replace(whole, known=known))
    assert {name for name in numbers if name.startswith("residual.")} == {"residual.S2"}


def test_without_known_sources_nothing_is_compared() -> None:
    numbers, image = compared(replace(residual(sky(scale=1.1)), known=()))
    assert not numbers and not image.cards


def test_numbers_of_the_slice_and_of_the_comparison_are_for_the_ledger() -> None:
    slice_ = residual(sky(scale=1.1))
    file = image_file(slice_, make_kernel(slice_.settings, slice_.grid), "host/cpu0", 0.0)
    assert file.numbers["noise.expected"] == (0.05, "Jy/beam")
    assert {"residual.S0", "model.offset"} <= file.numbers.keys()
