"""The share of sources that a search finds: its interval, and the S/N at which half and nine tenths are found."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaincinv, log_ndtr, ndtr, ndtri

HALF_WANTED, MOST_WANTED = 0.3, 1.58
"""S/N above the threshold at which half and nine tenths must be found at the latest. A filter that knows place, start
and width needs 0 and 1.28."""

_START = (6.0, 0.0)  # S/N, and the logarithm of its scatter, from which a fit starts
_STEEPEST, _FLATTEST = -3.0, 2.0  # of that logarithm


@dataclass(frozen=True, slots=True)
class Points:
    """S/N at which half, and nine tenths, are found, with standard deviations; NaN if the tries do not show it."""

    half: float
    half_error: float
    most: float
    most_error: float


UNKNOWN = Points(math.nan, math.nan, math.nan, math.nan)


def points(snr: Sequence[float] | NDArray[np.float64], found: Sequence[bool] | NDArray[np.bool_]) -> Points:
    """Fit the likeliest cumulative normal. NaN if no S/N has both found sources and missed ones."""
    at, is_found = np.asarray(snr, np.float64), np.asarray(found, np.bool_)
    if is_found.all() or not is_found.any() or at[is_found].min() >= at[~is_found].max():
        return UNKNOWN
    sign = np.where(is_found, 1.0, -1.0)

    def unlikely(parameters: NDArray[np.float64]) -> float:
        scatter = math.exp(min(_FLATTEST, max(_STEEPEST, parameters[1])))
        return -float(log_ndtr(sign * (at - parameters[0]) / scatter).sum())

    middle, log_scatter = minimize(unlikely, np.array(_START), method="Nelder-Mead").x.tolist()
    scatter = math.exp(min(_FLATTEST, max(_STEEPEST, log_scatter)))
    z = (at - middle) / scatter
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.nan_to_num(np.exp(-z * z - log_ndtr(z) - log_ndtr(-z)) / (2 * math.pi)) / scatter**2
    information = np.array([[weight.sum(), (weight * z).sum()], [(weight * z).sum(), (weight * z * z).sum()]])
    nine = float(ndtri(0.9))
    if np.linalg.det(information) <= 0:
        return Points(middle, math.nan, middle + nine * scatter, math.nan)
    covariance = np.linalg.inv(information)
    error = [math.sqrt(float(np.array([1, of]) @ covariance @ np.array([1, of]))) for of in (0.0, nine)]
    return Points(middle, error[0], middle + nine * scatter, error[1])


def interval(found: int, asked: int) -> tuple[float, float]:
    """Return the interval that holds the share in at least 95 % of cases (Clopper and Pearson 1934)."""
    low = float(betaincinv(found, asked - found + 1, 0.025)) if found else 0.0
    high = float(betaincinv(found + 1, asked - found, 0.975)) if found < asked else 1.0
    return low, high


def share_of_known(snr: float, threshold: float) -> float:
    """Return the share of sources of this S/N that a filter finds if it knows their place, start and width."""
    return float(ndtr(snr - threshold))
