"""What becomes of a slice in a worker, stage by stage. Pure.

A stage is a pure function of what was made of the slice so far. They run in the order of `STAGES`, and after them those
of users that the run's settings name (docs/extending/stage.md).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from time import perf_counter

from fip.data.antennas import FAULTS
from fip.data.complete import COMPLETE
from fip.data.compressing import steps_to_the_noise
from fip.data.directions import Body
from fip.data.errors import UserCodeError
from fip.data.imaged import Imaged
from fip.data.imaging_words import BRIGHT_ONES
from fip.data.names import LARGEST
from fip.data.quality import quality
from fip.data.values import INJECTED_NUMBER, MOST_KINDS, FitsFile, Image, ImageFile, Kind, Slice, is_kind, whole
from fip.fits.fitsfile import fits_bytes
from fip.fits.header import effective_band
from fip.imaging.beam import uv_moments
from fip.imaging.dirty import channel_beams, dirty_image, is_bright, psf_image, slice_beam, wide_psf
from fip.imaging.kernels import Kernel
from fip.imaging.statistics import image_statistics
from fip.imaging.steps import steps_of
from fip.worker.comparing import compare

Stage = Callable[[Imaged, Kernel], Imaged]
UserStage = Callable[[Imaged], Imaged]
Named = tuple[str, UserStage]
"""A stage of a user, with the name by which it is timed."""


def dirty(so_far: Imaged, kernel: Kernel) -> Imaged:
    """Grid and transform the visibilities: the dirty image. A slice without visibilities gives NaN."""
    return so_far.with_image("dirty", dirty_image(so_far.slice, kernel))


def psf(so_far: Imaged, kernel: Kernel) -> Imaged:
    """Do the same with the weights in place of the visibilities, if it is asked for: the point spread function.

    That of a bright slice has twice the size, so that it reaches from any of its sources to any pixel.
    """
    slice_, images = so_far.slice, so_far.images
    if slice_.settings.make_psf == BRIGHT_ONES:
        dirty = _measured(images["dirty"], slice_)
        planes = [dirty.statistics, *(image_statistics(plane[0]) for plane in dirty.pixels[1:])]
        wide = {"psf": wide_psf(slice_)} if any(map(is_bright, planes)) else {}
        return replace(so_far, images={**images, "dirty": dirty} | wide)
    return so_far.with_image("psf", psf_image(slice_, kernel)) if slice_.settings.make_psf else so_far


def beam(so_far: Imaged, kernel: Kernel) -> Imaged:
    """Fit the restoring beam of the whole band, and of each output channel; take the moments of u and v."""
    whole, channels = slice_beam(so_far.slice, kernel.beams), channel_beams(so_far.slice, kernel.beams)
    moments = uv_moments(so_far.slice.blocks, kernel.beams)
    return _each(so_far, lambda image: replace(image, beam=whole, channel_beams=channels, moments=moments))


def statistics(so_far: Imaged, kernel: Kernel) -> Imaged:
    """Measure noise and extremes of the first plane, if that is not done yet."""
    return _each(so_far, lambda image: image if image.statistics else _measured(image, so_far.slice))


def judge(so_far: Imaged, kernel: Kernel) -> Imaged:
    """Say what is doubtful about the dirty image."""
    image = so_far.images["dirty"]
    offset, _ = so_far.numbers.get("model.offset", (None, ""))
    found = quality(so_far.slice, image.beam, image.statistics, offset)
    return so_far.with_image("dirty", replace(image, quality=found))


STAGES: tuple[Stage, ...] = (dirty, psf, beam, statistics, compare, judge)
PRIMARY_BEAM = "primary-beam"
"""A stage of FIP's that comes before those of users, if it is asked for."""
_OWN_NUMBERS = (
    "data_",
    INJECTED_NUMBER,
    "uv.",
    "residual.",
    "predicted.",
    "model.",
    "noise.",
    "flagged_by.",
    "gains.",
    "flag.",
    "sky_model.",
)
"""How the names of numbers begin that only FIP enters."""
OWN_TIMES = ("wait", *(stage.__name__ for stage in STAGES), "fits")
"""What is timed of a slice by these names; stages of users have others."""


def pass_through(slice_: Slice, kernel: Kernel, users: Sequence[Named] = ()) -> tuple[Imaged, dict[str, float]]:
    """Return what the stages make of a slice, those of users last, and the seconds that each stage took, by its name.

    Raises UserCodeError for one of a user that fails, or returns what is not to be stored.
    """
    so_far = Imaged(slice_)
    seconds = {}
    for stage in STAGES:
        begun = perf_counter()
        so_far = stage(so_far, kernel)
        seconds[stage.__name__] = perf_counter() - begun
    if users:
        so_far = _each(so_far, _read_only)
    for name, users_stage in users:
        begun = perf_counter()
        so_far = _passed(name, users_stage, so_far)
        seconds[name] = perf_counter() - begun
    return so_far, seconds


def image_file(slice_: Slice, kernel: Kernel, worker: str, waited: float, users: Sequence[Named] = ()) -> ImageFile:
    """Pass a slice through the stages and write its images as FITS files; `waited` is how long it lay here, in s."""
    made, seconds = pass_through(slice_, kernel, users)
    begun = perf_counter()
    files = tuple(FitsFile(kind, _bytes(slice_, image, kind)) for kind, image in made.images.items())
    image = made.images["dirty"]
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
        numbers={**made.numbers, **numbers(slice_), **_moments(image)},
        fingerprint=slice_.fingerprint,
    )


def _bytes(slice_: Slice, image: Image, kind: Kind) -> memoryview:
    """Return a FITS file; compress it if that is asked for, and the image has a noise to go by and is finite."""
    asked = slice_.settings.compress
    if asked and kind == "dirty" and (steps := steps_of(slice_, image, steps_to_the_noise(asked))):
        from fip.fits.compressed import compressed_bytes  # late: it compiles

        return compressed_bytes(slice_, image, kind, steps)
    return fits_bytes(slice_, image, kind)


def numbers(slice_: Slice) -> dict[str, tuple[float, str]]:
    """Return what the ledger keeps of a slice beside its image: each number with its unit, by name."""
    band, there = whole(slice_.bands), effective_band(slice_)
    return {
        "frequency": (band.centre if there is None else there.centre, "Hz"),
        "band_centre": (band.centre, "Hz"),
        "band_width": (band.width, "Hz"),
        "zeros": (float(slice_.zeros), ""),
        "garbled": (float(slice_.garbled), ""),
        COMPLETE: (slice_.complete, ""),
        "weights": (min(float(slice_.sum_of_weights[0].sum()), LARGEST), ""),
        **({INJECTED_NUMBER: (1.0, "")} if slice_.observation.injected else {}),
        **{name: (value, "") for name, value in slice_.ill.items()},
        **slice_.numbers,
        **_moving_centre(slice_),
    }


def _moving_centre(slice_: Slice) -> dict[str, tuple[float, str]]:
    """Return the place of the body that the grid follows, J2000; nothing if it follows none."""
    if not isinstance(slice_.settings.phase_centre, Body):
        return {}
    grid = slice_.grid
    return {"centre.ra": (math.degrees(grid.longitude), "deg"), "centre.dec": (math.degrees(grid.latitude), "deg")}


def _moments(image: Image) -> dict[str, tuple[float, str]]:
    """Return the moments of u and v, in 10^6 wavelengths squared; false events are counted with them."""
    if image.moments is None:
        return {}
    return {f"uv.{name}": (value / 1e6, "") for name, value in asdict(image.moments).items()}


def _passed(name: str, stage: UserStage, before: Imaged) -> Imaged:
    """Return what a user's stage makes of it, with new statistics if its pixels changed. Raises UserCodeError."""
    try:
        after = stage(before)
        fault = _fault(before, after)
    except Exception as error:
        raise UserCodeError(f"stage {name}: {type(error).__name__}: {error}") from error
    if fault:
        raise UserCodeError(f"stage {name}: {fault}")
    changed = {
        kind: image
        if kind in before.images and before.images[kind].pixels is image.pixels
        else _measured(image, before.slice)
        for kind, image in after.images.items()
    }
    images: Mapping[Kind, Image] = {"dirty": changed["dirty"], **changed}  # the dirty image first, as it is stored
    return replace(after, images=images)


def _fault(before: Imaged, after: object) -> str:
    """Return why what a stage returned cannot be stored; "" if it can."""
    if not isinstance(after, Imaged) or after.slice is not before.slice:
        return f"returned {type(after).__name__}, and not what it was given with something changed or added"
    if lost := before.images.keys() - after.images.keys():
        return f"has lost the image {min(lost)}"
    if len(after.images) > MOST_KINDS:
        return f"returned {len(after.images)} images, of which a slice has at most {MOST_KINDS}"
    for kind, image in after.images.items():
        if not is_kind(kind):
            return f"{kind!r:.40} is no kind of image"
        like = kind if kind in before.images else "dirty"
        due = before.images[like].pixels
        if (image.pixels.dtype, image.pixels.shape) != (due.dtype, due.shape):
            found = f"{image.pixels.dtype} {image.pixels.shape}"
            return f"image {kind} is {found}, and the {like} image {due.dtype} {due.shape}"
        if image.beam and not all(map(math.isfinite, (image.beam.major, image.beam.minor, image.beam.angle))):
            return f"image {kind} has a beam that is not finite: give None for none"
    own = numbers(before.slice)
    begins = tuple(f"{fault}." for fault in FAULTS)
    added = [name for name, value in after.numbers.items() if before.numbers.get(name) != value]
    taken = [each for each in added if each in own or each.startswith((*_OWN_NUMBERS, *begins))]
    return f"number {taken[0]} is one of FIP's own: name it otherwise" if taken else ""


def _read_only(image: Image) -> Image:
    """Return the same with pixels that nobody can change in place: a stage returns new ones."""
    pixels = image.pixels.view()
    pixels.flags.writeable = False
    return replace(image, pixels=pixels, written=image.written and replace(image.written, pixels=pixels))


def _measured(image: Image, slice_: Slice) -> Image:
    if slice_.settings.compress:  # its file is of other numbers
        return replace(image, statistics=image_statistics(image.pixels[0, 0]))
    from fip.imaging.measured import measured  # late: it loads compiled code

    return measured(image)


def _each(so_far: Imaged, change: Callable[[Image], Image]) -> Imaged:
    return replace(so_far, images={kind: change(image) for kind, image in so_far.images.items()})
