"""Opening a sky model, `--sky-model FILE[,FILE...]`: each is a list, an image, a body, or a name of the A-team."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.corrections.observed import Expected
from fip.corrections.sky import tables
from fip.corrections.sky.bbs import read_bbs
from fip.corrections.sky.beams import PowerBeam
from fip.corrections.sky.bodies import Body, is_body, parse_body
from fip.corrections.sky.calibrators import A_TEAM, calibrator
from fip.corrections.sky.catalogue import Catalogue, joined
from fip.corrections.sky.components import SkyImage
from fip.corrections.sky.evaluated import Site, Sky
from fip.corrections.sky.images import plane_at, read_images, weighted
from fip.data.corrections import OWN
from fip.data.errors import InputError, UsageError
from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.rotations import icrs_axes

LISTS = (".skymodel", ".txt", ".bbs")
IMAGES = (".fits", ".fit")
LARGEST_FILE = 1 << 31  # bytes
EARTH, RELIEF = 6.371e6, 3e4  # m, from its centre, and how much that varies
MANY = 5000  # components: with more, an image is cheaper to predict
_TIMES = 200  # at which the model is tested for anything above the horizon
_WOULD_DO = (
    f"a list ({', '.join((*LISTS, *tables.FORMATS))}), an image (NAME-model.fits), sun:..., moon:..., jupiter:..., "
    f"or {', '.join(each.name for each in A_TEAM.values())}"
)

__all__ = ["Sky", "open_sky"]


@dataclass(slots=True)
class _Read:
    """The parts that were asked for and have been read so far."""

    sources: list[Catalogue]
    bodies: list[Body]
    images: list[tuple[Path, bytes]]
    named: list[str]
    digests: list[str]
    notes: list[str]


def open_sky(asked: Sequence[str], expected: Expected) -> Sky:
    """Open the sky model of files and names. InputError or UsageError, one line, for what cannot be used."""
    low, high = band(expected)
    site = _site(expected, high)
    read = _Read([], [], [], [], [], [])
    for item in asked:
        _read_one(item.strip(), expected, read)
    if not read.named:
        raise UsageError(f"--sky-model: nothing is named: give {_WOULD_DO}")
    images = read_images(read.images)
    beam = _beam(expected)
    _check_images(images, expected)
    centres = {field: icrs_axes(centre) for field, centre in expected.centres.items()}
    sky = Sky(
        joined(read.sources),
        read.bodies,
        [weighted(image, beam, next(iter(centres.values())), (low, high)) for image in images] if beam else images,
        centres,
        site,
        beam,
        len(expected.windows),
    )
    _check_spectra(sky.sources, (low, high), ",".join(asked))
    sky.digest = hashlib.sha256("\n".join(read.digests).encode()).hexdigest()[:16]
    sky.named = ",".join(read.named)
    sky.notes = (*read.notes, *_image_notes(images, (low + high) / 2), *_left_out(sky, expected, site))
    return sky


def band(expected: Expected) -> tuple[float, float]:
    """Return the lowest and the highest frequency of what is imaged, Hz."""
    low = min(float(np.min(each.frequency - each.width / 2)) for each in expected.windows)
    return low, max(float(np.max(each.frequency + each.width / 2)) for each in expected.windows)


def _read_one(item: str, expected: Expected, read: _Read) -> None:
    """Read one item that was asked for, and add it."""
    if not item:
        raise UsageError(f"--sky-model: an empty name between commas: give {_WOULD_DO}")
    if item == OWN:
        raise UsageError(
            f"--sky-model {OWN}: `fip run` alone makes a model of its own images: make one by `fip model`, and give "
            "the file that it writes"
        )
    if is_body(item):
        read.bodies.append(parse_body(item))
        _add(read, item, item.lower(), item)
        read.notes.append(f"{item}: a disc that moves; its place is worked out each minute")
        return
    if item.lower() in A_TEAM:
        source, told = calibrator(item, expected.begin, band(expected), _longest(_placed(expected)))
        read.sources.append(source)
        _add(read, item, f"{item.lower()} {source.terms.tolist()} {source.stokes.tolist()}", source.names[0])
        read.notes.extend(told)
        return
    path = Path(item)
    content = _content(path)
    digest = hashlib.sha256(content).hexdigest()
    _add(read, item, digest, f"{path.name}@{digest[:8]}")
    suffix = path.suffix.lower()
    if suffix in IMAGES:
        read.images.append((path, content))
        return
    sources, told = _list(path, suffix, content, apparent=expected.primary_beam is None)
    if not len(sources):
        raise InputError(f"{path}: holds no source: give a list with at least one, or leave it out")
    low, high = band(expected)
    centre = (low + high) / 2
    total = float(sources.flux(np.array([centre]), 1).sum())
    read.sources.append(sources)
    if len(sources) > MANY:
        told = (
            *told,
            f"{path.name}: so many components cost much in each slice: a model image (NAME-model.fits) does not",
        )
    read.notes.extend((f"{path.name}: {len(sources)} components, {total:.4g} Jy at {centre / 1e6:.6g} MHz", *told))


def _list(path: Path, suffix: str, content: bytes, *, apparent: bool) -> tuple[Catalogue, tuple[str, ...]]:
    if suffix in tables.FORMATS:
        return tables.read_table(path, content, apparent=apparent)
    if suffix in LISTS:
        try:
            return read_bbs(path, content.decode())
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: is no text, but a list as .skymodel is: {error.reason}") from None
    raise InputError(f"{path}: no sky model of the kind '{suffix}' is read: give {_WOULD_DO}")


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"--sky-model {path}: is larger than {LARGEST_FILE >> 30} GB")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"--sky-model {path}: cannot be read: {error.strerror}: give {_WOULD_DO}") from None
    if not content.strip():
        raise InputError(f"{path}: is empty: give a list with at least one source, or leave it out")
    return content


def _add(read: _Read, item: str, digest: str, named: str) -> None:
    """Add an item. UsageError for one that is there already: it would be subtracted twice."""
    if digest in read.digests:
        raise UsageError(
            f"--sky-model {item}: what it holds is there already, as {read.named[read.digests.index(digest)]}, and "
            "would be subtracted twice: leave one out"
        )
    read.digests.append(digest)
    read.named.append(named)


def _placed(expected: Expected) -> NDArray[np.float64]:
    """Return the places of antennas [antenna, 3], without those at the centre of the Earth: these are not known."""
    known = np.isfinite(expected.position).all(axis=1) & expected.position.any(axis=1)
    return expected.position[known]


def _longest(position: NDArray[np.float64]) -> float:
    """Return the longest baseline in m."""
    return max((float(np.linalg.norm(position - one, axis=1).max()) for one in position), default=0.0)


def _site(expected: Expected, highest: float) -> Site:
    there = _placed(expected)
    place = np.mean(there, axis=0) if len(there) else np.zeros(3)
    reach = 2 * math.pi * _longest(there) * highest / SPEED_OF_LIGHT
    return Site(place, bool(abs(np.linalg.norm(place) - EARTH) < RELIEF), reach)


def _beam(expected: Expected) -> PowerBeam | None:
    """Return the power beam for fluxes; None if they are apparent. UsageError if it cannot be used."""
    if expected.primary_beam is None:
        return None
    low, high = band(expected)
    beam = PowerBeam(expected.primary_beam, expected.diameter, (low + high) / 2)
    beam(np.zeros(1), np.zeros(1), beam.reference)
    return beam


def _check_images(images: Sequence[SkyImage], expected: Expected) -> None:
    """Raise InputError for an image that is not of the sky that is seen."""
    for image in images:
        towards = icrs_axes(image.centre)[2]
        for field, centre in expected.centres.items():
            away = math.degrees(math.acos(min(1.0, max(-1.0, float(towards @ icrs_axes(centre)[2])))))
            if away >= 90:
                raise InputError(
                    f"{image.name}: its centre is {away:.0f} deg from the phase centre of field "
                    f"{expected.fields.get(field, field)}: give a model of the sky there"
                )
    if images and expected.primary_beam is not None and len(set(expected.centres.values())) > 1:
        raise InputError(
            f"{images[0].name}: a model image, and {len(expected.centres)} fields with a primary beam each: "
            "image one field at a time, or leave --primary-beam out and give an apparent image"
        )


def _check_spectra(sources: Catalogue, ends: tuple[float, float], asked: str) -> None:
    """Raise InputError for a spectrum that is not finite over the band."""
    flux = sources.flux(np.array([ends[0], sum(ends) / 2, ends[1]]), 4)
    for at in np.flatnonzero(~np.isfinite(flux).all(axis=(1, 2)) | (np.abs(flux) > 1e12).any(axis=(1, 2)))[:1].tolist():
        raise InputError(
            f"--sky-model {asked}: {sources.names[at]} has {np.abs(flux[at]).max():g} Jy within "
            f"{ends[0] / 1e6:.6g} to {ends[1] / 1e6:.6g} MHz: look at its spectrum and its reference frequency"
        )


def _image_notes(images: Sequence[SkyImage], centre: float) -> list[str]:
    told = []
    for image in images:
        planes, height, width = image.pixels.shape
        total = float(plane_at(image, centre).sum(dtype=np.float64))
        told.append(
            f"{image.name}: an image of {width} x {height} pixels, {total:.4g} Jy at {centre / 1e6:.6g} MHz, "
            + (f"linear in frequency between {planes} planes" if planes > 1 else "the same at all frequencies")
        )
    return told


def _left_out(sky: Sky, expected: Expected, site: Site) -> list[str]:
    """Return what is not subtracted, and why. InputError if nothing would be subtracted."""
    told = []
    for field in expected.centres:
        if count := sky.left_out(field):
            told.append(
                f"sky model: {count} of {len(sky.sources)} components are more than 90 deg from the phase centre of "
                f"field {expected.fields.get(field, field)}, and left out there"
            )
    if not site.on_the_ground:
        told.append("sky model: the array has no horizon of its own, so what is below it is not left out")
    elif below := sky.below_horizon(expected.begin):
        listed = ", ".join(below[:3]) + (" ..." if len(below) > 3 else "")
        told.append(f"sky model: {len(below)} below the horizon at the begin, left out until they rise: {listed}")
    told.append(
        "sky model: fluxes are apparent" if expected.primary_beam is None
        else f"sky model: fluxes are multiplied by the primary beam, {expected.primary_beam}"
    )  # fmt: skip
    if not sky.images and not expected.growing and not _ever_seen(sky, expected):
        raise InputError(
            f"--sky-model {sky.named}: nothing of it is seen: all of it is below the horizon, or more than 90 deg from "
            f"the phase centre: give a model of the sky at {', '.join(expected.fields.values())}"
        )
    return told


def _ever_seen(sky: Sky, expected: Expected) -> bool:
    """Return whether anything is seen at any time."""
    count = min(_TIMES, 2 + int((expected.end - expected.begin) / 600))
    times = np.linspace(expected.begin, expected.end, count).tolist()
    return any(sky.visible(field, time) for time in times for field in expected.centres)
