"""The stage `primary-beam`: adds the image that is corrected for the primary beam; the dirty one stays apparent."""

from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.data.imaged import Imaged
from fip.data.primary_beam import file_of
from fip.data.values import Band, Grid, whole
from fip.imaging.primary_beam import beam_of, over_band

LEAST = 0.05
"""Of the beam: beyond it pixels are NaN, as what is divided there is noise."""


def primary_beam(so_far: Imaged) -> Imaged:
    """Divide each plane by the beam over its band, as far as there were data: `pbcor`, in Jy/beam.

    `pbweight` is the beam squared, the inverse of the variance of that over the variance of the dirty image.
    """
    slice_, dirty = so_far.slice, so_far.images["dirty"]
    written = slice_.settings.primary_beam
    if written is None:
        return so_far
    beams = np.empty_like(dirty.pixels)
    beam = partial(_beam, written, slice_.observation.diameter, whole(slice_.bands).centre, slice_.grid)
    for stokes, (effective, weights) in enumerate(zip(slice_.effective, slice_.sum_of_weights.tolist(), strict=True)):
        for plane, parts in enumerate(_planes(effective, slice_.bands, weights)[: beams.shape[1]]):
            beams[stokes, plane] = sum(share * beam(band) for band, share in parts)
    beams[beams < LEAST] = np.nan
    name = _named(written)
    corrected = replace(dirty, pixels=dirty.pixels / beams, primary_beam=name)
    weight = replace(
        dirty, pixels=np.where(np.isnan(dirty.pixels), np.nan, beams**2).astype(dirty.pixels.dtype),
        unit="", shows="Weight", primary_beam=name,
    )  # fmt: skip
    return so_far.with_image("pbcor", corrected).with_image("pbweight", weight)


def _planes(
    effective: tuple[Band | None, ...], bands: tuple[Band, ...], weights: list[float]
) -> list[list[tuple[Band, float]]]:
    """Return for each plane its bands and their shares in it: first the whole, then the output channels."""
    there = [each or nominal for each, nominal in zip(effective, bands, strict=True)]
    total = sum(weights)
    shares = [weight / total if total else 1 / len(weights) for weight in weights]
    all_of_it = list(zip(there, shares, strict=True))
    return [all_of_it, *([(each, 1.0)] for each in there)]


@lru_cache(maxsize=16)
def _beam(written: str, diameter: float | None, reference: float, grid: Grid, band: Band) -> NDArray[np.float32]:
    """Return the beam [y, x] of a grid; keep what is the same in many slices."""
    along, up = np.arange(grid.width), np.arange(grid.height)
    east, north = np.meshgrid((grid.width // 2 - along) * grid.scale, (up - grid.height // 2) * grid.scale)
    return over_band(beam_of(written, diameter, reference), east, north, band).astype(np.float32)


def _named(written: str) -> str:
    """Return the beam's name as the header has it."""
    file = file_of(written)
    return f"{Path(file[0]).name[-45:]}@{file[1]}" if file else written
