"""A FITS file with its images uncompressed, for programs that cannot read them otherwise."""

from collections.abc import Iterator
from pathlib import Path

from fip.data.errors import UsageError
from fip.fits.fitsfile import folded, ones_complement_sum, sealed
from fip.fits.pixels import TYPES, Pixels
from fip.fits.units import Unit, reading, unit_at, values_of, whole_blocks

_SUMS = ("CHECKSUM", "DATASUM ")


def unpacked(path: Path) -> bytes:
    """Return a file that FIP has stored, uncompressed, with the sums of its new bytes. A plain file stays as it is.

    UsageError if it cannot be read, or is damaged.
    """
    try:
        return b"".join(_parts(path))
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(f"{path}: cannot be unpacked ({error})") from None


def _parts(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        read = reading(file)
        first = unit_at(read)
        unit = unit_at(read, first.end) if first.begin == first.end < size else first
        if not unit.compressed:
            unit = first
        while True:
            if unit.compressed:
                yield from _plain(path, unit)
            else:
                yield read(unit.start, unit.end - unit.start)
            if unit.end >= size:
                return
            unit = unit_at(read, unit.end)


def _plain(path: Path, unit: Unit) -> Iterator[bytes]:
    """Yield the unit of an image, made from that of its table."""
    cards = values_of(unit.header)
    width, height, channels, stokes = (int(cards[f"NAXIS{axis}"]) for axis in range(1, 5))
    pixels = Pixels(path, unit, (height, width), TYPES[int(cards["BITPIX"])])
    planes = [pixels.plane(number).astype(pixels.dtype) for number in range(channels * stokes)]
    total = folded(sum(map(ones_complement_sum, planes)))
    header = "".join(each for each in unit.header if not each.startswith(_SUMS))
    yield bytes(sealed(header, total))
    yield from (each.tobytes() for each in planes)
    size = sum(each.nbytes for each in planes)
    yield bytes(whole_blocks(size) - size)
