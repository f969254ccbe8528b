"""What images a slice in a worker: the kernel and the stages that its run's settings name."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.directions import Body
from fip.data.errors import UserCodeError, WireError
from fip.data.imaged import Imaged
from fip.data.settings import KERNELS, Imaging
from fip.data.user_code import name_of
from fip.data.values import Block, Grid, ImageFile, Slice
from fip.imaging.kernels import Kernel, make_kernel
from fip.wire.codec import check_image
from fip.worker.stages import PRIMARY_BEAM, Named, image_file
from fip.worker.user_code import NOTHING, Offers

KERNELS_KEPT = 4  # the last used: each prepares once a run


class Imager:
    """Images slices, one after the other, with what a worker has."""

    def __init__(self, offers: Offers = NOTHING) -> None:
        self._offers = offers
        self._kernel = lru_cache(maxsize=KERNELS_KEPT)(self._make_kernel)

    def __call__(self, values: Slice, device: str, worker: str, waited: float) -> ImageFile:
        """Return the image of a slice that lay here for `waited` s. UserCodeError, and UsageError as `make_kernel`."""
        settings = values.settings
        own: list[Named] = [(PRIMARY_BEAM, _primary_beam)] if settings.primary_beam else []
        users: list[Named] = [(name_of(each), self._offers.find("stage", each)) for each in settings.stages]
        made = image_file(values, self._kernel(settings, _kernels_grid(values), device), worker, waited, [*own, *users])
        if users:
            _check(made, users)
        return made

    def _make_kernel(self, settings: Imaging, grid: Grid, device: str) -> Kernel:
        if settings.kernel in KERNELS:
            return make_kernel(settings, grid, device)
        return UserKernel(settings, grid, device, self._offers.find("kernel", settings.kernel))


def _kernels_grid(values: Slice) -> Grid:
    """Return the grid to make a kernel for: for FIP's, and for all if the grid follows a body, one for all directions.

    u, v and w are referred to the centre of the grid, wherever that is; a kernel of a user may need the centre.
    """
    anywhere = values.settings.kernel in KERNELS or isinstance(values.settings.phase_centre, Body)
    return replace(values.grid, longitude=0.0, latitude=0.0) if anywhere else values.grid


def _check(made: ImageFile, users: Sequence[Named]) -> None:
    """Raise UserCodeError for an image that the sink would drop, and wait for again and again."""
    try:
        check_image(made)
    except (WireError, TypeError, ValueError, OverflowError) as error:
        names = ", ".join(name for name, _ in users)
        raise UserCodeError(f"stage {names}: what it returned cannot be sent: {error}") from None


def _primary_beam(so_far: Imaged) -> Imaged:
    from fip.worker.primary_beam import primary_beam  # late: it imports more of scipy than others need

    return primary_beam(so_far)


class UserKernel(Kernel):
    """A kernel of a user: made by `made(settings, grid, device)`, it has a method `image` as `Kernel`."""

    def __init__(self, settings: Imaging, grid: Grid, device: str, made: Any) -> None:
        self._name = name_of(settings.kernel)
        try:
            self._kernel = made(settings, grid, device)
        except Exception as error:
            raise UserCodeError(f"kernel {self._name}: {type(error).__name__}: {error}") from error

    def image(self, blocks: Sequence[Block], out: NDArray[np.floating]) -> str:
        """Image the blocks as `Kernel` says; an error of the kernel becomes UserCodeError."""
        try:
            self._kernel.image(blocks, out)
        except Exception as error:
            raise UserCodeError(f"kernel {self._name}: {type(error).__name__}: {error}") from error
        return self._name
