"""ducc0's gridder (Arras et al. 2021, A&A 646, A58). Images are made with it only here."""

from collections.abc import Sequence

import ducc0
import numpy as np
from numpy.typing import NDArray


def dirty(
    uvw: Sequence[NDArray[np.float64]],
    frequencies: Sequence[NDArray[np.float64]],
    values: Sequence[NDArray[np.inexact]],
    precision: type[np.complexfloating],
    shape: tuple[int, int],
    scale: float,
    epsilon: float,
    w_term: bool = True,
) -> NDArray[np.floating]:
    """Make ducc0's dirty image [y, x], oriented as Kernel says, of uvw, frequencies and values [row x node] of blocks.

    All blocks are gridded in one call, at the cost of one.
    """
    image: NDArray[np.floating] = ducc0.wgridder.experimental.vis2dirty_bda(
        # ducc0's axes are (-u, v) with flip_v; with u and v exchanged the first is y and nothing is transposed.
        uvw=np.ascontiguousarray(np.concatenate(uvw)[:, [1, 0, 2]]),
        flip_u=True,
        freqlist_id=np.repeat(np.arange(len(uvw), dtype=np.uint64), [len(each) for each in uvw]),
        freqlist_nfreqs=np.array([len(each) for each in frequencies], dtype=np.uint64),
        freqlist_freqs=np.concatenate(frequencies),
        vis=np.concatenate(values, dtype=precision),
        npix_x=shape[0],
        npix_y=shape[1],
        pixsize_x=scale,
        pixsize_y=scale,
        epsilon=epsilon,
        do_wgridding=w_term,
        divide_by_n=False,
        nthreads=1,
        # If the field holds few fringes, 1e5 samples meet in a handful of cells and sums in single precision
        # cost up to 7 epsilon at 1e-5 (a station of 40 m at 1.9 m imaged over 17 degrees). It takes 5 % of time.
        double_precision_accumulation=True,
    )
    return image
