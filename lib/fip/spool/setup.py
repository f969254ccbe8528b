"""What all integrations of a stream share. Its digest names their spool."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

from annotated_types import Interval, Len
from pydantic import ConfigDict, TypeAdapter, ValidationError

from fip.data.errors import InputError
from fip.data.names import Label, Line, Number, Real

Correlation = Literal["XX", "XY", "YX", "YY", "RR", "RL", "LR", "LL"]
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
_Positive = Annotated[float, Interval(gt=0, le=1e15)]


@dataclass(frozen=True)
class Station:
    """An antenna: its name, place and dish."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: Line
    position: tuple[Real, Real, Real]  # m, ITRF
    diameter: Annotated[float, Interval(ge=0, le=1e6)] = 0.0  # m; 0 if it is not known


@dataclass(frozen=True)
class Band:
    """A spectral window: channels side by side, all of one width."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    first: _Positive  # Hz, the centre of channel 0
    step: Annotated[float, Interval(ge=-1e15, le=1e15)]  # Hz from a channel to the next; below 0 if they descend
    channels: Annotated[int, Interval(ge=1, le=1 << 20)]


@dataclass(frozen=True)
class Target:
    """A field and its phase centre."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: Line
    ra: Real  # rad, ICRS
    dec: Annotated[float, Interval(ge=-1.5707963267948968, le=1.5707963267948968)]  # rad, ICRS


class Product(NamedTuple):
    """What is correlated with what: V = <e1 conj(e2)>, and UVW is antenna 1's less antenna 2's, as in CASA's sets.

    So V = sum I exp(+2 pi i (u l + v m + w (n-1)) f/c), as for every recording; correlators of MeerKAT and the VLA
    do so. docs/uvw.md says more.
    """

    antenna1: Number
    antenna2: Number
    correlation: Correlation


@dataclass(frozen=True)
class Setup:
    """What all integrations of a stream share."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: Label  # of the observation, as the id of a capture block
    cadence: _Positive  # s from one integration to the next
    antennas: Annotated[tuple[Station, ...], Len(2, 4096)]
    bands: Annotated[tuple[Band, ...], Len(1, 256)]
    products: Annotated[tuple[Product, ...], Len(1, 1 << 22)]  # in the order of the samples of a channel
    targets: Annotated[tuple[Target, ...], Len(1, 1 << 16)]
    telescope: Line = ""
    observer: Line = ""
    project: Line = ""
    flags: bool = False  # whether the stream has flags of its own
    weights: bool = False  # whether it has weights: a byte a sample, times a number a channel
    uvw: bool = False  # whether it has UVW of its own; else they are worked out from the positions
    raw: bool = False  # whether nothing was calibrated: images without gains say so

    def __post_init__(self) -> None:
        """Raise ValueError if its parts do not fit each other."""
        for at, band in enumerate(self.bands):
            last = band.first + band.step * (band.channels - 1)
            if last <= 0 or (band.step == 0 and band.channels > 1):
                raise ValueError(
                    f"bands.{at}: its last channel is at {last:g} Hz, and each needs a frequency of its own"
                )
        for at, product in enumerate(self.products):
            if max(product.antenna1, product.antenna2) >= len(self.antennas):
                raise ValueError(
                    f"products.{at}: {tuple(product)} names an antenna that is not one of the {len(self.antennas)}"
                )
        if len(set(self.products)) < len(self.products):
            raise ValueError("products: one of them is named twice")
        hands = {product.correlation[0] in "RL" for product in self.products}
        if len(hands) > 1:
            raise ValueError("products: some are of linear feeds, and some of circular ones")

    @cached_property
    def digest(self) -> str:
        """Return 16 hexadecimal digits that change with any part of it: docs/streams.md says how to work them out."""
        said = SETUP.dump_python(self, mode="json")
        if not self.raw:
            del said["raw"]  # streams that say nothing of it need not name it
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def folder(self) -> str:
        """Return the name of its spool: NAME-DIGEST.live."""
        return f"{self.name[:40]}-{self.digest[:8]}.live"


SETUP = TypeAdapter(Setup)


def read_setup(path: Path) -> Setup:
    """Return the set-up of a JSON file. InputError, with the first thing that is wrong, if it is none."""
    try:
        return SETUP.validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: no set-up of a stream: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"])) or "the file"
        why = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{path}: {at}: {why}; docs/streams.md says what a set-up has") from None
