"""What a slice's uvw decide: the plane, the slanted grid, the terms. Cheap, made anew for each slice from it alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.data import Block, Grid
from fip.slant.basis import Basis, make_basis
from fip.slant.fft import good_size
from fip.slant.grid import MOST_TERMS, OVERSAMPLING, SUPPORT
from fip.slant.resample import BAND, SEGMENT, TAPS, Line
from fip.slant.stages import Shape

LIGHT = 299792458.0  # m/s
CUBIC_ERROR = 4e-7  # samples, or radians of the screen: what positions along a segment may be off
_MARGIN = TAPS // 2 + 4  # samples of the slanted grid around what the image needs
_POINTS = 33  # a side, of the lattice on which extents and slopes are looked at
_PAIRS = 200  # of a baseline and a direction, on which each plan is tested
_TERM_TOLERANCE = 0.35  # of epsilon, in the terms left out

Doubles = NDArray[np.float64]


class UnsuitableError(Exception):
    """The slant kernel cannot image this geometry as accurately as asked; says why."""


@dataclass(frozen=True)
class Plane:
    """Baselines split by the plane that fits them best: w = a u + b v + d, in metres.

    (u, v) belong to (xi, eta), the pixel coordinates (y, x), or (x, y) where `transposed`; x runs with the columns,
    x = -l, and y = m, so that the image is sum Re[V exp(2 pi i f / c (u xi + v eta - w q))].
    """

    transposed: bool
    a: float
    b: float
    baselines: tuple[Doubles, ...]  # of each block [row, (u, v, d)]

    @classmethod
    def fit(cls, blocks: Sequence[Block]) -> Plane:
        """Least squares. The axis of the smaller slope is xi: its pass is not sheared beforehand."""
        uvw = np.concatenate([block.uvw for block in blocks])
        slope_u, slope_v = map(float, np.linalg.lstsq(uvw[:, :2], uvw[:, 2], rcond=None)[0])
        transposed = abs(slope_v) > abs(slope_u)
        a, b = (slope_u, -slope_v) if transposed else (-slope_v, slope_u)
        split = []
        for block in blocks:
            u, v, w = block.uvw.T
            height = w - slope_u * u - slope_v * v
            split.append(np.stack([u, -v, height] if transposed else [-v, u, height], axis=1))
        return cls(transposed, a, b, tuple(split))


@dataclass(frozen=True)
class Plan:
    """All that the stages need to know of a slice."""

    plane: Plane
    basis: Basis
    shape: Shape
    u_size: int  # points of the transform over u
    v_size: int
    rows: tuple[Doubles, ...]  # of each block [row, (u, v in cells, phase in turns, t; per Hz)]
    across: Doubles  # [column] pixel / transform of xi, where its correction is to be evaluated
    eta_line: Line
    xi_line: Line

    @property
    def grid_size(self) -> int:
        """Floats of the grid."""
        return self.shape.rows * self.shape.columns * 2 * self.shape.terms


def q_slanted(x: Doubles, y: Doubles, a: float, b: float) -> Doubles:
    """n - 1 at l - a q = x, m - b q = y. Raise UnsuitableError where there is no such direction."""
    r2, linear = x * x + y * y, 1 + a * x + b * y
    below = linear * linear - (1 + a * a + b * b) * r2
    if below.min() < 0.01 or linear.min() <= 0:
        raise UnsuitableError("part of the field is near the horizon of the array's plane")
    return -r2 / (linear + np.sqrt(below))


def slant_cost(plan: Plan, samples: int) -> float:
    """CPU seconds, roughly, of an image of one Stokes: measured on one core of an EPYC of 2023."""
    s, eta, xi = plan.shape, plan.eta_line.rows, plan.xi_line.rows
    first = 3.0 * s.terms * s.rows * plan.u_size
    second = (1.6 * s.terms * plan.v_size + 1.5 * eta) * s.blocks * 16
    return 1e-9 * (2.5e6 + 40 * s.terms * samples + first + second + 2.7 * eta * xi)


def wgridder_cost(blocks: Sequence[Block], grid: Grid, samples: int) -> float:
    """CPU seconds, roughly, of the same image by ducc0's w-gridder: planes of w, each a transform, and the gridding."""
    w = max(float(np.abs(block.uvw[:, 2]).max() * block.frequency[-1]) for block in blocks) / LIGHT
    corner = min((grid.width**2 + grid.height**2) * grid.scale**2 / 4, 1.0)
    planes = 7 + 1.6 * w * corner / (1 + math.sqrt(1 - corner))
    return 1e-9 * (240 * samples + 10 * planes * grid.width * grid.height)


def make_plan(blocks: Sequence[Block], grid: Grid, epsilon: float) -> Plan:
    """The plan for these samples. Raise UnsuitableError."""
    if not all(len(block.uvw) and np.isfinite(block.uvw).all() for block in blocks):
        raise UnsuitableError("a block has no rows, or uvw that are no numbers")
    plane = Plane.fit(blocks)
    a, b = plane.a, plane.b
    if math.hypot(a, b) > STEEPEST:
        raise UnsuitableError("the array is seen from lower than 34 degrees")
    xi_pixels, eta_pixels = (grid.width, grid.height) if plane.transposed else (grid.height, grid.width)
    pixel = grid.scale
    highest = [float(block.frequency[-1]) / LIGHT for block in blocks]
    wavelengths = np.concatenate([rows * f for rows, f in zip(plane.baselines, highest, strict=True)])
    u, v, d = np.abs(wavelengths).T
    signed_v = wavelengths[:, 1] * np.sign(wavelengths[:, 0])
    # The slanted pixel without shear, from which the margins follow; the true ones are finer.
    xi_step = _step(u.max(), xi_pixels * pixel)
    eta_step = _step(v.max(), eta_pixels * pixel)
    xi, eta, q = _field(xi_pixels * pixel, eta_pixels * pixel, xi_step, eta_step, a, b)
    n = 1 + q
    # Local frequencies in the slanted image: the interpolation mixes v into that of xi, and the screen adds to both.
    shear, turn = b * xi / (n + a * xi), np.abs(xi / (n + a * xi)).max()
    local_u = np.maximum(np.abs(u + signed_v * shear.min()), np.abs(u + signed_v * shear.max())) + d * turn
    local_v = v + d * np.abs(eta / (n + a * xi + b * eta)).max()
    xi_step, eta_step = _step(local_u.max(), xi_pixels * pixel), _step(local_v.max(), eta_pixels * pixel)
    slanted_xi, slanted_eta = xi - a * q, eta - b * q
    sheared_eta = slanted_eta + b * q_slanted(slanted_xi, np.zeros_like(q), a, 0.0)
    xi0, columns = _extent(slanted_xi, xi_step)
    eta0, length = _extent(sheared_eta, eta_step)
    blocks16, length = -(-columns // 16), length + length % 2
    xi_centre, eta_centre = xi0 + blocks16 * 8 * xi_step, eta0 + length // 2 * eta_step
    u_size, u_half = _transform(np.abs(slanted_xi - xi_centre).max() / xi_step, blocks16 * 16, u.max() * xi_step, 4)
    v_size, v_half = _transform(np.abs(slanted_eta - eta_centre).max() / eta_step, length, v.max() * eta_step, 8)

    q_centre = float(q.min()) / 2
    deepest = max(float(d.max()), 1e-9)
    power = np.concatenate([np.square(np.abs(block.visibility)).sum(axis=(0, 2), dtype=np.float64) for block in blocks])
    if not power.any():
        power = np.ones(len(d))
    basis = make_basis(d / deepest, power, 2 * math.pi * deepest * abs(q_centre), _TERM_TOLERANCE * epsilon)
    if basis.terms > MOST_TERMS:
        raise UnsuitableError(f"the array is too far from a plane: {basis.terms} terms")

    error = _model_error(plane, basis, wavelengths, power, deepest, q_centre, np.stack([xi, eta, q]))
    if not error <= epsilon / 2:
        raise UnsuitableError(f"the terms fail their test: an error of {error:.1e}")

    across, along = np.meshgrid(
        xi0 + np.linspace(0, blocks16 * 16, _POINTS) * xi_step,
        eta0 + np.linspace(-1, length + 1, _POINTS) * eta_step,
        indexing="ij",
    )
    offset = -b * q_slanted(across, np.zeros_like(across), a, 0.0)
    image_eta = np.broadcast_to(np.linspace(eta.min(), eta.max(), _POINTS), across.shape)
    per_q = 1 / max(abs(q_centre), 1e-30)
    shape = Shape(
        terms=basis.terms, rows=v_half + _ROW0, row0=_ROW0, columns=2 * u_half, column0=u_half,
        blocks=blocks16, length=length, xi0=xi0, eta0=eta0, xi_step=xi_step, eta_step=eta_step,
        a=a, b=b, q_centre=q_centre, per_q=per_q,
        segment=_segment(q_slanted(across, along + offset, a, b), 1, along, 2 * math.pi * deepest, eta_step, least=4),
    )  # fmt: skip
    padded = -(-eta_pixels // 16) * 16
    eta_line = Line(
        padded, -(eta_pixels // 2) * pixel, pixel, b, eta0, 1 / eta_step,
        _segment(q_slanted(across, image_eta, a, 0.0), 1, image_eta, abs(b) / eta_step, pixel),
    )  # fmt: skip
    xi_line = Line(
        xi_pixels, -(xi_pixels // 2) * pixel, pixel, a, xi0, 1 / xi_step,
        _segment(q, 0, xi, abs(a) / xi_step, pixel),
    )  # fmt: skip
    cells = np.array([u_size * xi_step, v_size * eta_step, 1.0, 1 / deepest]) / LIGHT
    rows = []
    for baselines in plane.baselines:
        phase = baselines @ [xi_centre, eta_centre, -q_centre]
        rows.append(np.stack([baselines[:, 0], baselines[:, 1], phase, baselines[:, 2]], axis=1) * cells)
    across_pixels = (np.arange(blocks16 * 16) - blocks16 * 8) / u_size
    return Plan(plane, basis, shape, u_size, v_size, tuple(rows), across_pixels, eta_line, xi_line)


STEEPEST = 1.5
"""Slope of the plane of w beyond which the slant kernel is not used: there about one random geometry in a thousand came
out wrong (docs/kernel.md, Known fault)."""

_ROW0 = SUPPORT // 2


def _model_error(
    plane: Plane, basis: Basis, wavelengths: Doubles, power: Doubles, deepest: float, q_centre: float, field: Doubles
) -> float:
    """Rms difference of plane and terms from the exact phase, on random pairs of a baseline and a direction.

    `wavelengths` [row, (u, v, d)]; baselines are drawn as often as they have power. `field` [(xi, eta, q), ...].
    """
    rng = np.random.default_rng(0)
    u, v, d = wavelengths[rng.choice(len(power), _PAIRS, p=power / power.sum())].T
    xi, eta, q = field.reshape(3, -1)[:, rng.integers(field[0].size, size=_PAIRS)]
    w = plane.a * u + plane.b * v + d
    exact = np.exp(2j * np.pi * (u * xi + v * eta - w * q))
    slanted = np.exp(2j * np.pi * (u * (xi - plane.a * q) + v * (eta - plane.b * q) - d * q_centre))
    screen = basis.screen((q - q_centre) / max(abs(q_centre), 1e-30), d / deepest)
    return float(np.sqrt(np.mean(np.abs(slanted * screen - exact) ** 2)))


def _step(highest: float, field: float) -> float:
    """rad, the slanted pixel for frequencies up to `highest` cycles per radian over a field of so many radians."""
    return min(0.995 * BAND / (2 * max(highest, 1e-12)), field / 16)


def _field(
    xi_size: float, eta_size: float, xi_step: float, eta_step: float, a: float, b: float
) -> tuple[Doubles, Doubles, Doubles]:
    """A lattice (xi, eta, q) over the field and the margins that interpolation needs. Raise UnsuitableError."""
    corner = xi_size**2 / 4 + eta_size**2 / 4
    if corner >= 0.9:
        raise UnsuitableError("the field reaches the horizon")
    least = 1 - abs(a) * xi_size / 2 / math.sqrt(1 - corner)  # of d(slanted xi) / d(xi)
    if least < 0.2:
        raise UnsuitableError("part of the field is near the horizon of the array's plane")
    xi_half, eta_half = xi_size / 2 + _MARGIN * xi_step / least, eta_size / 2 + _MARGIN * eta_step / least
    if xi_half**2 + eta_half**2 >= 0.95:
        raise UnsuitableError("the field with its margins reaches the horizon")
    xi, eta = np.meshgrid(
        np.linspace(-xi_half, xi_half, _POINTS), np.linspace(-eta_half, eta_half, _POINTS), indexing="ij"
    )
    r2 = xi * xi + eta * eta
    n = np.sqrt(1 - r2)
    if min((n + a * xi).min(), (n + a * xi + b * eta).min(), (n + b * eta).min()) < 0.1:
        raise UnsuitableError("part of the field is near the horizon of the array's plane")
    return xi, eta, -r2 / (1 + n)


def _extent(values: Doubles, step: float) -> tuple[float, int]:
    """The first sample and the number of samples that cover the values."""
    return float(values.min()), math.ceil(float(values.max() - values.min()) / step) + 2


def _transform(half: float, least: int, highest: float, multiple: int) -> tuple[int, int]:
    """Points of a transform, and how many of either sign its grid has, a multiple as asked (less _ROW0 if of 8).

    `half` is how many samples from the centre the image reaches, `least` how many samples it has in all, `highest`
    the highest frequency in cycles per sample.
    """
    size = good_size(max(math.ceil(2 * half * OVERSAMPLING), least, 64))
    while True:
        reach = math.ceil(highest * size) + SUPPORT // 2 + 2
        side = -(-reach // 4) * 4 if multiple == 4 else -(-(reach + _ROW0) // 8) * 8 - _ROW0
        if 2 * side <= size:
            return size, side
        size = good_size(size + 4)


def _segment(q: Doubles, axis: int, along: Doubles, factor: float, pitch: float, least: int = 16) -> int:
    """Rows over which factor x q is a cubic to CUBIC_ERROR: the remainder is the fourth derivative h^4 / 192."""
    spacing = abs(float(np.diff(along, axis=axis).flat[0]))
    fourth = 1.5 * np.abs(np.diff(q, 4, axis=axis)).max() / spacing**4 * factor
    half = (192 * CUBIC_ERROR / max(fourth, 1e-300)) ** 0.25
    rows = int(min(max(2 * half / pitch, 0), SEGMENT))
    if rows < least:
        raise UnsuitableError("the field is too wide for so few pixels")
    return 1 << (rows.bit_length() - 1)
