"""Bright events: one each, as bright as it is, whatever sidelobes its slices are full of."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft

from fip.data.quantities import ARCSEC
from fip.data.settings import asked
from fip.data.values import Slice
from fip.imaging.beam import fit_beam, uv_moments
from fip.imaging.dirty import dirty_image, is_bright, wide_psf
from fip.imaging.kernels import make_kernel
from fip.imaging.statistics import image_statistics
from fip.search.bright import known, peel
from fip.search.curvature import from_moments
from fip.search.floors import is_sidelobe, levels_of
from fip.search.series import State
from fip.search.sidelobes import levels_of_noise
from fip.search.words import Event, Searched, beam_matrix
from fip.source.open_run import open_run
from support.noise_fields import CADENCE, Pixels, Search, gaussian, noise_fields, searched_field

SIDE, EDGE, U = 128, 0.15, 6.4
_WIDE = 2 * SIDE  # in which images are made, so that what leaves them at a side does not come in at the other
_FREQUENCY = fft.fftfreq(_WIDE)
_SAMPLED = (np.hypot(_FREQUENCY, _FREQUENCY[:, np.newaxis]) < EDGE).astype(float)
"""All of a disc of uv is sampled alike: the PSF is an Airy pattern, of sidelobes of 13, 6, 4 ... %."""


def _seen(x: float, y: float, flux: float) -> Pixels:
    shift = np.exp(-2j * np.pi * (_FREQUENCY * x + _FREQUENCY[:, np.newaxis] * y))
    return np.asarray(flux * fft.ifft2(_SAMPLED * shift).real / _SAMPLED.mean(), np.float32)


def source(x: float, y: float, flux: float) -> Pixels:
    """Return a source as its PSF shows it."""
    return _seen(x, y, flux)[:SIDE, :SIDE]


def noise(count: int, seed: int = 1) -> list[Pixels]:
    """Images of noise of 1 Jy/beam, whose autocorrelation is the PSF."""
    random = np.random.default_rng(seed)
    passed = np.sqrt(_SAMPLED / _SAMPLED.mean()).astype(np.float32)
    made = [fft.ifft2(fft.fft2(random.standard_normal((_WIDE, _WIDE), np.float32)) * passed) for _ in range(count)]
    return [np.ascontiguousarray(each.real[:SIDE, :SIDE]) for each in made]


PSF = _seen(SIDE, SIDE, 1)


def _searched() -> Searched:
    curved = (2 * np.pi * EDGE) ** 2 / 4  # <u^2> of a disc is a quarter of its radius squared
    wide = (EDGE / 0.7) ** 2 * 0.98**2
    beam = ((wide, 0.0), (0.0, wide))
    return Searched(SIDE, SIDE, ((curved, 0), (0, curved)), beam, CADENCE, sidelobes=levels_of(PSF, beam))


SEARCHED = _searched()


def events_of(
    images: list[Pixels], psf: Pixels | None, searched: Searched = SEARCHED, u: float = U
) -> tuple[list[Event], State]:
    """All events; a slice has its PSF if a worker would store it."""
    search = Search(searched, u)
    for index, image in enumerate(images):
        search.take(index, image, psf=psf if is_bright(image_statistics(image)) else None)
    return search.finish(), search.state


def told(events: list[Event], u: float = U) -> list[Event]:
    """Return the events that are no sidelobes of others."""
    return [event for event in events if not is_sidelobe(event, u)]


def with_pulse(images: list[Pixels], x: float, y: float, first: int, width: int, snr: float) -> list[Pixels]:
    """Return the images with a source that is on for so many slices, of this S/N over all of them."""
    more = source(x, y, snr / math.sqrt(width))
    return [image + more if first <= index < first + width else image for index, image in enumerate(images)]


@pytest.mark.parametrize("width", [1, 8, 40])
@pytest.mark.parametrize("snr", [60, 300, -1000])
def test_a_bright_source_is_one_event_as_bright_as_it_is(snr: float, width: int) -> None:
    events, state = events_of(with_pulse(noise(width + 30), 40.3, 75.6, 10, width, snr), PSF)
    (event,) = events
    bright = abs(snr) / math.sqrt(width)
    assert len(state.bright) == (width if bright > 11 else 0) or 5 < bright < 11
    assert event.best.snr == pytest.approx(abs(snr), abs=3 + 0.025 * abs(snr))  # by how well the noise is known
    assert event.best.flux == pytest.approx(snr / math.sqrt(width), rel=0.01 + 4 / abs(snr))
    assert math.hypot(event.best.x - 40.3, event.best.y - 75.6) < 15 / abs(snr)
    assert abs(event.best.width - width) <= 1


@pytest.mark.parametrize("snr", [30, 1000])
def test_without_a_psf_the_others_are_told_to_be_its_sidelobes(snr: float) -> None:
    events, state = events_of(with_pulse(noise(40), 40.3, 75.6, 10, 4, snr), None)
    (event,) = told(events)
    assert len(events) > 1 or snr < 100
    assert not state.bright
    assert math.hypot(event.best.x - 40.3, event.best.y - 75.6) < 0.2
    assert event.best.flux == pytest.approx(snr / 2, rel=0.15)  # its sidelobes are in its own noise


def test_what_is_more_than_its_numbers_hold_is_kept() -> None:
    """A slice of 2000 standard deviations, and one of 320: without sidelobes, so that nothing is peeled off."""
    field, images = searched_field(64, 4.7), [image.copy() for image in islice(noise_fields(64, 4.7, 1), 120)]
    for index, flux in ((10, 2000), (11, -1500), (90, 330)):
        images[index] += gaussian(64, 20.2, 30.4, 4.7) * np.float32(flux)
    events, state = events_of(images, None, field)
    brightest, *_ = sorted(events, key=lambda event: -event.best.snr)
    assert (brightest.best.first, brightest.best.width) == (10, 1)
    assert brightest.best.snr == pytest.approx(2000, rel=0.02)
    assert brightest.best.flux == pytest.approx(2000, rel=0.02)
    assert [event.best.snr for event in events if event.best.first == 90] == [pytest.approx(330, rel=0.05)]
    assert not state.pyramid.loud.size  # all of it has left the ring


def test_two_bright_sources_of_one_slice_are_two_and_what_gains_may_leave_of_them_is_none() -> None:
    images = noise(30)
    for x, y, flux in ((40.3, 75.6, 1000), (90.5, 20.5, 300), (20.4, 20.6, 40)):
        images[10] = images[10] + source(x, y, flux)
    events, _ = events_of(images, PSF)
    bright, less = sorted(told(events), key=lambda event: -event.best.snr)
    assert [bright.best.snr, less.best.snr] == pytest.approx([1000, 300], rel=0.06)
    (labelled,) = [event for event in events if is_sidelobe(event, U) and event.best.snr > 20]
    assert labelled.best.floor == pytest.approx(100, rel=0.06)
    later, _ = events_of(with_pulse(images, 100.2, 100.3, 14, 8, 20), PSF)
    assert len(told(later)) == 3  # in other slices a source of 20 is an event


def test_a_source_is_tried_against_sidelobes_of_a_brighter_one_that_no_slice_shows_to_be_bright() -> None:
    """At 7 sigma a slice, 16 slices have sidelobes of 3.6; a source 10 beams away is one of its own."""
    images = with_pulse(with_pulse(noise(60), 40.3, 75.6, 10, 16, 28), 95.4, 30.3, 12, 12, 10)
    events, state = events_of(images, None, u=4.7)
    assert not state.bright
    assert {round(event.best.x) for event in told(events, 4.7) if event.best.snr > 6} == {40, 95}
    near = [event for event in events if event not in told(events, 4.7)]
    assert near
    assert all(0.5 < event.best.floor < 4 for event in near)


@pytest.mark.parametrize(
    ("slices", "cadence", "used"), [(6, 8.0, True), (9, 8.0, False), (60, 0.1, True), (70, 0.1, False)]
)
def test_the_last_psf_is_used_while_it_is_as_good(slices: int, cadence: float, used: bool) -> None:
    images = noise(90)
    for at in (5, 5 + slices):
        images[at] = images[at] + source(40.3, 75.6, 100)
    search = Search(replace(SEARCHED, cadence=cadence), U)
    for index, image in enumerate(images):
        search.take(index, image, psf=PSF if index == 5 else None)
    assert (5 + slices in search.state.bright) == used


def test_slices_that_are_not_bright_are_searched_as_they_are() -> None:
    images = with_pulse(noise(40), 40.3, 75.6, 10, 8, 15)
    one, other = Search(SEARCHED, U), Search(SEARCHED, U)
    for index, image in enumerate(images):
        looks = one.take(index, image, psf=PSF), other.take(index, image)
        assert looks[0] == looks[1]
    assert np.array_equal(one.state.pyramid.ring, other.state.pyramid.ring)


def test_the_same_images_give_the_same_state_whenever_it_begins_early_enough() -> None:
    """What was peeled off is found again: a search that begins later has the same slices in its ring."""
    images = with_pulse(with_pulse(noise(130), 40.3, 75.6, 40, 3, 300), 90.2, 20.2, 100, 30, 200)
    whole, later = Search(SEARCHED, U), Search(SEARCHED, U)
    for index, image in enumerate(images):
        for search in (whole, later) if index >= 30 else (whole,):
            search.take(index, image, psf=PSF if is_bright(image_statistics(image)) else None)
    assert len(whole.state.bright) == 31 or len(whole.state.bright) == 30
    shift = whole.state.pyramid.step - later.state.pyramid.step
    assert {step - shift: parts for step, parts in whole.state.bright.items()} == later.state.bright


def test_a_bright_source_beside_a_horizon_and_one_on_the_edge() -> None:
    images = noise(30)
    images[10] = images[10] + source(6.4, 100.3, 500) + source(126.6, 40, 400)
    for image in images:
        image[:, :3] = np.nan
    events, _ = events_of(images, PSF)
    assert sorted(round(event.best.x) for event in told(events)) in ([6], [6, 127])
    assert len([event for event in events if event.best.snr > 60]) <= 2


def test_a_running_reference_stays_on_what_is_peeled() -> None:
    steady = source(64.2, 30.7, 50)
    images = with_pulse([image + steady for image in noise(50)], 40.3, 75.6, 30, 4, 400)
    events, state = events_of(images, PSF, replace(SEARCHED, reference="running"))
    (event,) = told(events)
    assert sorted(state.bright) == [30, 31, 32, 33]
    assert event.best.snr == pytest.approx(400 / math.sqrt(1 + 4 * math.pi / 32), rel=0.03)
    assert event.best.flux == pytest.approx(200, rel=0.03)


def test_a_psf_that_is_that_of_another_array_does_no_harm() -> None:
    images = with_pulse(noise(30), 40.3, 75.6, 10, 1, 300)
    wrong = np.full_like(PSF, 0.5)
    wrong[SIDE, SIDE] = 1
    assert peel(images[10], np.empty((0, 0), np.float32), 1.0, known(wrong, 0, SEARCHED), SEARCHED) is None
    (event,) = told(events_of(images, wrong)[0])
    assert round(event.best.x) == 40


def test_a_psf_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="a PSF of 128x128 pixels: twice the image's size is 256x256"):
        known(PSF[:SIDE, :SIDE], 0, SEARCHED)


def test_sidelobes_are_the_highest_from_a_distance_on() -> None:
    levels = SEARCHED.sidelobes
    assert levels[0] == pytest.approx(1, abs=1e-3)
    assert list(levels) == sorted(levels, reverse=True)
    assert levels[4] == pytest.approx(0.132, abs=0.002)  # of an Airy pattern, in amplitude, 1.16 beams from its middle


def test_noise_tells_of_sidelobes_as_the_psf_does() -> None:
    levels = levels_of_noise(noise(16), SEARCHED.beam)
    assert levels[4:12] == pytest.approx(SEARCHED.sidelobes[4:12], abs=0.04)  # of 16 small images
    assert levels_of_noise(noise(1), SEARCHED.beam) == ()


def residual(piece: Slice, east: float, north: float, flux: float) -> Slice:
    """Without a source at a place in rad from the centre."""
    blocks = []
    for block in piece.blocks:
        delay = block.uvw @ np.array([east, north, math.sqrt(1 - east**2 - north**2) - 1]) / 299792458.0
        seen = flux * np.exp(2j * np.pi * delay[:, np.newaxis] * block.frequency)
        blocks.append(replace(block, visibility=(block.visibility - block.weight * seen).astype(np.complex64)))
    return replace(piece, blocks=tuple(blocks))


def turned(piece: Slice, random: np.random.Generator) -> Slice:
    """Return the same noise, with random phases of all samples."""
    phase = [np.exp(2j * np.pi * random.random(block.visibility.shape)) for block in piece.blocks]
    blocks = zip(piece.blocks, phase, strict=True)
    turned = (replace(block, visibility=(block.visibility * each).astype(np.complex64)) for block, each in blocks)
    return replace(piece, blocks=tuple(turned))


def test_a_real_burst_is_one_event_at_its_place(real_ms: Callable[[str], Path]) -> None:
    """FRB 121102 among slices of its own residuals: its gains leave 6 % of it elsewhere, which are no events."""
    run = open_run(real_ms("vla_frb121102"), asked(size=(512, 512), scale=0.5 * ARCSEC, kernel="slant"))
    piece = run.read(0)
    run.close()
    kernel, random = make_kernel(piece.settings, piece.grid), np.random.default_rng(1)
    east, north = -79.25 * ARCSEC, 111.5 * ARCSEC
    left = residual(piece, east, north, 0.37)

    def pixels(of: Slice) -> NDArray[np.float32]:
        return np.ascontiguousarray(dirty_image(of, kernel).pixels[0, 0], np.float32)

    images = [pixels(turned(left, random)) for _ in range(14)]
    images[8] = pixels(piece)
    psf = np.asarray(wide_psf(piece).pixels[0, 0], np.float32)
    moments, beam = uv_moments(piece.blocks), fit_beam(piece.blocks)
    assert moments is not None
    assert beam is not None
    curvature = from_moments(moments.uu, moments.uv, moments.vv, piece.grid.scale)
    matrix = beam_matrix(beam, piece.grid.scale)
    searched = Searched(512, 512, curvature, matrix, 0.005, sidelobes=levels_of(psf, matrix))
    for given in (psf, None):
        events, _ = events_of(images, given, searched, 7.0)
        (event,) = told(events, 7.0)
        assert (event.best.first, event.best.width) == (8, 1)
        assert [event.best.x, event.best.y] == pytest.approx([256 + 158.5, 256 + 223], abs=0.7)
        assert event.best.flux == pytest.approx(0.37, rel=0.03 if given is not None else 0.1)
