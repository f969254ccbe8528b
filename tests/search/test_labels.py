"""What speaks against an event: each label for what it is meant for, and not for a true transient at the same time."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fip.catalogues.words import IS_BODY, IS_KNOWN, IS_SATELLITE
from fip.data.fingerprints import fingerprint
from fip.data.values import Block
from fip.events.words import LABELS
from fip.search import labels
from fip.search.appearance import Appearance, halves_differ, labels_of, shape_chi2
from fip.search.labels import Circumstances, labels_among
from fip.search.marks import Late, Power, mark, power_of
from fip.search.variables import model_of
from fip.search.words import Event, Look, Peak
from support.noise_fields import Search, gaussian, noise_fields, searched_field

SIDE, BEAM = 128, 5.0
SEARCHED = searched_field(SIDE, BEAM)
KNOWN = Circumstances(SEARCHED.beam, (SIDE, SIDE), 5.5, 6.0)


def event(
    number: int, x: float, y: float, first: int = 10, width: int = 1, snr: float = 8.0, sign: int = 1, **more: float
) -> Event:
    """One that is its best peak alone; the number of a slice is that of its step."""
    best = Peak(x, y, first, width, snr, sign, sign * snr / math.sqrt(width), (first, first + width - 1), **more)
    return Event(number, best, first, first + width - 1, first, first + width - 1, 1, closed=True)


def look(noise: float = 1.0, flux: float = 0.0) -> Look:
    peaks = (replace(event(0, 50, 50).best, flux=flux),) if flux else ()
    return Look(0, peaks, noise, True)


def labelled(name: str, events: list[Event], known: Circumstances = KNOWN) -> set[int]:
    return {number for number, given in labels_among(events, known).items() if name in given}


def test_labels_are_those_that_users_are_told_of() -> None:
    assert {*labels.NAMES, IS_SATELLITE, IS_BODY, IS_KNOWN, "injection"} == set(LABELS)


def test_nothing_speaks_against_a_transient_alone() -> None:
    assert labels_among([event(4, 64, 64)], KNOWN) == {4: ()}


def test_what_became_fainter_is_labelled_but_in_stokes_v() -> None:
    events = [event(0, 30, 30), event(1, 90, 90, sign=-1)]
    assert labelled("negative", events) == {1}
    assert labelled("negative", events, replace(KNOWN, signed=True)) == set()


def test_a_sidelobe_is_labelled_and_what_is_brighter_than_it_could_be_is_not() -> None:
    """A floor of 10 is what a source of S/N 100 leaves at the most with sidelobes of a tenth."""
    events = [
        event(0, 30, 30, snr=100), event(1, 90, 90, snr=14, floor=10.0), event(2, 60, 20, snr=30, floor=10.0),
        event(3, 20, 90, 50),
    ]  # fmt: skip
    assert labelled("sidelobe", events) == {1}


def test_what_was_injected_speaks_against_nothing_real() -> None:
    crowd = [event(number, 20.0 + 20 * number, 30) for number in range(4)]
    assert labelled("many", crowd) == {0, 1, 2, 3}
    assert {number: given for number, given in labels_among(crowd, KNOWN, {0}).items() if given} == {}


def test_half_a_beam_from_what_is_not_imaged_is_the_edge() -> None:
    horizon = np.zeros((SIDE, SIDE), bool)
    horizon[:40] = True
    places = [(1.5, 64.0), (3.0, 64.0), (64.0, SIDE - 2.5), (64.0, SIDE - 4.0), (64.0, 41.0), (64.0, 42.5)]
    events = [event(number, x, y, first=10 * number) for number, (x, y) in enumerate(places)]
    assert labelled("edge", events, replace(KNOWN, outside=horizon)) == {0, 2, 4}
    assert labelled("edge", events) == {0, 2}


def test_more_than_three_places_at_one_time_are_interference() -> None:
    few = [event(number, 20.0 + 20 * number, 30) for number in range(3)]
    more = [*few, event(3, 90, 90), event(4, 30, 100, first=11)]
    assert labelled("many", few) == set()
    assert labelled("many", more) == {0, 1, 2, 3}


def test_a_transient_that_lasts_longer_than_interference_is_not_part_of_it() -> None:
    crowd = [event(number, 20.0 + 20 * number, 30, width=1 + number % 2) for number in range(5)]
    assert labelled("many", [*crowd, event(9, 90, 90, first=4, width=16)]) == {0, 1, 2, 3, 4}


def test_what_a_bright_event_makes_of_its_slice_is_no_crowd() -> None:
    sidelobes = [event(number, 10.0 + 9 * number, 30, snr=9, floor=10.0) for number in range(1, 12)]
    given = labels_among([event(0, 64, 64, snr=100), *sidelobes], KNOWN)
    assert given[0] == ()
    assert {given[each.number] for each in sidelobes} == {("sidelobe",)}


def test_a_source_that_was_moved_is_a_refraction_and_a_transient_beside_it_is_not() -> None:
    """It was moved by a tenth of a beam: brighter on one side and fainter on the other, less than a beam apart."""
    here, there, other = (gaussian(SIDE, x, y, BEAM) for x, y in ((40.0, 40.0), (40.4, 40.3), (44.0, 90.0)))
    search = Search(SEARCHED, 6.5)
    images = noise_fields(SIDE, BEAM, 5)
    for index in range(100):
        moved = np.float32(60 if 40 <= index < 44 else 0) * (there - here)
        search.take(index, next(images) + moved + np.float32(4 if 40 <= index < 44 else 0) * other)
    by_place = {round(each.best.y / 10): each for each in search.finish()}
    assert set(by_place) == {4, 9}
    assert labelled("refraction", list(by_place.values())) == {by_place[4].number}


def test_noise_alone_does_not_speak_against_a_faint_transient() -> None:
    places = [(20.0, 20.0), (108.0, 20.0), (20.0, 108.0), (108.0, 108.0), (64.0, 64.0)]  # none around another
    sources = np.sum([gaussian(SIDE, x, y, BEAM) for x, y in places], axis=0, dtype=np.float32)
    search, images = Search(SEARCHED, 5.0), noise_fields(SIDE, BEAM, 9)
    for index in range(6 * 84):
        search.take(index, next(images) + (6 * sources if index % 84 == 40 else 0))
    events = search.finish()
    there = [each for each in events if min(math.dist((each.best.x, each.best.y), place) for place in places) < 3]
    assert len(there) > 25
    known = replace(KNOWN, threshold=5.0, told=5.0)
    assert labelled("refraction", there, known) | labelled("unsteady", there, known) == set()


def wandering(seed: int, pulse: float) -> list[Event]:
    """Events of images in which something with the shape of noise stays for 30 slices, below the noise of each.

    A pulse of 8 slices is on at (60, 60).
    """
    search, images, below = Search(SEARCHED, 6.0), noise_fields(SIDE, BEAM, seed), noise_fields(SIDE, BEAM, seed + 99)
    source = np.float32(pulse) * gaussian(SIDE, 60, 60, BEAM)
    for index in range(150):
        if index % 30 == 0:
            stays = np.float32(0.5) * next(below)
        search.take(index, next(images) + stays + (source if 90 <= index < 98 else 0))
    return search.finish()


def test_what_is_below_the_noise_of_a_slice_and_stays_makes_no_events() -> None:
    assert [wandering(seed, 0.0) for seed in range(2)] == [[], []]
    (found,) = wandering(5, 12.0)
    assert math.hypot(found.best.x - 60, found.best.y - 60) < 2
    assert (found.best.first, found.best.width) == (90, 8)
    assert labelled("unsteady", [found]) == set()


def test_what_is_not_above_what_sums_of_its_slices_scatter_by_around_it_is_unsteady() -> None:
    events = [event(0, 30, 30, snr=7, around=1.3), event(1, 90, 90, first=30, snr=20, around=1.3)]
    assert labelled("unsteady", [*events, event(2, 30, 90, first=60, snr=7, around=1.2)]) == {0}


def test_less_than_a_tenth_of_a_source_of_the_model_beside_it_is_left_over() -> None:
    model = model_of(500 * gaussian(SIDE, 64, 64, BEAM), SEARCHED.beam, 1.0)
    known = replace(KNOWN, model=model, noise=1.0)
    faint, bright = event(0, 74, 64, snr=40), event(1, 64, 54, first=30, snr=60)
    away, itself = event(2, 90, 64, first=60), event(3, 64, 65, first=90)
    assert labelled("unsteady", [faint, bright, away, itself], known) == {0}


def marked(looks: list[Look], powers: list[Power | None] | None = None) -> list[frozenset[str]]:
    late, found = Late(), []
    for each, power in zip(looks, powers or [None] * len(looks), strict=True):
        late, marks = mark(late, each, power)
        found.append(marks)
    return found


def test_a_loud_slice_is_noisy_and_noise_that_stays_high_is_not() -> None:
    found = marked([look(noise) for noise in (*[1.0] * 30, 2.5, 1.8, *[3.0] * 70)])
    assert found[:32] == [*[frozenset()] * 30, {"noisy"}, frozenset()]
    assert found[32:52] == [{"noisy"}] * 20
    assert found[72:] == [frozenset()] * 30


@pytest.mark.parametrize("mark", ["noisy", "incoherent"])
def test_an_event_has_the_mark_of_its_slices_and_one_that_lasts_longer_has_not(mark: str) -> None:
    known = replace(KNOWN, marks={10: frozenset({mark}), 11: frozenset({mark})})
    events = [event(0, 30, 30), event(1, 60, 60, width=4), event(2, 90, 90, first=6, width=12), event(3, 30, 90, 12)]
    assert labelled(mark, events, known) == {0, 1}


def test_power_that_no_source_accounts_for_is_incoherent() -> None:
    random = np.random.default_rng(2)
    powers = [Power(float(each), 0.01) for each in random.normal(2, 0.01, 40)]
    burst = Power(2 + 0.5**2, 0.01)
    marks = marked([*[look()] * 40, look(), look(flux=0.5)], [*powers, burst, burst])
    assert marks[40:] == [frozenset({"incoherent"}), frozenset()]
    assert not set().union(*marks[:40])


def test_power_is_that_of_the_samples_whose_sums_the_ledger_has() -> None:
    """Thermal noise of unequal weights: both parts of a sample have a variance of 1 / weight."""
    random = np.random.default_rng(4)
    weight = random.uniform(0.5, 2, (1, 50, 8))
    found = []
    for _ in range(300):
        parts = random.standard_normal((2, *weight.shape)) * np.sqrt(weight)
        block = Block(0, np.zeros((50, 3)), np.arange(8.0) + 1e9, parts[0] + 1j * parts[1], weight)
        told = fingerprint([block])
        power = power_of({"data_weight": told.weight, "data_power": told.power, "data_used": told.used})
        assert power is not None
        found.append(power)
    means, scatters = np.array([(each.mean, each.scatter) for each in found]).T
    assert means.mean() == pytest.approx(2 / weight.mean(), rel=0.01)
    assert scatters.mean() == pytest.approx(means.std(), rel=0.15)
    assert power_of({"frequency": 1e9}) is None


FREQUENCY = np.linspace(1.0e9, 1.6e9, 8)


@pytest.mark.parametrize("alpha", [-3.0, 0.0, 3.0])
def test_any_spectrum_passes_and_half_a_band_does_not(alpha: float) -> None:
    error = np.full(8, 1.0)
    flux = 20 * (FREQUENCY / 1.3e9) ** alpha
    assert halves_differ(FREQUENCY, flux, error) < 1
    assert labels_of(Appearance(channels=(FREQUENCY, flux, error))) == ()
    flux[:4] = 0.0
    assert labels_of(Appearance(channels=(FREQUENCY, flux, error))) == ("band",)
    flux[:4] = np.nan
    assert labels_of(Appearance(channels=(FREQUENCY, flux, error))) == ()


def appearance(width: float, snr: float, seed: int) -> Appearance:
    """A source of this width in beams, on noise of 1 Jy/beam, whose place is known as well as its S/N allows."""
    random = np.random.default_rng(seed)
    x, y = random.uniform(30, 34, 2)
    noise = next(noise_fields(64, BEAM, seed))
    off = random.normal(0, BEAM / 2.35 / snr, 2)
    image = noise + snr * gaussian(64, x, y, width * BEAM)
    return Appearance(cutout=image.astype(float), place=(x + off[0], y + off[1]), noise=1.0, beam=SEARCHED.beam)


@pytest.mark.parametrize("snr", [7.0, 30.0, 300.0])
def test_a_point_source_is_not_near_and_what_is_twice_as_wide_is(snr: float) -> None:
    points = [shape_chi2(appearance(1.03, snr, seed)) for seed in range(50)]  # a beam is not known better
    wide = [appearance(2.0, 3 * snr, seed) for seed in range(50)]
    assert max(points) < 3
    assert all("near-field" in labels_of(each) for each in wide)


def test_the_psf_counts_if_it_is_known_and_not_the_beam() -> None:
    """Here it is the PSF of a core with long arms: narrow, on a foot."""
    psf = (0.5 * gaussian(65, 32, 32, BEAM / 3) + 0.5 * gaussian(65, 32, 32, 3 * BEAM)).astype(float)
    seen = Appearance(cutout=50 * psf, place=(32.0, 32.0), noise=1.0, beam=SEARCHED.beam)
    assert labels_of(seen) == ("near-field",)
    assert labels_of(replace(seen, psf=psf)) == ()


def test_what_a_bright_source_leaks_into_v_is_labelled_and_a_flare_is_not() -> None:
    assert labels_of(Appearance(flux=-0.03, intensity=1.0)) == ("leakage",)
    assert labels_of(Appearance(flux=0.2, intensity=0.3)) == ()
    assert labels_of(Appearance(flux=0.2)) == ()
