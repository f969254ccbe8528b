"""How a measured event looks: the input of `fip.search.appearance`, for the labels that need it."""

import math
from pathlib import Path

import numpy as np

from fip.events.cutouts import Cutouts
from fip.events.measuring import Measured
from fip.events.psfs import psf_beside
from fip.search.appearance import Appearance, Array, labels_of

INTENSITY = "I"
_MOST_PSFS = 8  # that are looked for, of the images that show it


def labels_by_look(directory: Path, measured: Measured, cutouts: Cutouts) -> tuple[str, ...]:
    """What speaks against an event by its spectrum, its shape and its polarisation."""
    return labels_of(appearance(directory, measured, cutouts))


def appearance(directory: Path, measured: Measured, cutouts: Cutouts) -> Appearance:
    """Return the look of its images together, by their noise. Only a stored PSF judges shape: no beam is a Gaussian."""
    best = measured.found.event.best
    on, noise = np.array(cutouts.on, bool), np.array(cutouts.noise, float)
    good = on & (noise > 0)
    weight = np.where(good, 1 / np.where(good, noise, 1.0) ** 2, 0.0)
    half = cutouts.difference.shape[-1] // 2
    cutout = np.tensordot(weight, cutouts.difference, 1) / weight.sum() if good.any() else None
    frequency, values = [each for each, _ in measured.spectrum], [value for _, value in measured.spectrum]
    channels = (
        np.array(frequency), np.array([each.value for each in values]), np.array([each.error for each in values])
    ) if values else None  # fmt: skip
    return Appearance(
        channels=channels,
        cutout=None if cutout is None else np.asarray(cutout, np.float64),
        place=(best.x - cutouts.column + half, best.y - cutouts.row + half),
        noise=1 / math.sqrt(weight.sum()) if good.any() else math.nan,
        psf=_psf(directory, measured, cutouts),
        flux=measured.flux.value if measured.flux else math.nan,
        intensity=_intensity(measured),
    )


def _psf(directory: Path, measured: Measured, cutouts: Cutouts) -> Array | None:
    """Return the PSF of one of its images, as far as a cut-out reaches; None if none is stored."""
    shown = [entry for entry, on in zip(cutouts.entries, cutouts.on, strict=True) if on]
    for entry in shown[:_MOST_PSFS]:
        psf = psf_beside(directory / entry.file, measured.found.series.plane)
        if psf is None:
            continue
        side, (height, width) = cutouts.difference.shape[-1], psf.shape
        rows, columns = (slice(max(0, size // 2 - side), size // 2 + side) for size in (height, width))
        part = np.asarray(psf[rows, columns], np.float64)
        return part if part.shape == (2 * side, 2 * side) else None
    return None


def _intensity(measured: Measured) -> float | None:
    """Return the flux of Stokes I at the place of an event in another plane; None if it is not known."""
    stokes = measured.found.series.stokes
    if stokes == INTENSITY or INTENSITY not in measured.stokes:
        return None
    number = measured.stokes.index(INTENSITY)
    fluxes = [float(each.bands[0].flux[number]) for each in measured.samples if each.on and each.bands]
    known = [each for each in fluxes if math.isfinite(each)]
    return float(np.mean(known)) if known else None
