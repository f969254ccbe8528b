"""Tables of taps make the value of a line anywhere as accurately as their scheme says, of every order."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.imaging.slant.scheme import ORDERS, SCHEMES, Scheme
from fip.imaging.slant.taps import FEWER, MOST_POWERS, make_taps, taps_at

USED = [(scheme, order) for scheme in SCHEMES for order in scheme.nodes]


def band(scheme: Scheme) -> NDArray[np.float64]:
    """Frequencies all over it, others than those that taps are fitted to, cycles a sample."""
    frequencies: NDArray[np.float64] = np.linspace(-0.5, 0.5, 101) * scheme.band
    return frequencies


def value_of(scheme: Scheme, taps: NDArray[np.float64]) -> NDArray[np.complex128]:
    """[place, frequency]: what taps[place, tap] make of waves."""
    samples = np.arange(scheme.taps) - (scheme.taps // 2 - 1)
    values: NDArray[np.complex128] = taps @ np.exp(2j * np.pi * np.outer(samples, band(scheme)))
    return values


def error_at(scheme: Scheme, places: NDArray[np.float64], taps: NDArray[np.float64]) -> float:
    """Rms over places and the band."""
    off = value_of(scheme, taps) - np.exp(2j * np.pi * np.outer(places, band(scheme)))
    return float(np.sqrt((np.abs(off) ** 2).mean()))


def polynomials(scheme: Scheme, kind: int, node: int) -> NDArray[np.float64]:
    """[tap, power] of a node, from what a loop reads."""
    taps = make_taps(scheme)
    entries = iter(taps.table[taps.starts[kind] + node * taps.sizes[kind] :][: taps.sizes[kind]])
    table, four = np.zeros((scheme.taps, MOST_POWERS)), 0
    for held, count in enumerate(taps.fours.reshape(-1, MOST_POWERS)[kind], 1):
        for _ in range(count):
            for tap in (2 * four, 2 * four + 1, -2 - 2 * four, -1 - 2 * four):
                table[tap, :held] = [next(entries) for _ in range(held)]
            four += 1
    assert 4 * four == scheme.taps
    assert next(entries, None) is None
    return table


@pytest.mark.parametrize(("scheme", "order"), USED, ids=[f"{each.finest:g}-{order}" for each, order in USED])
def test_taps_of_an_order_are_as_accurate_as_said_to_the_end_of_their_reach(scheme: Scheme, order: int) -> None:
    kind, nodes = ORDERS.index(order), scheme.nodes[order]
    farthest = make_taps(scheme).reach[kind] + 0.5 / nodes
    distance = np.linspace(-farthest, farthest, 41)
    squares = []
    for node in (0, nodes // 3, nodes // 2, nodes - 1):
        taps = distance[:, None] ** np.arange(MOST_POWERS) @ polynomials(scheme, kind, node).T
        squares.append(error_at(scheme, node / nodes + distance, taps) ** 2)
    # a remainder of the power n of the frequency is 1 / sqrt(2n + 1) in the rms over the band of what it is at its edge
    step = scheme.step**2 / (2 * order + 3) + order * (FEWER * scheme.step) ** 2
    places = np.linspace(0, 1, 41)
    of_all_taps = error_at(scheme, places, taps_at(scheme, places)) ** 2
    rounding = scheme.taps * float(np.finfo(scheme.precision).eps) ** 2
    assert math.sqrt(np.mean(squares)) < math.sqrt(step + of_all_taps + rounding)


def test_the_more_powers_the_nearer_to_the_middle() -> None:
    for scheme, order in USED:
        fours = make_taps(scheme).fours.reshape(-1, MOST_POWERS)[ORDERS.index(order)]
        assert 4 * fours.sum() == scheme.taps
        assert fours[order] > 0
        assert make_taps(scheme).sizes[ORDERS.index(order)] < scheme.taps * (order + 1)
