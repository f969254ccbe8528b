"""What becomes of a slice in a worker, stage by stage. Pure.

A stage is a pure function of what was made of the slice so far. They run in the order of `STAGES`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

from fip.data.quality import quality
from fip.data.values import FitsFile, Image, ImageFile, Kind, Slice
from fip.fits.fitsfile import fits_bytes
from fip.imaging.dirty import channel_beams, dirty_image, psf_image, slice_beam
from fip.imaging.interface import Kernel
from fip.imaging.kernels import Recorded
from fip.imaging.statistics import image_statistics


@dataclass(frozen=True, slots=True)
class Imaged:
    """A slice, and the images that were made of it so far."""

    slice: Slice
    images: Mapping[Kind, Image] = field(default_factory=dict)

    def with_image(self, kind: Kind, image: Image) -> "Imaged":
        """The same with this image added, or in place of the one of its kind."""
        return replace(self, images={**self.images, kind: image})


Stage = Callable[[Imaged, Kernel], Imaged]


def dirty(so_far: Imaged, kernel: Kernel) -> Imaged:
    """Grid and transform the visibilities: the dirty image. A slice without visibilities gives NaN."""
    recorded = Recorded(kernel)
    pixels = dirty_image(so_far.slice, recorded)
    return so_far.with_image("dirty", Image(pixels, None, None, kernel=recorded.names))


def psf(so_far: Imaged, kernel: Kernel) -> Imaged:
    """The same with the weights in place of the visibilities, if it is asked for: the point spread function."""
    if not so_far.slice.settings.make_psf:
        return so_far
    recorded = Recorded(kernel)
    pixels = psf_image(so_far.slice, recorded)
    return so_far.with_image("psf", Image(pixels, None, None, kernel=recorded.names))


def beam(so_far: Imaged, kernel: Kernel) -> Imaged:
    """Fit the restoring beam of the whole band, and of each output channel."""
    whole, channels = slice_beam(so_far.slice), channel_beams(so_far.slice)
    images = {kind: replace(image, beam=whole, channel_beams=channels) for kind, image in so_far.images.items()}
    return replace(so_far, images=images)


def statistics(so_far: Imaged, kernel: Kernel) -> Imaged:
    """Measure noise and extremes of the first plane."""
    images = {
        kind: replace(image, statistics=image_statistics(image.pixels[0, 0])) for kind, image in so_far.images.items()
    }
    return replace(so_far, images=images)


def judge(so_far: Imaged, kernel: Kernel) -> Imaged:
    """Say what is doubtful about the dirty image."""
    image = so_far.images["dirty"]
    return so_far.with_image("dirty", replace(image, quality=quality(so_far.slice, image.beam, image.statistics)))


STAGES: tuple[Stage, ...] = (dirty, psf, beam, statistics, judge)


def pass_through(slice_: Slice, kernel: Kernel, stages: Sequence[Stage] = STAGES) -> tuple[Imaged, dict[str, float]]:
    """What the stages make of a slice, and the seconds that each of them took, by its name."""
    so_far, seconds = Imaged(slice_), {}
    for stage in stages:
        begun = perf_counter()
        so_far = stage(so_far, kernel)
        seconds[stage.__name__] = perf_counter() - begun
    return so_far, seconds


def image_file(slice_: Slice, kernel: Kernel, worker: str, waited: float) -> ImageFile:
    """Pass a slice through the stages and write its images as FITS files; `waited` is how long it lay here, in s."""
    so_far, seconds = pass_through(slice_, kernel)
    begun = perf_counter()
    files = tuple(FitsFile(kind, fits_bytes(slice_, image, kind)) for kind, image in so_far.images.items())
    image = so_far.images["dirty"]
    return ImageFile(
        run=slice_.run,
        index=slice_.index,
        attempt=slice_.attempt,
        integration=slice_.integration,
        label=slice_.label,
        worker=worker,
        times=slice_.times,
        empty=slice_.empty,
        quality=image.quality,
        beam=image.beam,
        statistics=image.statistics,
        seconds={"wait": waited, **seconds, "fits": perf_counter() - begun},
        files=files,
        fingerprint=slice_.fingerprint,
    )
