"""Model images as WSClean writes them, NAME-model.fits: Jy/pixel, in the SIN projection about the middle of the image.

Files of the same grid, such as NAME-0000-model.fits and NAME-0001-model.fits, are the planes of one image.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.corrections.sky.beams import PowerBeam
from fip.corrections.sky.components import SkyImage
from fip.data.directions import Direction, Frame
from fip.data.errors import InputError, first_line
from fip.data.rotations import icrs_axes

Array = NDArray[np.float64]
_FRAMES: dict[str, Frame] = {"FK5": "FK5", "ICRS": "ICRS"}
_SAME = 1e-6  # of a pixel, within which two grids are the same
_STEP = 0.02  # of the frequency, within which a beam is linear enough
_WHOLE_BAND = "-MFS-model.fits"


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    path: Path
    image: SkyImage

    @property
    def grid(self) -> tuple[object, ...]:
        """Return a key that is equal for files that are planes of one image."""
        here = self.image
        unit = here.scale * _SAME
        place = (round(here.centre.longitude / unit), round(here.centre.latitude / unit), here.centre.frame)
        return (here.pixels.shape[1:], round(here.scale / unit * 1e3), *place)


def read_images(files: Sequence[tuple[Path, bytes]]) -> tuple[SkyImage, ...]:
    """Read the images of some files; those that follow each other on one grid are the planes of one. InputError."""
    read = [_File(path, _read(path, content)) for path, content in files]
    return tuple(_planes(list(same)) for _, same in groupby(read, key=lambda file: file.grid))


def _planes(files: list[_File]) -> SkyImage:
    """Make one image of files of the same grid."""
    if len(files) == 1:
        return files[0].image
    if whole := [file.path for file in files if file.path.name.endswith(_WHOLE_BAND)]:
        raise InputError(f"{whole[0]}: is the mean of the planes beside it: leave it out, or name it alone")
    frequency = np.concatenate([file.image.frequency for file in files])
    order = np.argsort(frequency, kind="stable")
    for one, other in pairwise(order.tolist()):
        if frequency[one] == frequency[other]:
            raise InputError(
                f"{files[-1].path}: a second plane at {frequency[one] / 1e6:g} MHz of the image of {files[0].path}: "
                "leave one out"
            )
    pixels = np.concatenate([file.image.pixels for file in files])[order]
    return replace(files[0].image, pixels=pixels, frequency=frequency[order])


def _read(path: Path, content: bytes) -> SkyImage:
    from astropy.io import fits  # late: it takes a while

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # faults that do not matter; what is needed of it is checked below
            with fits.open(BytesIO(content)) as file:
                header, data = file[0].header, np.asarray(file[0].data)
            if (reason := next(_faults(header, data), None)) is None:
                return _image(path, header, data)
    except Exception as error:  # noqa: BLE001  astropy raises what it likes on what is no FITS file
        reason = f"is no FITS image as WSClean's NAME-model.fits: {first_line(error)}"
    raise InputError(f"{path}: {reason}") from None


def _faults(header: Any, data: NDArray[np.generic]) -> Iterator[str]:
    """Yield why an image cannot be used, and what would be accepted."""
    unit = str(header.get("BUNIT", "")).strip()
    if unit.lower() != "jy/pixel":
        yield f"its unit (BUNIT) is '{unit}': a model in Jy/pixel is needed, as NAME-model.fits"
    for axis, (wanted, what) in enumerate((("RA---SIN", "right ascension"), ("DEC--SIN", "declination")), 1):
        kind = str(header.get(f"CTYPE{axis}", "")).strip()
        if kind != wanted:
            yield f"CTYPE{axis} is '{kind}': {what} in the SIN projection is needed, {wanted}"
        length, reference = header[f"NAXIS{axis}"], float(header[f"CRPIX{axis}"])
        if reference != length // 2 + 1:
            yield f"CRPIX{axis} is {reference:g}: the middle, {length // 2 + 1}, is needed: leave -shift out"
        if header.get(f"CUNIT{axis}", "deg").strip().lower() != "deg":
            yield f"CUNIT{axis} is '{header[f'CUNIT{axis}']}': deg is needed"
    step = [float(header[f"CDELT{axis}"]) for axis in (1, 2)]
    if not step[1] > 0 or abs(step[0] + step[1]) > 1e-9 * step[1]:
        yield f"CDELT1 and CDELT2 are {step[0]:g} and {step[1]:g}: square pixels with east to the left are needed"
    if turned := next((name for name in header if name.startswith(("PC", "CD1_", "CD2_", "CROTA", "PV"))
                       and not _neutral(name, header[name])), None):  # fmt: skip
        yield f"{turned} is {header[turned]}: an image that is not turned is needed"
    frame = _frame(header)
    if frame not in _FRAMES:
        yield f"its frame is {frame}: FK5 (J2000) or ICRS is needed"
    for name, (axis, length) in _further(header).items():
        if name not in ("FREQ", "STOKES"):
            yield f"CTYPE{axis} is '{name}': axes of frequency and Stokes are read"
        if name == "STOKES" and (length > 1 or float(header[f"CRVAL{axis}"]) != 1):
            yield f"its Stokes (CRVAL{axis}) is {header[f'CRVAL{axis}']}, {length} planes: one of Stokes I is needed"
    if "FREQ" not in _further(header):
        yield "it has no axis FREQ: the frequency of the model is needed"
    if not np.isfinite(data).all():
        yield f"{np.size(data) - int(np.isfinite(data).sum())} pixels are not finite: set them to 0"
    if not np.any(data):
        yield "all of its pixels are 0: there is nothing to subtract"


def _neutral(name: str, value: object) -> bool:
    """Return whether a keyword that may turn an image does not turn it."""
    number = float(value) if isinstance(value, int | float) else math.nan
    same = name.startswith("PC") and name[2:].split("_")[0].lstrip("0") == name.split("_")[-1].lstrip("0")
    return number == (1.0 if same else 0.0)


def _frame(header: Any) -> str:
    equinox = float(header.get("EQUINOX", 2000.0))
    assumed = "FK5" if equinox >= 1984 else "FK4"
    frame = str(header.get("RADESYS", header.get("RADECSYS", assumed))).strip()
    return frame if frame == "ICRS" or equinox == 2000.0 else f"{frame} of {equinox:g}"


def _further(header: Any) -> dict[str, tuple[int, int]]:
    """Return the axes above two by name: number and length."""
    axes = range(3, int(header["NAXIS"]) + 1)
    names = {axis: str(header.get(f"CTYPE{axis}", "")).strip().split("-")[0] for axis in axes}
    return {names[axis]: (axis, int(header[f"NAXIS{axis}"])) for axis in axes}


def _image(path: Path, header: Any, data: NDArray[np.generic]) -> SkyImage:
    """Make an image. ValueError for frequencies that do not ascend."""
    axis, planes = _further(header)["FREQ"]
    number = np.arange(planes) + 1 - float(header.get(f"CRPIX{axis}", 1))
    frequency = float(header[f"CRVAL{axis}"]) + number * float(header.get(f"CDELT{axis}", 0.0))
    if np.any(frequency <= 0) or np.any(np.diff(frequency) <= 0):
        raise ValueError(f"its frequencies are {frequency.tolist()} Hz: ascending ones above 0 are needed")
    kind = np.float64 if data.dtype.itemsize == 8 else np.float32
    return SkyImage(
        name=path.name,
        pixels=np.ascontiguousarray(data.reshape(planes, *data.shape[-2:]), kind),
        frequency=np.asarray(frequency, np.float64),
        scale=math.radians(float(header["CDELT2"])),
        centre=Direction(
            math.radians(float(header["CRVAL1"])) % (2 * math.pi),
            math.radians(float(header["CRVAL2"])),
            _FRAMES[_frame(header)],
        ),
    )


def weighted(image: SkyImage, beam: PowerBeam, centre: Array, band: tuple[float, float]) -> SkyImage:
    """Multiply an image by the power beam about `centre`, e(s) [3, 3] in ICRS; add planes if a `band`, Hz, has few."""
    low, high = band
    needed = np.linspace(low, high, max(2, 1 + math.ceil((high - low) / (_STEP * high))))
    frequency = image.frequency if len(image.frequency) >= len(needed) else np.union1d(image.frequency, needed)
    height, width = image.pixels.shape[1:]
    east = ((width // 2 - np.arange(width)) * image.scale)[None, :]
    north = ((np.arange(height) - height // 2) * image.scale)[:, None]
    turn = centre[:2] @ icrs_axes(image.centre).T
    up = np.sqrt(np.maximum(1 - east**2 - north**2, 0.0))
    place = [one * east + other * north + third * up for one, other, third in turn.tolist()]
    pixels = np.empty((len(frequency), height, width), image.pixels.dtype)
    for into, at in zip(pixels, frequency.tolist(), strict=True):
        into[:] = plane_at(image, at) * beam(place[0], place[1], at)
    return replace(image, pixels=pixels, frequency=frequency)


def plane_at(image: SkyImage, frequency: float) -> NDArray[np.floating]:
    """Return pixels [y, x] at a frequency, linear between planes, and beyond them as the last one."""
    at = float(np.interp(frequency, image.frequency, np.arange(len(image.frequency))))
    below = min(int(at), len(image.frequency) - 1)
    above = min(below + 1, len(image.frequency) - 1)
    found: NDArray[np.floating] = image.pixels[below] + (at - below) * (image.pixels[above] - image.pixels[below])
    return found
