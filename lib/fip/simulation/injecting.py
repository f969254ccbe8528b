"""Point sources to be added to the visibilities of an observation: what was asked, and what is drawn. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from astropy import units
from astropy.table import QTable
from numpy.typing import NDArray

from fip.corrections.sky.components import Components
from fip.data.directions import Direction
from fip.data.errors import UsageError
from fip.data.quantities import iso_utc
from fip.data.rotations import icrs_axes
from fip.data.stokes import STOKES
from fip.data.values import Grid

MARGIN = 2.0  # full widths at half maximum that a source keeps from the edges
_PIXELS = 4.0  # the same, if no beam is known
_MOST = 100_000  # sources

Range = tuple[float, float]


def parse_numbers(text: str) -> Range:
    """(low, high) from `5~12`, or twice the same from `5`; ValueError for anything else."""
    low, found, high = text.partition("~")
    try:
        ends = float(low), float(high if found else low)
    except ValueError:
        ends = math.nan, math.nan
    if not (math.isfinite(ends[0]) and math.isfinite(ends[1]) and ends[0] <= ends[1]):
        raise ValueError(f"'{text}' is no number or range, as 8 or 5~12")
    return ends


@dataclass(frozen=True)
class Injecting:
    """What is to be put in. UsageError for what cannot be."""

    count: int = 10
    snr: Range | None = None  # of all slices of a source together; None if the flux density is given
    flux: Range | None = None  # Jy
    widths: Range = (1, 64)  # slices, log-uniform, both ends included
    stokes: str = "I"
    index: Range = (0.0, 0.0)  # spectral index: flux density ~ frequency^index
    seed: int = 0
    size: str = ""  # pixels of the images over which places are drawn, and
    scale: str = ""  # theirs, both as `fip run` takes them; "": as it chooses them

    def __post_init__(self) -> None:
        given = {"--snr": self.snr, "--flux": self.flux}
        needed = {
            f"--count {self.count}: 1 to {_MOST} is needed": 1 <= self.count <= _MOST,
            "--snr and --flux: give one of them": (self.snr is None) != (self.flux is None),
            "--widths: whole numbers from 1 on are needed, as 1~64": self.widths[0] >= 1
            and all(each == int(each) for each in self.widths),
            f"--stokes {self.stokes}: give one of {', '.join(STOKES)}": self.stokes in STOKES,
            "--spectral-index: -10 to 10 is needed": -10 <= self.index[0] <= self.index[1] <= 10,
            f"--seed {self.seed}: 0 or more is needed": self.seed >= 0,
            **{f"{name}: more than 0 is needed": each is None or each[0] > 0 for name, each in given.items()},
        }
        for wrong, holds in needed.items():
            if not holds:
                raise UsageError(wrong)


@dataclass(frozen=True, slots=True)
class Field:
    """The slices of one field, in order of time, and what of the sky they show."""

    label: str  # of the field; "" if the set has one
    grid: Grid
    noise: float  # Jy/beam, expected of a slice; NaN if it is not known
    beam: float  # rad, the full width at half maximum of its major axis; NaN if there is none
    slices: tuple[int, ...]
    begin: tuple[float, ...]  # s UTC since MJD 0, of each
    end: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A point source that is on in some slices."""

    name: str
    towards: tuple[float, float, float]  # a unit vector, ICRS
    stokes: str
    flux: float  # Jy, apparent, at the reference frequency
    index: float
    snr: float  # by the noise expected; NaN if that is not known
    label: str  # of the field
    slices: tuple[int, ...]
    begin: float  # s UTC since MJD 0
    end: float


def drawn(asked: Injecting, fields: Sequence[Field]) -> tuple[Source, ...]:
    """Draw as many as were asked for, uniform over the images of all slices. UsageError if a S/N stands for no flux."""
    if asked.snr is not None:
        for each in fields:
            if not each.noise > 0:
                field = f"field {each.label}: " if each.label else ""
                raise UsageError(f"--snr: {field}its noise cannot be told of one channel a window: give --flux")
    random = np.random.default_rng(asked.seed)
    weight = np.array([len(each.slices) for each in fields], float)
    digits = len(str(asked.count))
    return tuple(
        _drawn(f"N{number:0{digits}d}", asked, fields[int(random.choice(len(fields), p=weight / weight.sum()))], random)
        for number in range(1, asked.count + 1)
    )


def _drawn(name: str, asked: Injecting, field: Field, random: np.random.Generator) -> Source:
    grid = field.grid
    margin = MARGIN * field.beam / grid.scale if field.beam > 0 else _PIXELS
    x, y = (
        float(random.uniform(min(margin, side / 4), side - 1 - min(margin, side / 4)))
        for side in (grid.width, grid.height)
    )
    low, high = min(asked.widths[0], len(field.slices)), min(asked.widths[1], len(field.slices))
    width = min(int(high), int(math.exp(random.uniform(math.log(low), math.log(high + 1)))))
    first = int(random.integers(len(field.slices) - width + 1))
    chosen = slice(first, first + width)
    sign = 1.0 if asked.stokes == "I" else float(random.choice((-1.0, 1.0)))
    bright = float(random.uniform(*(asked.snr or asked.flux or (0.0, 0.0))))
    per_snr = field.noise / math.sqrt(width)
    return Source(
        name, _towards(grid, x, y), asked.stokes, sign * bright * (per_snr if asked.snr else 1.0),
        float(random.uniform(*asked.index)), bright if asked.snr else bright / per_snr, field.label,
        field.slices[chosen], field.begin[first], field.end[first + width - 1],
    )  # fmt: skip


def _towards(grid: Grid, x: float, y: float) -> tuple[float, float, float]:
    """The direction of a pixel, from 0, in ICRS."""
    east, north = (grid.width / 2 - x) * grid.scale, (y - grid.height / 2) * grid.scale
    up = math.sqrt(max(0.0, 1 - east**2 - north**2))
    axes = icrs_axes(Direction(grid.longitude, grid.latitude, grid.frame))
    one, two, three = (axes.T @ np.array([east, north, up])).tolist()
    return one, two, three


def by_slice(sources: Sequence[Source]) -> Mapping[int, tuple[Source, ...]]:
    """Those that are on in each slice that has any."""
    found: dict[int, tuple[Source, ...]] = {}
    for each in sources:
        for number in each.slices:
            found[number] = (*found.get(number, ()), each)
    return dict(sorted(found.items()))


def components(sources: Sequence[Source], frequency: NDArray[np.float64], reference: float) -> Components:
    """The sources with their flux densities [source, channel, 1 or 4], those of the reference frequency (Hz) given."""
    planes = 1 if all(each.stokes == "I" for each in sources) else 4
    flux = np.zeros((len(sources), len(frequency), planes))
    for at, each in enumerate(sources):
        flux[at, :, STOKES.index(each.stokes)] = each.flux * (frequency / reference) ** each.index
    nothing = np.zeros(len(sources))
    towards = np.array([each.towards for each in sources])
    return Components(tuple(each.name for each in sources), towards, flux, nothing, nothing, nothing)


def table_of(sources: Sequence[Source], asked: Injecting, reference: float) -> QTable:
    """Return a row for each source: place (ICRS), time, slices of the set as `fip run` numbers them, and brightness."""
    towards = np.array([each.towards for each in sources])
    table = QTable()
    table["name"] = [each.name for each in sources]
    table["ra"] = np.degrees(np.arctan2(towards[:, 1], towards[:, 0])) % 360 * units.deg
    table["dec"] = np.degrees(np.arcsin(np.clip(towards[:, 2], -1, 1))) * units.deg
    table["stokes"] = [each.stokes for each in sources]
    table["flux"] = np.array([each.flux for each in sources]) * units.Jy
    table["index"] = [each.index for each in sources]
    table["snr"] = [each.snr for each in sources]
    table["field"] = [each.label for each in sources]
    table["first"] = [each.slices[0] for each in sources]
    table["last"] = [each.slices[-1] for each in sources]
    table["width"] = [len(each.slices) for each in sources]
    table["begin"] = [iso_utc(each.begin) for each in sources]
    table["end"] = [iso_utc(each.end) for each in sources]
    table.meta["ra, dec"] = "ICRS"
    table.meta["flux"] = "apparent, no primary beam, at the reference frequency: flux ~ frequency^index"
    table.meta["snr"] = "of all its slices together, by the noise expected of natural weights"
    table.meta["first, last"] = "slices of `fip run` without a selection; width counts those of its field"
    table.meta["reference"] = f"{reference:.9g} Hz"
    table.meta["seed"] = asked.seed
    return table
