"""What was searched to which flux, and limits on rates: by numbers that are known."""

import math

import pytest

from fip.search.survey import Stretch, depths, faintest, most_expected, poisson_interval

# Gehrels 1986, tables 1 and 2, and the 95 % intervals that follow from chi^2.
ONE_SIDED = ((0, 2.996), (1, 4.744), (2, 6.296), (5, 10.51), (10, 16.96))
TWO_SIDED = ((0, 0.0, 3.689), (1, 0.02532, 5.572), (3, 0.6187, 8.767), (10, 4.795, 18.39))


@pytest.mark.parametrize(("found", "limit"), ONE_SIDED)
def test_the_limit_is_that_of_poisson(found: int, limit: float) -> None:
    """3.0 if none was found, else that of the number found."""
    assert most_expected(found) == pytest.approx(limit, rel=1e-3)
    so_few = sum(math.exp(-limit) * limit**count / math.factorial(count) for count in range(found + 1))
    assert so_few == pytest.approx(0.05, rel=5e-3)


@pytest.mark.parametrize(("found", "low", "high"), TWO_SIDED)
def test_the_interval_is_that_of_poisson(found: int, low: float, high: float) -> None:
    assert poisson_interval(found) == pytest.approx((low, high), rel=1e-3)


def test_a_wider_boxcar_sees_fainter_sources_less_often() -> None:
    """Half a square degree for two hours: exposure, epochs, flux and limits of each width."""
    found = depths([Stretch(0.5, 900, 8.0, 1e-3, 6.5)], [1, 4, 7, 9])
    assert [each.width for each in found] == [1, 2, 4, 8, 16, 32, 64]
    four = found[2]
    assert (four.duration, four.exposure, four.epochs) == (32.0, 1.0, 0.5 * 900 / 4)
    assert four.fluxes == pytest.approx((3.25e-3,) * 3)
    assert [each.found for each in found] == [1, 0, 2, 1, 0, 0, 0]
    assert four.density == pytest.approx(6.296 / 112.5, rel=1e-3)
    assert (found[1].density, found[1].rate) == pytest.approx((2.996 / 225, 2.996), rel=1e-3)
    assert faintest(6.5, 1e-3, 16) == pytest.approx(6.5e-3 / 4)


def test_fluxes_are_told_by_the_share_of_what_was_searched() -> None:
    """The share is by area and time, not by stretches; what has no noise known counts for area and time alone."""
    quiet, noisy = Stretch(1.0, 80, 10.0, 1e-3, 6.0), Stretch(2.0, 20, 10.0, 4e-3, 6.0)
    (one, *_) = depths([noisy, quiet], [])
    assert one.exposure == pytest.approx((80 + 40) * 10 / 3600)
    assert one.fluxes == pytest.approx((6e-3, 24e-3, 24e-3))  # 80 of 120 are quiet
    (one, *_) = depths([quiet, Stretch(1.0, 80, 10.0, math.nan, 6.0)], [])
    assert one.fluxes == pytest.approx((6e-3,) * 3)
    assert one.epochs == 160
    (one, *_) = depths([Stretch(1.0, 80, 10.0, math.nan, 6.0)], [])
    assert all(map(math.isnan, one.fluxes))


def test_only_widths_that_were_searched_count() -> None:
    """A search of 8 images at most says nothing of 16; one that searched nothing says nothing."""
    few, all_ = Stretch(1.0, 100, 8.0, 1e-3, 6.5, widest=8), Stretch(1.0, 100, 8.0, 1e-3, 6.5)
    assert [each.epochs for each in depths([few, all_], [])] == [200, 100, 50, 25, 100 / 16, 100 / 32, 100 / 64]
    assert [each.width for each in depths([few], [])] == [1, 2, 4, 8]
    assert [each.width for each in depths([Stretch(1.0, 5, 8.0, 1e-3, 6.5)] * 2, [])] == [1, 2, 4, 8]
    assert depths([Stretch(1.0, 0, 8.0, 1e-3, 6.5)], []) == []
