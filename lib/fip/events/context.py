"""What is around an event: how often noise makes one like it, the ellipse in which it lies, and what was there before
and after."""

import math
from dataclasses import dataclass

import numpy as np

from fip.archive.lightcurve import in_frame_of
from fip.data.directions import Direction
from fip.data.quantities import iso_utc
from fip.events.measuring import Measured, Sample, Value, mean_flux
from fip.events.words import Found
from fip.fits.sky import wcs_of
from fip.search.theory import false_events


@dataclass(frozen=True, slots=True)
class Ellipse:
    """One standard deviation of a place, in each direction, by noise."""

    major: float  # rad
    minor: float  # rad
    angle: float  # rad in [0, pi), of the major axis from north through east, ICRS


@dataclass(frozen=True, slots=True)
class Quiet:
    """The place of an event in the images on one side of it, without what is always there if the search took that off.

    Fluxes are of its own Stokes plane, Jy/beam, apparent.
    """

    images: int
    begin: float  # s UTC since MJD 0, of the first
    end: float  # of the last
    flux: Value  # mean
    each: float  # standard deviation in one of them, their median


def false_alarm_rate(found: Found) -> float:
    """Events of noise alone in its series, of all signs searched for, that are at least as bright: Hz, by formula."""
    series = found.series
    return false_events(found.event.best.snr, series.searched, series.area) / series.searched.cadence


def ellipse_of(found: Found) -> Ellipse:
    """Return the ellipse by Cramer and Rao: Lambda^-1 / S^2 in pixels, as these lie on the sky at its place."""
    grid, best = found.series.grid, found.event.best
    pixels = [(best.x, best.y), (best.x + 1, best.y), (best.x, best.y + 1)]
    places = np.radians(wcs_of(grid).wcs_pix2world(pixels, 0))
    there, *beside = (in_frame_of(Direction(float(a), float(d), grid.frame), "ICRS") for a, d in places)
    a, d = there.longitude, there.latitude
    east = np.array([-math.sin(a), math.cos(a), 0.0])
    north = np.array([-math.sin(d) * math.cos(a), -math.sin(d) * math.sin(a), math.cos(d)])
    steps = np.array([(east @ _vector(each), north @ _vector(each)) for each in beside]).T
    covariance = steps @ np.linalg.inv(np.array(found.series.searched.curvature)) @ steps.T / best.snr**2
    (minor, major), axes = np.linalg.eigh(covariance)
    return Ellipse(math.sqrt(major), math.sqrt(minor), math.atan2(axes[0, 1], axes[1, 1]) % math.pi)


def before_and_after(measured: Measured) -> tuple[Quiet | None, Quiet | None]:
    """The place in the images before the event, and in those after it; None if none was measured."""
    on = [each.entry.begin for each in measured.samples if each.on]
    if not on:
        return None, None
    off = [each for each in measured.samples if not each.on]
    sides = [each for each in off if each.entry.begin < on[0]], [each for each in off if each.entry.begin > on[-1]]
    before, after = (_quiet(measured, each) for each in sides)
    return before, after


def told(measured: Measured) -> dict[str, object]:
    """Return all of it as JSON values, with time, band and telescope of the observation. Degrees, Hz, s."""
    ellipse, samples = ellipse_of(measured.found), measured.samples
    before, after = map(_told, before_and_after(measured))
    return {
        "far": false_alarm_rate(measured.found),
        "ellipse": {name: math.degrees(getattr(ellipse, name)) for name in ("major", "minor", "angle")},
        "flux_before": before, "flux_after": after,
        "telescope": measured.telescope, "band": list(measured.span) if np.isfinite(measured.span).all() else None,
        **({"window_begin": iso_utc(samples[0].entry.begin), "window_end": iso_utc(samples[-1].entry.end)}
           if samples else {}),
    }  # fmt: skip


def _quiet(measured: Measured, samples: list[Sample]) -> Quiet | None:
    number = measured.plane
    flux = mean_flux(samples, number)
    errors = [float(each.bands[0].error[number]) for each in samples]
    if flux is None:
        return None
    if measured.steady:
        flux = Value(flux.value - measured.steady.value, flux.error)
    return Quiet(len(samples), samples[0].entry.begin, samples[-1].entry.end, flux, float(np.nanmedian(errors)))


def _told(quiet: Quiet | None) -> dict[str, object] | None:
    if quiet is None:
        return None
    return {
        "images": quiet.images, "begin": iso_utc(quiet.begin), "end": iso_utc(quiet.end),
        "value": quiet.flux.value, "error": quiet.flux.error, "each": quiet.each,
    }  # fmt: skip


def _vector(place: Direction) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    across = math.cos(place.latitude)
    return np.array([across * math.cos(place.longitude), across * math.sin(place.longitude), math.sin(place.latitude)])
