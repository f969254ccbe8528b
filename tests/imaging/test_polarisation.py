"""Stokes products: what goes in as a Stokes vector comes out as it, with the inverse variances as weights."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.imaging.polarisation import form, products

LINEAR = ("XX", "XY", "YX", "YY")
CIRCULAR = ("RR", "RL", "LR", "LL")


def correlate(basis: tuple[str, ...], stokes: dict[str, complex]) -> dict[str, complex]:
    """The correlations of a Stokes vector, by Hamaker & Bregman (1996): the inverse of what FIP forms."""
    i, q, u, v = (stokes[name] for name in "IQUV")
    if basis == LINEAR:
        return {"XX": i + q, "XY": u + 1j * v, "YX": u - 1j * v, "YY": i - q}
    return {"RR": i + v, "RL": q + 1j * u, "LR": q - 1j * u, "LL": i - v}


def made(
    stokes: tuple[str, ...],
    names: tuple[str, ...],
    visibility: NDArray[np.complexfloating],
    weight: NDArray[np.floating],
    bad: NDArray[np.bool_],
    precision: type[np.floating] = np.float32,
) -> tuple[NDArray[np.complexfloating], NDArray[np.floating]]:
    """Weighted visibilities and weights of one sample, [stokes] each."""
    wanted = products(stokes, names)
    out = np.empty((len(wanted), 1, 1), np.result_type(precision, np.complex64))
    out_weight = np.empty((len(wanted), 1, 1), precision)
    form(wanted, visibility[None, None], weight[None, None], bad[None, None], out, out_weight)
    return out[:, 0, 0], out_weight[:, 0, 0]


@given(
    basis=st.sampled_from([LINEAR, CIRCULAR]),
    shuffle=st.sampled_from(list(permutations(range(4)))),
    vector=st.lists(st.complex_numbers(max_magnitude=100), min_size=4, max_size=4),
    weights=st.lists(st.floats(2**-6, 2**6, width=32), min_size=4, max_size=4),
)
def test_a_stokes_vector_comes_back_from_its_correlations(
    basis: tuple[str, ...], shuffle: tuple[int, ...], vector: list[complex], weights: list[float]
) -> None:
    """I, Q, U and V of either kind of feed, whatever the order of CORR_TYPE and the weights."""
    stokes = dict(zip("IQUV", vector, strict=True))
    names = tuple(basis[at] for at in shuffle)
    correlations = correlate(basis, stokes)
    visibility = np.array([correlations[name] for name in names])
    bad = np.zeros(4, bool)
    out, weight = made(tuple("IQUV"), names, visibility, np.array(weights), bad, np.float64)
    # Sums of numbers of up to 200 Jy keep some 1e-13 of that in double precision.
    np.testing.assert_allclose(out / weight, np.array(vector), rtol=0, atol=1e-11)


@given(first=st.floats(2**-20, 2**20, width=32), second=st.floats(2**-20, 2**20, width=32))
def test_a_pair_has_the_inverse_variance_of_its_mean(first: float, second: float) -> None:
    """The variance of (p + q)/2 is (1/w_p + 1/w_q)/4; its inverse is 4 w_p w_q / (w_p + w_q)."""
    weights = np.array([first, second], np.float32)
    _, weight = made(("I",), ("XX", "YY"), np.ones(2, np.complex64), weights, np.zeros(2, bool))
    np.testing.assert_allclose(weight, 4 / (1 / first + 1 / second), rtol=1e-6)


def spoilt() -> list[tuple[complex, float, bool]]:
    """Visibility, weight and flag of a hand that must not be used."""
    nan, inf = float("nan"), float("inf")
    return [
        (3, 1, True),
        (complex(nan, 0), 1, False),
        (complex(0, inf), 1, False),
        (complex(nan, nan), nan, True),
        (3, 0, False),
        (3, -1, False),
        (3, nan, False),
        (3, inf, False),
    ]


@pytest.mark.parametrize(("value", "weight", "flag"), spoilt())
@pytest.mark.parametrize("at", [0, 1])
def test_a_sample_counts_where_both_hands_are_good(value: complex, weight: float, flag: bool, at: int) -> None:
    """Flags, NaN, infinities and weights that are not positive in either hand give weight 0 and visibility 0."""
    visibility, weights, bad = np.ones(2, np.complex64), np.full(2, 2, np.float32), np.zeros(2, bool)
    visibility[at], weights[at], bad[at] = value, weight, flag
    out, out_weight = made(("I",), ("RR", "LL"), visibility, weights, bad)
    assert (out[0], out_weight[0]) == (0, 0)


@pytest.mark.parametrize(("value", "weight", "flag"), spoilt())
@pytest.mark.parametrize("at", [0, 1])
def test_pseudo_i_takes_the_good_hand_alone(value: complex, weight: float, flag: bool, at: int) -> None:
    """The other hand, with its own weight, stands for I; with both good it is I."""
    visibility, weights, bad = np.array([4, 8], np.complex64), np.array([2, 2], np.float32), np.zeros(2, bool)
    both, both_weight = made(("pseudoI",), ("RR", "LL"), visibility, weights, bad)
    assert (both[0] / both_weight[0], both_weight[0]) == (6, 4)
    good = visibility[1 - at]
    visibility[at], weights[at], bad[at] = value, weight, flag
    out, out_weight = made(("pseudoI",), ("RR", "LL"), visibility, weights, bad)
    assert (out[0] / out_weight[0], out_weight[0]) == (good, 2)


def test_flags_of_cross_hands_leave_i_alone() -> None:
    """Stokes I and Q of linear feeds need no XY and YX; U and V need nothing else."""
    visibility, weight, bad = np.ones(4, np.complex64), np.ones(4, np.float32), np.array([False, True, False, False])
    _, weights = made(tuple("IQUV"), LINEAR, visibility, weight, bad)
    assert weights.tolist() == [2, 2, 0, 0]


@pytest.mark.parametrize(
    ("asked", "on_file", "planes"),
    [
        (("I",), ("RR",), ("RR",)),
        (("pseudoI",), ("XX",), ("XX",)),
        (("YY",), LINEAR, ("YY",)),
        (("I", "V"), ("RR", "LL"), ("I", "V")),
        (("I", "Q"), ("XX", "YY"), ("I", "Q")),
        (("I", "Q"), ("I", "Q", "U", "V"), ("I", "Q")),
        (("I",), ("XY", "XX"), ("XX",)),
    ],
)
def test_planes_say_what_they_are(asked: tuple[str, ...], on_file: tuple[str, ...], planes: tuple[str, ...]) -> None:
    """One hand alone is imaged as that hand, Stokes products under their own names."""
    assert tuple(product.name for product in products(asked, on_file)) == planes


@pytest.mark.parametrize(
    ("asked", "on_file"),
    [
        (("I",), ("XY", "YX")),
        (("I",), ("RL",)),
        (("V",), ("XX", "YY")),
        (("Q",), ("RR", "LL")),
        (("XX",), CIRCULAR),
        (("XY",), LINEAR),
        (("I", "pseudoI"), LINEAR),
        (("I", "XX"), ("XX",)),
        ((), LINEAR),
    ],
)
def test_what_cannot_be_formed_is_refused(asked: tuple[str, ...], on_file: tuple[str, ...]) -> None:
    """A line that names what was asked; never an image of something else."""
    with pytest.raises(UsageError, match="--stokes"):
        products(asked, on_file)
