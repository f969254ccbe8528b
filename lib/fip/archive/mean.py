"""`fip.archive.mean:step`, a follower that ships with FIP: the running mean and rms image of each field.

Its folder holds `NAME-[FIELD-]mean.fits` and `NAME-[FIELD-]rms.fits`, Jy/beam: of each pixel the mean of its images so
far, and their scatter about it. Welford's sums; an empty image, and a pixel that is no number, counts for nothing.
"""

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.archive.followed import Finding, FollowedImage
from fip.fits.header import BODY

State = dict[str, Any]
KEPT = (
    *("CTYPE", "CRVAL", "CRPIX", "CDELT", "CUNIT", "RADESYS", "EQUINOX", "LONPOLE", "LATPOLE"),
    *("OBJECT", "TELESCOP", "SPECSYS", "RESTFRQ"),
)  # the keywords that are the same in all images of a field begin so


def step(state: State, image: FollowedImage) -> tuple[State, Iterable[Finding]]:
    """Add an image to the mean of its field; there is nothing to be found in it."""
    if image.entry.empty:
        return state, ()
    field = image.label
    if f"mean {field}" not in state:
        shape = image.pixels.shape
        state[f"count {field}"] = np.zeros(shape, np.uint32)
        state[f"mean {field}"], state[f"square {field}"] = np.zeros(shape), np.zeros(shape)  # square: of deviations
        state[f"header {field}"] = _header(image)
    count, mean, square = (state[f"{what} {field}"] for what in ("count", "mean", "square"))
    good = np.isfinite(image.pixels)
    count += good
    away = np.where(good, image.pixels - mean, 0.0)
    mean += away / np.maximum(count, 1)
    square += away * np.where(good, image.pixels - mean, 0.0)
    return state, ()


def files(state: State) -> dict[str, bytes]:
    """The mean and rms image of each field, as FITS files; a pixel without two numbers has no rms."""
    made = {}
    for field in [key.partition(" ")[2] for key in state if key.startswith("mean ")]:
        count, mean, square = (state[f"{what} {field}"] for what in ("count", "mean", "square"))
        known = np.where(count > 0, mean, np.nan)
        scatter = np.where(count > 1, np.sqrt(square / np.maximum(count.astype(float) - 1.0, 1.0)), np.nan)
        before = f"{field}-" if field else ""
        made[f"{before}mean.fits"] = _fits(known, state[f"header {field}"], int(count.max(initial=0)), "mean")
        made[f"{before}rms.fits"] = _fits(scatter, state[f"header {field}"], int(count.max(initial=0)), "rms")
    return made


def _header(image: FollowedImage) -> str:
    """What of an image's header holds for all of its field, as text."""
    kept = (
        "CTYPE",
        "CRVAL",
        "CRPIX",
        "CDELT",
        "CUNIT",
        "RADESYS",
        "EQUINOX",
        "LONPOLE",
        "LATPOLE",
        "OBJECT",
        "TELESCOP",
        BODY,
    )
    return "\n".join(str(card).rstrip() for card in image.header.cards if card.keyword.startswith(kept))


def _fits(pixels: NDArray[np.float64], header: str, count: int, what: str) -> bytes:
    from astropy.io.fits import Card, Header, PrimaryHDU

    cards = Header([Card.fromstring(line) for line in header.split("\n")])
    hdu = PrimaryHDU(pixels[:, np.newaxis].astype(np.float32), cards)
    hdu.header["BUNIT"] = "JY/BEAM"
    if BODY in hdu.header:
        hdu.header.comments[BODY] = "which the grid follows: CRVAL is of the first"
    hdu.header["NIMAGES"] = (count, f"images that this {what} is of")
    hdu.add_checksum(when="checksum of the header and data")  # the same file again, whenever it is written
    buffer = io.BytesIO()
    hdu.writeto(buffer)
    return buffer.getvalue()
