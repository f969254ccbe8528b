"""A list of sources, read from any format: their places, their fluxes at every frequency, their sizes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from fip.corrections.sky.frames import position_angle

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """Sources, and their spectra about a reference frequency.

    With x = f / reference, I is, if `logarithmic`, I x^(t0 + t1 log10 x + t2 (log10 x)^2 ...), which is a polynomial in
    log10 S and log10 f; or else I + t0 (x - 1) + t1 (x - 1)^2 ... .
    """

    names: tuple[str, ...]
    towards: Array  # [source, 3] unit vectors, ICRS
    stokes: Array  # [source, 4] Jy at the reference: I, Q, U, V
    reference: Array  # [source] Hz; 1 if there are no terms
    terms: Array  # [source, term] of the spectrum, 0 behind the last
    logarithmic: NDArray[np.bool_]  # [source]
    alike: NDArray[np.bool_]  # [source] whether Q, U, V follow the spectrum of I; else they are the same everywhere
    major: Array  # [source] rad, full width at half maximum; 0 for a point
    minor: Array  # [source] rad
    angle: Array  # [source] rad, of the major axis, north through east
    of_grid: NDArray[np.bool_]  # [source] whether that is north at the phase centre, and not at the source

    def __len__(self) -> int:
        return len(self.names)

    @property
    def polarised(self) -> tuple[bool, bool]:
        """Return whether any Q or U is not 0, and whether any V is not 0."""
        return bool(np.any(self.stokes[:, 1:3])), bool(np.any(self.stokes[:, 3]))

    def chosen(self, which: NDArray[np.bool_]) -> "Catalogue":
        """Return those sources [source] for which it is true."""
        arrays = {each.name: getattr(self, each.name)[which] for each in fields(self) if each.name != "names"}
        return Catalogue(tuple(n for n, true in zip(self.names, which.tolist(), strict=True) if true), **arrays)

    def flux(self, frequency: Array, planes: int) -> Array:
        """Return flux density [source, channel, plane] in Jy, of I (1 plane) or I, Q, U, V (4); inf if it overflows."""
        if not len(self):
            return np.zeros((0, len(frequency), planes))
        with np.errstate(over="ignore", invalid="ignore"):
            return self._flux(frequency, planes)

    def _flux(self, frequency: Array, planes: int) -> Array:
        base = np.log10(frequency) - np.log10(self.reference)[:, None]
        linear = ~self.logarithmic
        base[linear] = frequency / self.reference[linear, None] - 1
        summed = np.zeros_like(base)
        for term in self.terms.T[::-1]:
            summed = (summed + term[:, None]) * base
        found = np.repeat(self.stokes[:, None, :planes], len(frequency), axis=1)
        total = self.stokes[:, :1]
        found[:, :, 0] = total * np.exp(math.log(10) * summed)
        found[linear, :, 0] = (total + summed)[linear]
        if planes > 1 and self.alike.any():
            share = np.where(self.alike[:, None] & (total != 0), found[:, :, 0] / np.where(total == 0, 1, total), 1.0)
            found[:, :, 1:] *= share[:, :, None]
        return found

    def angles(self, centre: Array) -> Array:
        """Return position angles [source] in rad at the sources, of an image about `centre`, e(s) [3, 3] in ICRS."""
        if not self.of_grid.any():
            return self.angle
        east, north, _ = centre
        along = np.sin(self.angle)[:, None] * east + np.cos(self.angle)[:, None] * north
        return np.where(self.of_grid, position_angle(self.towards, along), self.angle)


def joined(lists: Sequence[Catalogue]) -> Catalogue:
    """Return all lists as one, which is empty if there are none."""
    most = max((each.terms.shape[1] for each in lists), default=0)
    empty: dict[str, NDArray[np.generic]] = {
        "towards": np.zeros((0, 3)), "stokes": np.zeros((0, 4)), "terms": np.zeros((0, most)),
        **{name: np.zeros(0) for name in ("reference", "major", "minor", "angle")},
        **{name: np.zeros(0, bool) for name in ("logarithmic", "alike", "of_grid")},
    }  # fmt: skip
    padded = [np.pad(each.terms, ((0, 0), (0, most - each.terms.shape[1]))) for each in lists]
    arrays = {
        name: np.concatenate([none, *(padded if name == "terms" else [getattr(each, name) for each in lists])])
        for name, none in empty.items()
    }
    return Catalogue(tuple(name for each in lists for name in each.names), **arrays)
