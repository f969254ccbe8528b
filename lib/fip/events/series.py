"""What of a directory is searched: its series of images, and what the search has to know of each."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from fip.archive.entries import Entry
from fip.archive.lightcurve import stored_entries
from fip.data.errors import UsageError
from fip.data.values import Beam
from fip.events.found import Detection, Series
from fip.fits.stored_image import Layout, StoredImage
from fip.search.curvature import from_images, from_moments
from fip.search.sidelobes import highest_sidelobe
from fip.search.words import Matrix, Reference, Searched, beam_matrix

MEASURED = 16
"""Images by which Lambda is measured, half of them the first ones, half in the middle."""

_NOISE, _SIDELOBES = 512, 1024  # pixels a side of the part in the middle by which they are measured
_FEWEST = 3  # images of a series


def series_of(directory: Path, asked: Detection) -> list[Series]:
    """All that is to be searched. UsageError if there is no image, no such plane, or nothing to measure noise by."""
    found = []
    for (_, _), group in groupby(_ordered(stored_entries(directory)), key=lambda each: (each.run, each.label)):
        entries = tuple(group)
        if len(entries) >= _FEWEST:
            found += _planes(directory, entries, asked)
    if not found:
        raise UsageError(f"{directory}: a search needs {_FEWEST} images of a field, one after the other; there are not")
    return found


def read_plane(directory: Path, entry: Entry, of: Layout, plane: int) -> NDArray[np.float32]:
    """Pixels [y, x] of a plane, Jy/beam. UsageError if they cannot be read, or are not of the layout `of`."""
    stored = StoredImage.open(directory / entry.file)
    if stored.layout.grid != of.grid or stored.layout.stokes != of.stokes:
        raise MixedGridsError(
            f"{stored.path}: {_shown(stored.layout)}; the images before it: {_shown(of)}. A search needs one grid: "
            f"image them with the same --size, --scale and --phase-centre"
        )
    return np.asarray(stored.plane(plane), np.float32)


class MixedGridsError(UsageError):
    """The images of a field are not on one grid."""


def _ordered(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda each: (each.run, each.label, each.begin))


def _shown(layout: Layout) -> str:
    grid = layout.grid
    return (
        f"{grid.width}x{grid.height} pixels of {math.degrees(grid.scale) * 3600:.4g}arcsec, {','.join(layout.stokes)}"
    )


def _planes(directory: Path, entries: tuple[Entry, ...], asked: Detection) -> list[Series]:
    first = _first(directory, entries)
    beam = next((each.beam for each in entries if each.beam), None)
    if beam is None:
        raise UsageError(f"{first.path}: no image of its field has a beam; none of them can be searched")
    steps = np.diff([(each.begin + each.end) / 2 for each in entries])
    cadence = median(float(each) for each in steps)
    if not cadence > 0:
        raise UsageError(f"{first.path}: the images of its field do not follow one another in time")
    found = []
    for name in asked.stokes or first.layout.stokes:
        if name not in first.layout.stokes:
            raise UsageError(f"--stokes {name}: {first.path.name} has {', '.join(first.layout.stokes)}")
        plane = first.layout.stokes.index(name)
        searched, sidelobe, area = _searched(directory, entries, first.layout, plane, beam, cadence)
        searched = replace(searched, widest=asked.widest, reference=asked.reference or _reference(first.path, name))
        run, label = entries[0].run, entries[0].label
        found.append(Series(run, label, name, plane, first.layout, entries, area, sidelobe, searched))
    return found


def readable(
    directory: Path, entries: Iterable[Entry], of: Layout, plane: int, faults: list[str]
) -> Iterator[tuple[Entry, NDArray[np.float32]]]:
    """The images whose pixels can be read, one after the other; why others cannot is added to `faults`.

    Raises MixedGridsError, as that is no fault of one image.
    """
    for entry in entries:
        try:
            yield entry, read_plane(directory, entry, of, plane)
        except MixedGridsError:
            raise
        except UsageError as error:
            faults.append(str(error))


def _first(directory: Path, entries: Sequence[Entry]) -> StoredImage:
    """The first image that can be read. UsageError if none can."""
    for entry in entries[:-1]:
        try:
            return StoredImage.open(directory / entry.file)
        except UsageError:
            continue
    return StoredImage.open(directory / entries[-1].file)


def _searched(
    directory: Path, entries: tuple[Entry, ...], layout: Layout, plane: int, beam: Beam, cadence: float
) -> tuple[Searched, float, int]:
    grid, middle = layout.grid, len(entries) // 2
    few = entries[: MEASURED // 2] + entries[max(middle, MEASURED // 2) : middle + MEASURED // 2]
    images = [pixels for entry, pixels in readable(directory, few, layout, plane, []) if not entry.empty]
    area = int(np.isfinite(images[0]).sum()) if images else 0
    shape = beam_matrix(beam, grid.scale)
    curvature = _told(directory, few, grid.scale)
    if curvature is None:
        try:
            curvature = from_images(_middle(pixels, _NOISE) for pixels in images)
        except ValueError as error:
            raise UsageError(f"{directory}: {error}") from None
    found = Searched(grid.width, grid.height, curvature, shape, cadence)
    sidelobe = highest_sidelobe((_middle(pixels, _SIDELOBES) for pixels in images[: MEASURED // 2]), shape)
    return found, sidelobe, area


def _told(directory: Path, entries: Iterable[Entry], scale: float) -> Matrix | None:
    """Lambda by what the headers of some images say of their samples; None if one of them says nothing of it."""
    from astropy.io import fits

    moments = []
    for entry in entries:
        if not entry.empty:
            with suppress(OSError):
                header = fits.getheader(directory / entry.file)
                moments.append([float(header.get(name, math.nan)) * 1e6 for name in ("FIPUU", "FIPUV", "FIPVV")])
    if not moments or not np.isfinite(moments).all():
        return None
    uu, uv, vv = np.mean(moments, axis=0).tolist()
    return from_moments(uu, uv, vv, scale)


def _middle(pixels: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    y, x = (max(0, (each - side) // 2) for each in pixels.shape)
    return pixels[y : y + side, x : x + side]


def _reference(path: Path, stokes: str) -> Reference:
    """What the header of an image tells of its sky: Stokes V has next to none, nor has what a model was taken off."""
    from astropy.io import fits

    if stokes == "V":
        return "none"
    with fits.open(path) as file:
        header = file[0].header
        return "none" if "FIPSKY" in header or "-MODEL_DATA" in str(header.get("FIPCOL", "")) else "auto"
