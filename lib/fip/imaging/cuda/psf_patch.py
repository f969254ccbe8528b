"""The middle of a point spread function on a GPU, for the fit of a beam: a second, tiny grid (imaging/beam.py)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.values import Block, Grid
from fip.imaging.cuda.gridding import Constants, Terms
from fip.imaging.slant.basis import Basis
from fip.imaging.slant.plan import Gridding, Plane, transform_size
from fip.imaging.slant.scheme import SINGLE
from fip.imaging.slant.stages import Shape

FEWEST = 2**15  # samples: with fewer, the processor makes the patch in less time than it takes to launch the GPU
HIGHEST = 0.4  # cycles per pixel: a grid of finer fringes would not end
_ONE = np.ones((1, 1), np.float32)
_FLAT = Basis(np.zeros(1, np.int64), _ONE, _ONE, 1.0)  # one term, the same at all heights


def psf_patch(
    constants: Constants,
    uvw: Sequence[NDArray[np.float64]],
    frequencies: Sequence[NDArray[np.float64]],
    weights: Sequence[NDArray[np.floating]],
    side: int,
    step: float,
) -> NDArray[np.float32] | None:
    """Return [y, x] of `side` pixels, a multiple of 16, `step` rad apart, as `fip.imaging.ducc.dirty` without w.

    uvw [row, 3] in m, frequencies in Hz and weights [row x frequency] of each block. The error is at most 1e-5. None if
    samples are few, if fringes are too fine for such pixels, or if the GPU has no memory left.
    """
    if sum(weight.size for weight in weights) < FEWEST:
        return None
    all_uvw = np.concatenate(uvw).T
    highest = np.repeat([float(f[-1]) for f in frequencies], [len(each) for each in uvw])
    along_eta, along_xi = (float(np.abs(axis * highest).max()) * step / SPEED_OF_LIGHT for axis in all_uvw[:2])
    if max(along_xi, along_eta) > HIGHEST:
        return None
    u, v, w = all_uvw
    plane = Plane(False, 0.0, 0.0, np.stack([-v, u, w]), np.zeros(3))
    u_size, u_half = transform_size(side / 2, side, along_xi, 4, SINGLE)
    v_size, v_half = transform_size(side / 2, side, along_eta, 8, SINGLE)
    row0, begin = SINGLE.support // 2, -(side // 2) * step
    shape = Shape(
        terms=1, rows=v_half + row0, row0=row0, columns=2 * u_half, column0=u_half, blocks=side // 16, length=side,
        xi0=begin, eta0=begin, xi_step=step, eta_step=step, a=0.0, b=0.0, q_centre=0.0, per_q=1.0, segment=side,
    )  # fmt: skip
    rows = np.zeros((all_uvw.shape[1], 4))
    rows[:, :2] = plane.baselines[:2].T * (np.array([u_size, v_size]) * step / SPEED_OF_LIGHT)
    parts = tuple(np.split(rows, np.cumsum([len(each) for each in uvw[:-1]])))
    blocks = [
        Block(0, own, f, weight.reshape(1, len(own), len(f)).astype(np.complex64), weight)
        for own, f, weight in zip(uvw, frequencies, weights, strict=True)
    ]
    plan = Gridding(SINGLE, plane, _FLAT, shape, u_size, v_size, parts)
    try:
        terms = Terms(constants, plan, blocks, Grid(side, side, step, 0.0, 0.0, "FK5"))
        patch: NDArray[np.float32] = constants.device.read(terms.corrected(terms.terms(terms.gridded(0))))[0]
    except MemoryError:
        return None
    return patch
