"""What a worker has made of a slice so far: what a stage is given, and what it returns with something changed or added.

    def halved(so_far: Imaged) -> Imaged:
        dirty = so_far.images["dirty"]
        return so_far.with_image("half", replace(dirty, pixels=dirty.pixels / 2))

What cannot be stored is refused when it is added, by a ValueError that says why.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fip.data.names import LARGEST, is_label
from fip.data.quantities import is_unit
from fip.data.values import Card, Image, Kind, Slice, Table, is_kind

_KEYWORD = re.compile(r"[A-Z][A-Z0-9_-]{0,7}")
_STRUCTURE = re.compile(
    r"(NAXIS|TTYPE|TFORM|TUNIT|TDIM|TNULL|TSCAL|TZERO)[0-9]*|SIMPLE|XTENSION|BITPIX|EXTEND|EXTNAME|PCOUNT|GCOUNT|"
    r"TFIELDS|END|Z(SIMPLE|TENSION|EXTEND|BITPIX|PCOUNT|GCOUNT|HECKSUM|DATASUM|IMAGE|CMPTYPE|QUANTIZ|DITHER0|BLANK|SCALE|"
    r"ZERO|MASKCMP|(NAXIS|TILE|NAME|VAL)[0-9]*)|COMMENT|HISTORY|CONTINUE|HIERARCH|CHECKSUM|DATASUM|FIP.*"
)
_TABLE = re.compile(r"[A-Z][A-Z0-9_]{0,31}")
_OWN_TABLES = ("CHANNELS", "BEAMS")
LONGEST_TEXT = 60  # characters, of a card
MOST_CARDS = 100  # of stages, in one header


@dataclass(frozen=True, slots=True, eq=False)
class Imaged:
    """A slice, the images that were made of it so far, and what the ledger will keep of it."""

    slice: Slice
    images: Mapping[Kind, Image] = field(default_factory=dict)
    numbers: Mapping[str, tuple[float, str]] = field(default_factory=dict)  # by name: value, unit

    def with_image(self, kind: Kind, image: Image) -> "Imaged":
        """The same with this image, added or in place of the one of its kind; it is stored as NAME-tNNNNNN-KIND.fits.

        Its pixels are of the shape of that, else of the dirty image, [stokes, plane, y, x]. ValueError if they are not,
        or for a kind that is not 1 to 16 of a-z 0-9.
        """
        if not is_kind(kind):
            raise ValueError(f"{kind!r:.40} is no kind of image: give 1 to 16 of a-z 0-9, a letter first")
        other = kind if kind in self.images else "dirty"
        like = self.images.get(other, image).pixels.shape
        if image.pixels.shape != like:
            raise ValueError(f"image {kind} has the shape {image.pixels.shape}, and the {other} image {like}")
        return replace(self, images={**self.images, kind: image})

    def with_card(
        self, kind: Kind, keyword: str, value: str | float | bool, unit: str = "", comment: str = ""
    ) -> "Imaged":
        """The same with a card more in the header of the image of this kind.

        ValueError for a keyword that is not 1 to 8 of A-Z 0-9 _ -, or structures a file, or is FIP's (FIP...); for a
        number that is not finite, a text that is no printable ASCII or too long, or a unit that is none.
        """
        image = self._at(kind)
        if not _KEYWORD.fullmatch(keyword) or _STRUCTURE.fullmatch(keyword):
            raise ValueError(f"card {keyword!r:.40}: a keyword is 1 to 8 of A-Z 0-9 _ -, and none that FITS or FIP has")
        if isinstance(value, str) and (not value.isascii() or not value.isprintable() or len(value) > LONGEST_TEXT):
            raise ValueError(f"card {keyword}: {value!r:.80} is not up to {LONGEST_TEXT} printable characters of ASCII")
        if not isinstance(value, str) and not math.isfinite(value):
            raise ValueError(f"card {keyword}: {value} is not finite, and a header has no number for that")
        plain = value if isinstance(value, str | bool) else _plain(value)
        added = Card(keyword, plain, f"[{_unit(unit)}] {comment}" if unit else comment)
        others = tuple(each for each in image.cards if each.keyword != keyword)
        if len(others) >= MOST_CARDS:
            raise ValueError(f"card {keyword}: the image {kind} has {len(others)}, and may have {MOST_CARDS}")
        return self.with_image(kind, replace(image, cards=(*others, added)))

    def with_table(self, kind: Kind, name: str, columns: Mapping[str, tuple[ArrayLike, str]]) -> "Imaged":
        """The same with a table behind the image of this kind (a FITS BINTABLE): by column, values [row] and unit.

        ValueError for a name that is not 1 to 32 of A-Z 0-9 _, or FIP's (CHANNELS, BEAMS); for columns of different
        lengths, or of other values than numbers, truth values and texts of ASCII.
        """
        image = self._at(kind)
        if not _TABLE.fullmatch(name) or name in _OWN_TABLES:
            raise ValueError(f"{name!r:.40} is no name for a table: give 1 to 32 of A-Z 0-9 _, not CHANNELS or BEAMS")
        made = {column: (_values(column, values), _unit(unit)) for column, (values, unit) in columns.items()}
        if len({len(values) for values, _ in made.values()}) != 1:
            raise ValueError(f"table {name}: give at least one column, and all of one length")
        return self.with_image(kind, replace(image, tables={**image.tables, name: Table(made)}))

    def with_number(self, name: str, value: float, unit: str = "") -> "Imaged":
        """The same with a number more for the ledger (table `numbers`).

        ValueError for a name that is not 1 to 64 of A-Z a-z 0-9 . _ + -, or a number that is not finite.
        """
        if not is_label(name):
            raise ValueError(f"{name!r:.80} is no name for a number: give 1 to 64 of A-Z a-z 0-9 . _ + -")
        if not abs(value) <= LARGEST:  # NaN is not
            raise ValueError(f"number {name}: {value} is not finite, or beyond {LARGEST:g}")
        return replace(self, numbers={**self.numbers, name: (float(value), _unit(unit))})

    def _at(self, kind: Kind) -> Image:
        if kind not in self.images:
            raise ValueError(f"there is no image {kind!r:.40}; there are {', '.join(self.images)}")
        return self.images[kind]


def _plain(value: float) -> int | float:
    """A number of Python, of one of NumPy."""
    return int(value) if isinstance(value, int | np.integer) else float(value)


def _unit(unit: str) -> str:
    if not is_unit(unit):
        raise ValueError(f"{unit!r:.40} is no unit: give up to 32 characters as in Jy/beam, deg or m s-1")
    return unit


def _values(name: str, values: ArrayLike) -> np.ndarray[Any, Any]:
    made = np.asarray(values)
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,31}", name):
        raise ValueError(f"{name!r:.40} is no name for a column: give 1 to 32 of A-Z a-z 0-9 _, a letter first")
    if made.dtype.kind == "U" and all(map(str.isascii, made.ravel().tolist())):
        made = made.astype("S")
    if made.ndim != 1 or made.dtype.kind not in "biufS" or made.dtype.itemsize > 1 << 10:
        raise ValueError(f"column {name}: {made.dtype} of shape {made.shape} is none of numbers or texts, one a row")
    return made
