"""Fingerprints of slices: what counts as the same data, and which slices of a run are compared."""

from dataclasses import replace

import numpy as np
import pytest

from fip.data.errors import InputError
from fip.data.fingerprints import DRAWN, TOLERANCE, Comparison, alike, compare, fingerprint, to_compare
from fip.data.values import Block, Fingerprint

RANDOM = np.random.default_rng(3)
SHAPE = 2, 300, 70  # planes, rows and channels: more than are summed at a time


def block(visibility: np.ndarray, weight: np.ndarray) -> Block:
    """Samples that are weighted, as they are read."""
    with np.errstate(over="ignore"):
        weighted = (weight * visibility).astype(np.complex64)
    return Block(0, np.zeros((SHAPE[1], 3)), 1e9 + np.arange(float(SHAPE[2])), weighted, weight.astype(np.float32))


@pytest.fixture
def noise() -> tuple[np.ndarray, np.ndarray]:
    """Visibilities that cancel, and weights with some zeros."""
    visibility = RANDOM.normal(size=SHAPE) + 1j * RANDOM.normal(size=SHAPE)
    return visibility, RANDOM.integers(0, 3, SHAPE)


def test_a_fingerprint_is_sums_over_all_blocks(noise: tuple[np.ndarray, np.ndarray]) -> None:
    """Sums are in double precision, even for values whose squares do not fit into single precision."""
    visibility, weight = noise
    found = fingerprint([block(visibility, weight), block(1e25 * visibility, weight)])
    total = (weight * visibility).sum() * (1 + 1e25)
    assert complex(found.real, found.imaginary) == pytest.approx(total, rel=1e-4)
    assert found.weight == pytest.approx(2 * weight.sum())
    assert found.power == pytest.approx((weight * abs(visibility) ** 2).sum() * 1e50, rel=1e-6)
    assert found.used == 2 * np.count_nonzero(weight)
    garbled = fingerprint([block(np.full(SHAPE, 1e38 + 0j), 100 * weight)])  # which single precision does not hold
    assert (garbled.real, garbled.power, garbled.used) == (0.0, 0.0, int(np.count_nonzero(weight)))
    assert alike(garbled, garbled)
    assert fingerprint([]) == Fingerprint(0.0, 0.0, 0.0, 0.0, 0)


def test_what_is_the_same_within_the_tolerance(noise: tuple[np.ndarray, np.ndarray]) -> None:
    """Values that differ by rounding are; a gain, a phase, a weight or a flag more make it other data."""
    visibility, weight = noise
    known = fingerprint([block(visibility, weight)])
    rounded = visibility * (1 + 1e-7 * RANDOM.normal(size=SHAPE))
    assert alike(known, fingerprint([block(rounded, weight)]))
    one_flag = weight.copy()
    one_flag[tuple(each[0] for each in np.nonzero(weight))] = 0
    others = [
        block((1 + 2 * TOLERANCE) * visibility, weight),
        block(np.exp(0.01j) * visibility, weight),
        block(visibility.conj(), weight),
        block(visibility, 1.001 * weight),
        block(visibility, one_flag),
    ]
    assert not any(alike(known, fingerprint([other])) for other in others)
    assert alike(fingerprint([]), fingerprint([]))
    light = np.where(np.arange(SHAPE[2]) == 7, 1e-9, weight)  # too light to show in sums
    none = np.where(np.arange(SHAPE[2]) == 7, 0, weight)
    assert not alike(fingerprint([block(visibility, light)]), fingerprint([block(visibility, none)]))


def test_all_of_a_finished_set_are_compared_and_some_of_one_that_grows() -> None:
    """The first, the last, and some drawn by the run's id, the same ones each time."""
    stored = ((2, 60), (70, 100))
    every = [*range(2, 60), *range(70, 100)]
    assert to_compare("a", stored, grows=False) == every
    drawn = to_compare("a", stored, grows=True)
    assert drawn == sorted(set(drawn)) == to_compare("a", stored, grows=True)
    assert DRAWN <= len(drawn) <= DRAWN + 2
    assert {2, 99} <= set(drawn) <= set(every)
    assert drawn != to_compare("b", stored, grows=True)
    assert to_compare("a", ((0, 3),), grows=True) == [0, 1, 2]
    assert to_compare("a", (), grows=True) == []


def test_what_became_of_a_comparison() -> None:
    """Slices that cannot be read, or that nothing is known about, are counted and not compared."""
    one = Fingerprint(1.0, 0.0, 0.0, 1.0, 1)

    def read(index: int) -> Fingerprint:
        if index == 3:
            raise InputError("cannot be read")
        return replace(one, used=2) if index in (4, 5) else one

    found = compare(dict.fromkeys(range(1, 6), one), range(6), read)
    assert found == Comparison(alike=2, unlike=(4, 5), unread=1, unknown=1)
    assert found.refusal("out", "obs").endswith(
        "2 of 4 stored slices that were compared differ, the first is slice 4: name another --output, or --overwrite"
    )
    assert Comparison(alike=1).refusal("out", "obs") == ""
    assert Comparison().notes == ()
