"""The search of a series of images: what it finds, at which place and time; and that it depends on the images alone."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from fip.search.series import begin, memory
from fip.search.words import Peak, Reference
from support.noise_fields import CADENCE, Pixels, Search, events_in, gaussian, noise_fields, searched_field

SIDE, BEAM, U = 128, 4.7, 6.4
SEARCHED = searched_field(SIDE, BEAM)


def images(count: int, seed: int = 1) -> list[Pixels]:
    """Return images of noise, 1 Jy/beam."""
    return [image.copy() for image in islice(noise_fields(SIDE, BEAM, seed), count)]


def with_pulse(of: list[Pixels], x: float, y: float, first: int, width: int, snr: float) -> list[Pixels]:
    """The images with a source that is on for so many slices, of this S/N over all of them; negative if that is."""
    source = gaussian(SIDE, x, y, BEAM) * np.float32(snr / math.sqrt(width))
    return [image + source if first <= index < first + width else image for index, image in enumerate(of)]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("width", [1, 3, 8, 21, 64])
def test_a_pulse_is_found_with_its_start_width_and_brightness(width: int, sign: int) -> None:
    found = []
    for seed in range(4):
        first = 70 + 5 * seed
        events = events_in(SEARCHED, 5.8, with_pulse(images(160, seed), 50.3, 70.6, first, width, sign * 8))
        (event,) = [each for each in events if math.hypot(each.best.x - 50.3, each.best.y - 70.6) < 2]
        assert (event.best.sign, event.closed) == (sign, True)
        assert (event.best.first, event.best.last) == event.best.slices
        found.append((event.best.first - first, event.best.width - width, event.best.snr, event.best.flux))
    starts, widths, snrs, fluxes = np.array(found).T
    edge = 1 + width / 5  # an edge at S/N 8 is known to some w (2/8)^2 slices, and has a wide tail
    assert abs(np.median(starts)) <= edge
    assert abs(np.median(widths)) <= edge
    assert np.mean(snrs) == pytest.approx(8, abs=1.5)
    assert np.mean(fluxes) == pytest.approx(sign * 8 / math.sqrt(width), rel=0.25)


@pytest.mark.parametrize("missing", ["not there", "all NaN"])
def test_slices_that_are_missing_in_a_pulse_count_for_nothing(missing: str) -> None:
    of: list[Pixels | None] = [*with_pulse(images(90), 50, 60, 30, 8, 20)]
    for index in (32, 35):
        of[index] = None if missing == "not there" else np.full((SIDE, SIDE), np.nan, np.float32)
    (event,) = events_in(SEARCHED, U, of)
    assert (event.best.first, event.best.width) == (30, 8)
    assert event.best.snr == pytest.approx(20 * math.sqrt(6 / 8), abs=2)
    assert event.best.flux == pytest.approx(20 / math.sqrt(8), rel=0.1)


def test_the_sky_ends_at_a_horizon_and_so_do_events() -> None:
    """NaN is no noise: a tile that it lies in is not taken for quieter than it is."""
    across = np.arange(SIDE) - SIDE / 2
    below = across**2 + across[:, np.newaxis] ** 2 > (SIDE / 2 - 3) ** 2
    of = with_pulse(images(140), 64, 64, 70, 4, 10)
    for image in of:
        image[below] = np.nan
    search = Search(SEARCHED, 6)
    for index, image in enumerate(of):
        search.take(index, image)
    (event,) = search.finish()
    assert (event.best.first, event.best.width) == (70, 4)
    assert search.state.tiles.level == pytest.approx(1, abs=0.05)


def test_tiles_learn_that_noise_is_not_the_same_everywhere() -> None:
    louder = np.where(np.arange(SIDE) < SIDE // 2, 1, 1.5).astype(np.float32)
    search = Search(SEARCHED, U)
    for index, image in enumerate(images(300)):
        search.take(index, image * louder)
    left, right = search.state.tiles.level.mean(axis=0)
    assert right / left == pytest.approx(1.45, rel=0.1)  # it knows 37 measurements, and a guess that counts as 10


@pytest.mark.parametrize(("n", "segment"), [(1, False), (5, False), (63, False), (64, True), (1000, True)])
def test_a_step_in_time_of_n_cadences_is_n_less_one_slices_without_an_image(n: int, segment: bool) -> None:
    search = Search(SEARCHED, U)
    for index, image in enumerate(images(4)):
        search.take(index, image)
    look = search.take(4, images(1)[0], (3 + n) * CADENCE + 0.2 * CADENCE)
    assert (look.step, look.new_segment) == (3 + n, segment)
    present = np.count_nonzero(search.state.pyramid.present)
    assert present == (1 if segment else 5)


def test_no_boxcar_reaches_across_a_long_gap() -> None:
    of = with_pulse(images(120), 60, 60, 40, 40, 9)
    search = Search(SEARCHED, U)
    for index, image in enumerate(of):
        search.take(index, image, index * CADENCE + (0 if index < 60 else 70 * CADENCE))
    for event in search.finish():
        assert event.best.last < 60 or event.best.first >= 130


def test_one_source_that_flickers_is_one_event() -> None:
    of = with_pulse(with_pulse(images(200), 60, 60, 80, 2, 15), 60, 60, 90, 3, 12)
    (event,) = events_in(SEARCHED, U, of)
    assert event.first <= 80 < 92 <= event.last
    (again,) = [each for each in events_in(SEARCHED, U, with_pulse(of, 100, 30, 85, 2, 12)) if each.best.x > 80]
    assert again.best.slices == (85, 86)


def test_the_same_place_long_after_is_another_event() -> None:
    of = with_pulse(with_pulse(images(250), 60, 60, 20, 2, 12), 60, 60, 150, 3, 12)
    assert [event.best.slices for event in events_in(SEARCHED, U, of)] == [(20, 21), (150, 152)]


def test_a_slice_of_loud_noise_gives_no_event() -> None:
    of = [image * np.float32(5 if index == 40 else 1) for index, image in enumerate(images(120))]
    assert events_in(SEARCHED, U, of) == []


def test_a_flooded_slice_gives_one_event_at_the_most() -> None:
    of = images(60)
    random = np.random.default_rng(0)
    for _ in range(300):
        x, y = random.uniform(4, SIDE - 4, 2)
        of[30] += gaussian(SIDE, x, y, BEAM) * np.float32(30)
    search = Search(SEARCHED, U)
    looks = [search.take(index, image) for index, image in enumerate(of)]
    assert [look.step for look in looks if look.flooded][:1] == [30]
    assert len(looks[30].peaks) <= 1


@pytest.mark.parametrize("reference", ["none", "running", "auto"])
def test_the_same_images_give_the_same_bits(reference: Reference) -> None:
    of = with_pulse(images(150), 50, 60, 90, 5, 10)
    of[40] = np.full((SIDE, SIDE), np.nan, np.float32)
    searched = replace(SEARCHED, reference=reference)
    one, other, beside = Search(searched, 5.0), Search(searched, 5.0), Search(searched, 5.0)
    for index, image in enumerate(of):
        one.take(index, image)
    for index, image in enumerate(of):  # another series in between changes nothing
        beside.take(index, images(1, 99)[0] if index == 0 else of[-index])
        other.take(index, image)
    assert repr(one.looks) == repr(other.looks)  # NaN is not equal to itself
    assert one.finish() == other.finish()
    assert one.state.pyramid.ring.tobytes() == other.state.pyramid.ring.tobytes()
    assert one.state.tiles.level.tobytes() == other.state.tiles.level.tobytes()
    if one.state.running and other.state.running:
        assert one.state.running.pixels.tobytes() == other.state.running.pixels.tobytes()


def steady_sky(of: list[Pixels], brightness: float) -> list[Pixels]:
    """The images with sources that do not change."""
    sky = gaussian(SIDE, 30, 40, BEAM) + gaussian(SIDE, 90.5, 77.3, BEAM)
    return [image + np.float32(brightness) * sky for image in of]


def test_a_running_reference_takes_a_steady_sky_off() -> None:
    of = steady_sky(with_pulse(images(400, 4), 60, 100, 250, 6, 12), 20)
    (event,) = events_in(searched_field(SIDE, BEAM, reference="running"), U, of)
    assert math.hypot(event.best.x - 60, event.best.y - 100) < 1
    assert event.best.slices == (250, 255)


def test_the_noise_of_a_running_reference_is_what_it_is_taken_for() -> None:
    search = Search(searched_field(SIDE, BEAM, reference="running"), U)
    for index, image in enumerate(images(300, 8)):
        search.take(index, image)
        running = search.state.running
        if running and running.known and index % 40 == 20:
            assert np.var(running.pixels) == pytest.approx(running.variance, rel=0.25)
    assert running is not None
    assert running.variance < 0.01


def test_an_event_is_no_part_of_the_reference() -> None:
    """A source that was on for 120 slices would be missing from what comes after."""
    search = Search(searched_field(SIDE, BEAM, reference="running"), U)
    for index, image in enumerate(with_pulse(images(260, 6), 64, 64, 100, 120, 60)):
        search.take(index, image)
    assert search.state.running is not None
    assert abs(search.state.running.pixels[64, 64]) < 0.4
    assert search.state.running.held  # it is noisier there, and that is known
    (event,) = search.finish()
    assert (event.best.sign, event.first) == (1, 100)


@pytest.mark.parametrize(("drift", "needed"), [(0.0, False), (0.6, True)])
def test_auto_says_that_a_model_is_needed_if_the_sky_does_not_stand_still(drift: float, needed: bool) -> None:
    sky = next(noise_fields(SIDE, BEAM, 77)) * np.float32(drift)
    of = [image + sky * np.float32(math.sin(index / 20)) for index, image in enumerate(images(300, 5))]
    search = Search(searched_field(SIDE, BEAM, reference="auto"), U)
    for index, image in enumerate(of):
        search.take(index, image)
    assert search.looks[-1].model_needed is needed
    if needed:  # the threshold is raised then
        found = events_in(searched_field(SIDE, BEAM, reference="running"), U, of)
        assert len(search.finish()) < len(found) / 3


@pytest.mark.parametrize("reference", ["none", "running"])
def test_memory_is_bounded_and_stated(reference: Reference) -> None:
    searched = searched_field(SIDE, BEAM, reference=reference)
    search = Search(searched, U)
    most = 0
    for index, image in enumerate(images(150)):
        search.take(index, image)
        most = max(most, held(search))
    assert most <= memory(searched) + 64 * SIDE * SIDE * (reference == "running")
    assert held(search) <= memory(searched)


def held(search: Search) -> int:
    """Bytes of the arrays of a state that grow with the image."""
    pyramid, running = search.state.pyramid, search.state.running
    bytes_ = pyramid.ring.nbytes + sum(level.nbytes for level in pyramid.levels)
    if running:
        arrays = [running.pixels, *running.begun, *(mean.pixels for mean in running.waiting)]
        bytes_ += sum(array.nbytes for array in arrays) + (0 if running.total is None else running.total.nbytes)
    return bytes_


def test_a_maximum_on_the_outermost_pixels_is_none_and_two_pixels_in_it_is() -> None:
    peak: Callable[[float], list[Peak]] = lambda x: [  # noqa: E731
        event.best for event in events_in(SEARCHED, U, with_pulse(images(60), x, 60, 30, 1, 12))
    ]
    assert peak(-0.4) == []
    assert peak(2.0)[0].x == pytest.approx(2, abs=0.6)


def test_a_cadence_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="a cadence of 0 s: images must follow one another in time"):
        begin(replace(SEARCHED, cadence=0.0), U)
