"""Images, weights and point spread functions beside those of WSClean (Debian's 3.1), which shares no code with FIP.

WSClean is asked for its exact gridder without its smaller grid. If both hands have the same weights and flags, all
combine them alike. It limits uniform weights to three times their local mean unless asked not to, and it tapers
cell by cell, which FIP does sample by sample: tapers are not compared.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from casacore.tables import table
from numpy.typing import NDArray

from fip.data.quantities import ARCSEC
from fip.data.settings import asked
from fip.imaging.dirty import dirty_image, psf_image
from fip.imaging.kernels import make_kernel
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.source.open_run import open_run

OPTIONS = (
    *("-j", "1", "-niter", "0", "-pol", "I", "-interval", "1", "2", "-data-column", "DATA", "-make-psf"),
    *("-use-wgridder", "-no-small-inversion", "-wgridder-accuracy", "1e-6", "-no-update-model-required"),
)
INTEGRATION = 1

Planes = tuple[NDArray[np.float64], NDArray[np.float64]]
"""An image and its point spread function."""


@pytest.fixture(scope="module")
def even_ms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An observation whose baselines differ in weight, and whose correlations do not."""
    path = tmp_path_factory.mktemp("even") / "even.ms"
    simulate(path, Simulation(antennas=24, channels=16, integrations=2, noise=0.05, flag_fraction=0.02))
    with table(str(path), readonly=False, ack=False) as main:
        weight, flag = main.getcol("WEIGHT"), main.getcol("FLAG")
        weight[:] = np.random.default_rng(1).uniform(0.5, 2.0, len(weight))[:, None]
        flag[:] = flag.any(axis=2, keepdims=True)
        main.putcol("WEIGHT", weight)
        main.putcol("FLAG", flag)
    return path


@pytest.fixture
def wsclean(even_ms: Path, tmp_path: Path) -> Callable[..., Planes]:
    """WSClean's image and point spread function of the second integration."""
    program = shutil.which("wsclean")
    if program is None:
        pytest.skip("WSClean is not installed: see tests/debian.txt")

    def make(size: tuple[int, int], scale: float, *weight: str) -> Planes:
        grid = ("-size", *map(str, size), "-scale", f"{scale}asec", "-weight", *weight)
        subprocess.run(
            [program, *OPTIONS, *grid, "-name", tmp_path / "w", even_ms], check=True, stdout=subprocess.DEVNULL
        )
        return _plane(tmp_path / "w-dirty.fits"), _plane(tmp_path / "w-psf.fits")

    return make


def _plane(path: Path) -> NDArray[np.float64]:
    plane: NDArray[np.float64] = fits.getdata(path)[0, 0].astype(np.float64)
    return plane


def _ours(path: Path, **selection: Any) -> Planes:
    """Return FIP's image and point spread function of the same."""
    run = open_run(path, asked(epsilon=1e-6, **selection))
    slice_ = run.read(INTEGRATION)
    run.close()
    kernel = make_kernel(slice_.settings, slice_.grid)
    image, psf = (make(slice_, kernel).pixels[0, 0].astype(np.float64) for make in (dirty_image, psf_image))
    return image, psf


@pytest.mark.parametrize(
    ("size", "scale", "ours", "theirs"),
    [
        ((512, 512), 3.0, {"weight": "natural"}, ("natural",)),
        ((512, 512), 3.0, {"weight": "uniform"}, ("uniform", "-weighting-rank-filter", "0")),
        ((512, 512), 3.0, {"weight": "briggs", "robust": 0.0}, ("briggs", "0")),
        ((300, 514), 2.5, {"weight": "briggs", "robust": -0.5}, ("briggs", "-0.5")),
    ],
    ids=["natural", "uniform", "robust 0", "robust -0.5, rectangular"],
)
def test_image_and_psf_are_wscleans(
    size: tuple[int, int],
    scale: float,
    ours: dict[str, Any],
    theirs: tuple[str, ...],
    even_ms: Path,
    wsclean: Callable[..., Planes],
) -> None:
    """FIP and WSClean differ by less than 1e-5 of the peak, in square and rectangular images."""
    mine = _ours(even_ms, size=size, scale=scale * ARCSEC, **ours)
    for found, expected in zip(mine, wsclean(size, scale, *theirs), strict=True):
        assert np.abs(found - expected).max() < 1e-5 * expected.max()
