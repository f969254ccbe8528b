"""What becomes of a slice in a worker, stage by stage. Pure.

A stage is a pure function of what was made of the slice so far. They run in the order of `STAGES`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from time import perf_counter

from fip.data.quality import quality
from fip.data.values import FitsFile, Image, ImageFile, Kind, Slice, whole
from fip.fits.fitsfile import fits_bytes
from fip.fits.header import effective_band
from fip.imaging.dirty import channel_beams, dirty_image, psf_image, slice_beam
from fip.imaging.kernels import Kernel
from fip.imaging.statistics import image_statistics

Images = Mapping[Kind, Image]
"""What was made of a slice so far."""

Stage = Callable[[Slice, Images, Kernel], Images]


def dirty(slice_: Slice, images: Images, kernel: Kernel) -> Images:
    """Grid and transform the visibilities: the dirty image. A slice without visibilities gives NaN."""
    return {**images, "dirty": dirty_image(slice_, kernel)}


def psf(slice_: Slice, images: Images, kernel: Kernel) -> Images:
    """The same with the weights in place of the visibilities, if it is asked for: the point spread function."""
    return {**images, "psf": psf_image(slice_, kernel)} if slice_.settings.make_psf else images


def beam(slice_: Slice, images: Images, kernel: Kernel) -> Images:
    """Fit the restoring beam of the whole band, and of each output channel."""
    whole, channels = slice_beam(slice_), channel_beams(slice_)
    return {kind: replace(image, beam=whole, channel_beams=channels) for kind, image in images.items()}


def statistics(slice_: Slice, images: Images, kernel: Kernel) -> Images:
    """Measure noise and extremes of the first plane."""
    return {kind: replace(image, statistics=image_statistics(image.pixels[0, 0])) for kind, image in images.items()}


def judge(slice_: Slice, images: Images, kernel: Kernel) -> Images:
    """Say what is doubtful about the dirty image."""
    image = images["dirty"]
    return {**images, "dirty": replace(image, quality=quality(slice_, image.beam, image.statistics))}


STAGES: tuple[Stage, ...] = (dirty, psf, beam, statistics, judge)


def pass_through(slice_: Slice, kernel: Kernel) -> tuple[Images, dict[str, float]]:
    """The images that the stages make of a slice, and the seconds that each stage took, by its name."""
    images: Images = {}
    seconds = {}
    for stage in STAGES:
        begun = perf_counter()
        images = stage(slice_, images, kernel)
        seconds[stage.__name__] = perf_counter() - begun
    return images, seconds


def image_file(slice_: Slice, kernel: Kernel, worker: str, waited: float) -> ImageFile:
    """Pass a slice through the stages and write its images as FITS files; `waited` is how long it lay here, in s."""
    images, seconds = pass_through(slice_, kernel)
    begun = perf_counter()
    files = tuple(FitsFile(kind, fits_bytes(slice_, image, kind)) for kind, image in images.items())
    image = images["dirty"]
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
        numbers=numbers(slice_),
    )


def numbers(slice_: Slice) -> dict[str, tuple[float, str]]:
    """What the ledger keeps of a slice beside its image: each number with its unit, by name."""
    band, there = whole(slice_.bands), effective_band(slice_)
    return {
        "frequency": (band.centre if there is None else there.centre, "Hz"),
        "band_centre": (band.centre, "Hz"),
        "band_width": (band.width, "Hz"),
        "zeros": (float(slice_.zeros), ""),
        "garbled": (float(slice_.garbled), ""),
        **{name: (value, "") for name, value in slice_.ill.items()},
    }
