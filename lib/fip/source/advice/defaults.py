"""The pixel scale and image size that suit the data, if the user names none. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor, log10

from fip.data.errors import UsageError
from fip.data.quantities import ARCSEC, SPEED_OF_LIGHT
from fip.data.values import LARGEST_SIDE

MAXIMUM_DEFAULT_SIZE = 4096  # pixels


@dataclass(frozen=True, slots=True)
class Extent:
    """The quantities that size and scale depend on."""

    longest_baseline: float  # m, the longest |(u, v)|
    highest: float  # Hz, the highest channel
    lowest: float  # Hz, the lowest channel
    diameter: float | None  # m, the median positive dish or station diameter; None if there is none


def default_scale(extent: Extent) -> float:
    """Return the side of a pixel in rad: a quarter of the finest fringe, lambda_min / (4 uv_max).

    It is rounded to two digits of arcsec.
    """
    exact = SPEED_OF_LIGHT / extent.highest / (4 * extent.longest_baseline) / ARCSEC
    return round(exact, 1 - floor(log10(exact))) * ARCSEC


def default_size(extent: Extent, scale: float) -> int:
    """Return the number of pixels along each side: even, FFT-friendly, at most 4096.

    The field covers 1.2 lambda_max / D, a little more than the full width at half maximum of a dish's primary beam;
    without a diameter it is the whole hemisphere, which no field exceeds.
    """
    hemisphere = 2.0
    field = hemisphere
    if extent.diameter is not None:
        field = min(hemisphere, 1.2 * SPEED_OF_LIGHT / extent.lowest / extent.diameter)
    return min(MAXIMUM_DEFAULT_SIZE, fft_friendly(field / scale))


def fft_friendly(least: float) -> int:
    """Return the smallest even number that is not below `least` and has no prime factor above 7."""
    size = max(2, 2 * ceil(least / 2))
    while pow(2 * 3 * 5 * 7, 64, size):  # it divides a high power of their product if it has no other prime factors
        size += 2
    return size


def _too_coarse(extent: Extent, scale: float) -> Iterator[str]:
    """Warn if pixels are too coarse for the longest baseline: Nyquist asks for two in a fringe."""
    limit = SPEED_OF_LIGHT / extent.highest / (2 * extent.longest_baseline)
    if scale > limit:
        yield (
            f"warning: scale {scale / ARCSEC:.4g} arcsec is too coarse for the longest baseline "
            f"({extent.longest_baseline:.6g} m at {extent.highest / 1e6:.6g} MHz), which needs "
            f"{limit / ARCSEC:.4g} arcsec or less"
        )


def choose_grid(
    extent: Extent, size: tuple[int, int] | None, scale: float | None
) -> tuple[tuple[int, int], float, tuple[str, ...]]:
    """Return the size (width, height), the scale (rad), and the lines for the log about them.

    UsageError if a given size or scale cannot be used.
    """
    notes = []
    if scale is None:
        scale = default_scale(extent)
        notes.append(
            f"scale {scale / ARCSEC:.6g} arcsec: a quarter of the finest fringe (longest baseline "
            f"{extent.longest_baseline:.6g} m at {extent.highest / 1e6:.6g} MHz)"
        )
    elif not 0 < scale <= 0.5:
        raise UsageError(f"--scale {scale / ARCSEC:g}arcsec: give a positive angle of at most half a radian")
    if size is None:
        side = default_size(extent, scale)
        size = (side, side)
        notes.append(f"size {side}x{side}: {_reason(extent, scale, side)}")
    elif any(side % 2 or not 2 <= side <= LARGEST_SIDE for side in size):
        raise UsageError(f"--size {size[0]}x{size[1]}: give even numbers of pixels from 2 to {LARGEST_SIDE}")
    return size, scale, (*notes, *_too_coarse(extent, scale))


def _reason(extent: Extent, scale: float, side: int) -> str:
    if extent.diameter is None:
        covers = "the whole hemisphere, for want of a dish diameter"
    else:
        covers = (
            f"1.2 lambda/D of dishes of {extent.diameter:.4g} m at {extent.lowest / 1e6:.6g} MHz, "
            f"in pixels of {scale / ARCSEC:.4g} arcsec"
        )
    return f"at most {MAXIMUM_DEFAULT_SIZE} pixels of {covers}" if side == MAXIMUM_DEFAULT_SIZE else covers
