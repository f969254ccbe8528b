"""An image as Python works with it: pixels, coordinates, header, beam, times. Just made, or stored: the same."""

import math
from collections.abc import Mapping
from functools import cached_property
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.io.fits import Header
from astropy.wcs import WCS
from numpy.typing import NDArray

from fip.archive.entries import Entry
from fip.data.errors import UsageError
from fip.data.quantities import SECONDS_PER_DAY
from fip.data.values import Beam, Times
from fip.fits.header import CHANNELS
from fip.fits.stored_image import beam_of, image_hdu

Content = bytes | memoryview | Path


class SkyImage:
    """A FITS image of FIP's, and those of its slice beside it. Nothing is read before it is asked for.

    Its properties raise UsageError, naming the file, if the file cannot be read.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        content: Content,
        beside: Mapping[str, "SkyImage"] | None = None,
        entry: Entry | None = None,
    ) -> None:
        """The file `name`, whose content is given or lies at a path; None of `beside`: the files of its slice there."""
        self.name = name
        """Of its file, NAME[-FIELD]-tNNNNNN-KIND.fits."""
        self.kind = kind
        """What it shows: "dirty", "psf", or what a stage of yours made."""
        self.entry = entry
        """What the ledger says of it; None for one that was just made."""
        self._content, self._beside = content, beside

    def __repr__(self) -> str:
        return f"<SkyImage {self.name}>"

    def __getitem__(self, kind: str) -> "SkyImage":
        """Return the image of this kind of the same slice: image["psf"]. UsageError if there is none."""
        if kind not in self.kinds:
            raise UsageError(f"{self.name}: there is no image of kind {kind!r} of this slice; {', '.join(self.kinds)}")
        return self.kinds[kind]

    @property
    def path(self) -> Path | None:
        """The path of its file; None if it is not stored."""
        return self._content if isinstance(self._content, Path) else None

    @cached_property
    def kinds(self) -> Mapping[str, "SkyImage"]:
        """All images of its slice, by their kinds; this one among them."""
        if self._beside is not None:
            return MappingProxyType({self.kind: self, **self._beside})
        found = {self.kind: self}
        if isinstance(self._content, Path):
            stem = self.name.removesuffix(f"{self.kind}.fits")
            for path in sorted(self._content.parent.glob(f"{_escaped(stem)}*.fits")):
                kind = path.name.removeprefix(stem).removesuffix(".fits")
                found.setdefault(kind, SkyImage(path.name, kind, path, {self.kind: self}))
        return MappingProxyType(found)

    @cached_property
    def content(self) -> bytes | memoryview:
        """The bytes of the whole FITS file."""
        if not isinstance(self._content, Path):
            return self._content
        try:
            return self._content.read_bytes()
        except OSError as error:
            raise UsageError(f"{self._content}: cannot be read: {error.strerror}") from None

    @cached_property
    def header(self) -> Header:
        """The header of the image."""
        return self._read(lambda opened: image_hdu(opened).header)

    @cached_property
    def pixels(self) -> NDArray[np.floating]:
        """Pixels [stokes, y, x] of the whole band, Jy/beam, apparent flux; NaN beyond the horizon and without data."""
        found: NDArray[np.floating] = self._read(lambda opened: _native(image_hdu(opened).data)[:, 0])
        return found

    @cached_property
    def channels(self) -> NDArray[np.floating] | None:
        """Pixels [stokes, channel, y, x] of each sub-band, Jy/beam; None if the band is not divided."""
        found: NDArray[np.floating] | None
        found = self._read(lambda opened: _native(opened[CHANNELS].data) if CHANNELS in opened else None)
        return found

    @cached_property
    def wcs(self) -> WCS:
        """The celestial coordinates of a pixel (x, y), counted from 0: image.wcs.pixel_to_world(x, y)."""
        return WCS(self.header).celestial

    @property
    def beam(self) -> Beam | None:
        """The restoring beam of the whole band, rad; None if none can be fitted."""
        return beam_of(self.header)

    @property
    def times(self) -> Times:
        """When it was observed, s UTC since MJD 0, to a microsecond."""
        days = (float(self.header[f"MJD-{name}"]) for name in ("BEG", "AVG", "END"))
        begin, average, end = (day * SECONDS_PER_DAY for day in days)
        return Times(begin, average, end, float(self.header.get("XPOSURE", math.nan)))

    @property
    def stokes(self) -> tuple[str, ...]:
        """What each plane shows, as ("I", "V")."""
        return tuple(str(self.header["FIPSTOKE"]).split(","))

    def _read(self, part: Any) -> Any:
        """A part of the opened file."""
        try:
            with fits.open(BytesIO(self.content), memmap=False) as opened:
                return part(opened)
        except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
            raise UsageError(f"{self.path or self.name}: not an image that FIP can read ({error})") from None


def _native(pixels: NDArray[np.floating]) -> NDArray[np.floating]:
    """The same numbers in the byte order of this machine."""
    return pixels.astype(pixels.dtype.newbyteorder("="))


def _escaped(name: str) -> str:
    """A name that is no pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
