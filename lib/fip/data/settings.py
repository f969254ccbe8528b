"""What can be asked of a run: each option once, with its type, unit, parser, writer, default, help and header card.

The configuration file, the environment, the command line, the ledger, a run's id, headers and pages read it from here.
Texts are exact: what a person reads of a value, and types again, is that value.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from fip.data.compressing import Compress
from fip.data.corrections import NO_FLAGS, Files, Flagging
from fip.data.directions import Place
from fip.data.errors import UsageError
from fip.data.imaging_words import BRIGHT_ONES, Weighting, parse_make_psf, parse_weighting
from fip.data.joining import Join
from fip.data.options import Card, Option, hints, options
from fip.data.primary_beam import PrimaryBeam
from fip.data.quantities import Angle, Integrations, Pixels, reads
from fip.data.selection import Antennas, Baselines, Length, Names, Scans, UtcRange, Windows
from fip.data.stokes import Planes
from fip.data.user_code import Stages, Written

KernelName = Written
KERNELS = ("auto", "slant", "wgridder", "ska-sdp-func")
"""FIP's own. auto: slant if it can and is expected to be faster, else wgridder. Each slice is decided by itself."""

FINEST_EPSILON = 1e-11  # of double precision
COARSEST_EPSILON = 0.1
_BRIGGS = r"\s*[Bb]riggs:\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*"
DEFAULT = "default"  # what is shown of an option that nobody asked for, and that the data settle


@dataclass(frozen=True)
class Imaging:
    """How every slice of a run is imaged. With `Grid` it is all that a kernel needs to know."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    size: Annotated[
        Pixels | None, Option("Pixels, as 1024 or 1024x768.  [default: 1.2 primary beams, at most 4096]")
    ] = None
    scale: Annotated[
        Angle | None, Option("Pixel, as 1.2arcsec or 2asec.  [default: a quarter of the finest fringe]")
    ] = None
    stokes: Annotated[Planes, Option("I, IQUV, 'I,V', pseudoI, XX, ...  [default: I]", ("--stokes", "--pol"))] = ("I",)
    weight: Annotated[
        Weighting,
        reads(parse_weighting),
        Option(
            "natural, uniform or briggs.  [default: natural]",
            ("--weight", "--weighting"),
            card=Card("FIPWGT", "weighting"),
        ),
    ] = "natural"
    robust: Annotated[
        Annotated[float, Field(ge=-10, le=10)] | None,
        Option(
            "Of briggs: -2 is nearly uniform, 2 nearly natural.  [default: 0]",
            card=Card("FIPROBST", "robustness of Briggs weighting"),
        ),
    ] = None  # of briggs alone: None with another weighting
    taper: Annotated[
        Angle | None,
        Option(
            "Gaussian taper, as the width on the sky (FWHM) that it gives: 30arcsec.",
            card=Card("FIPTAPER", "[deg] FWHM of the Gaussian taper, on the sky", 180 / math.pi),
        ),
    ] = None  # rad, full width at half maximum of the taper's transform
    epsilon: Annotated[
        float,
        Field(ge=FINEST_EPSILON, le=COARSEST_EPSILON),
        Option(
            "Accuracy: relative L2 error of an image.  [default: 1e-5]",
            card=Card("FIPEPS", "accuracy asked, L2(error)/L2(image)"),
        ),
    ] = 1e-5  # the L2 norm of (image - exact) over that of exact
    kernel: Annotated[
        KernelName,
        Option(
            "auto, slant where a slice allows that and it is faster, else wgridder; or slant, wgridder, ska-sdp-func "
            "(GPUs), or the name of one that is installed.  [default: auto]"
        ),
    ] = "auto"  # the one that was used for an image is in its own header
    channels_out: Annotated[
        int, Field(ge=1), Option("Sub-bands of equal width, imaged beside the whole band.  [default: 1]")
    ] = 1
    make_psf: Annotated[
        bool | Literal["bright"],
        reads(parse_make_psf),
        Option("Store each image's point spread function beside it.", ("--make-psf", "--psf"), flag=True),
    ] = False  # bright: of twice the size, and only if the image is bright; a search for transients asks for it
    phase_centre: Annotated[
        Place | None,
        Option(
            "Image about this direction: '05h31m58.7s +33d08m52s', 'B1950 82.2deg 33.1deg'; J2000 (ICRS where the "
            "data are) unless J2000, ICRS, B1950 or GALACTIC is in front. All fields become one series on one grid, "
            "as suits drift scans. Or follow sun, moon, a planet, zenith, or own, the phase centre that the data have "
            "at each time: each image is about where it is then.  "
            "[default: each field about its own phase centre]",
            ("--phase-centre", "--phase-center", "--shift"),
        ),
    ] = None
    stages: Annotated[
        Stages,
        Option(
            "What workers do with an image after FIP's own stages, in this order: names of stages that they have; "
            "where FIP runs as a command also package.module:function.",
            ("--stage",),
            metavar="NAME,...",
            several=True,
        ),
    ] = ()
    primary_beam: Annotated[
        PrimaryBeam | None,
        Option(
            "Store beside each image one that is corrected for the primary beam, and its weight: airy (of the dishes), "
            "gaussian:FWHM (at the centre of the band), or a FITS image of a power beam.  [default: none]",
            metavar="airy|gaussian:FWHM|FILE",
        ),
    ] = None
    compress: Annotated[
        Compress | None,
        Option(
            "Compress images, lossily, in steps of the noise / N: an eighth of the bytes of plain ones, or less; "
            "rice is rice:16.  [default: as they are]",
            metavar="rice[:N]",
        ),
    ] = None


@dataclass(frozen=True)
class Selection:
    """What of a MeasurementSet is imaged; None selects all."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    join: Annotated[
        Join,
        Option(
            "Image the sets that are named as one: bands, sub-bands of one observation.  [default: each by itself]",
            metavar="bands",
        ),
    ] = ()

    column: Annotated[
        str,
        Field(min_length=1),
        Option(
            "Column to image.  [default: CORRECTED_DATA where it holds values, else DATA; with --gains DATA]",
            ("--column", "--data-column"),
        ),
    ] = "auto"
    gains: Annotated[
        Files,
        Option(
            "Gains to apply to DATA: CASA calibration tables (K, B, G), CASA cal libraries, h5parm, or a folder of "
            "tables, of which each slice has the newest; telstate for those that a receiver copied beside its spool.  "
            "[default: none]",
            metavar="PATH,...",
            several=True,
        ),
    ] = ()
    flag: Annotated[
        Flagging,
        Option("What to flag beside FLAG: none, auto, or a FILE of bands that are bad.  [default: none]"),
    ] = NO_FLAGS
    sky_model: Annotated[
        Files,
        Option(
            "Image what is left when this is subtracted: .skymodel of WSClean or BBS, a table (ECSV, CSV, VOTable), "
            "WSClean's -model.fits, sun, moon, jupiter, A-team, or self, made of the run's images.  [default: nothing]",
            metavar="FILE,...",
            several=True,
        ),
    ] = ()
    smear: Annotated[
        Literal["auto", "none"],
        Option(
            "Predict sky models as integrations and channels smear them (auto), or for their middles (none), as most "
            "simulated sets are.  [default: auto]"
        ),
    ] = "auto"
    subtract_model: Annotated[bool, Option("Image the column less MODEL_DATA.", flag=True)] = False
    parallactic: Annotated[
        bool, Option("Image Q and U of the sky: feeds turn there with the parallactic angle.", flag=True)
    ] = False
    keep_zeros: Annotated[
        bool,
        Option("Image samples whose parallel hands are all exactly 0, too: as a rule nobody observed them.", flag=True),
    ] = False
    askap_scale: Annotated[
        float | None,
        Field(gt=0),
        Option("What the visibilities are multiplied by.  [default: 2 for DATA of ASKAP, whose I is XX + YY; else 1]"),
    ] = None
    uvw: Annotated[
        Literal["field", "zenith"],
        Option(
            "What u, v and w are referred to, and so the phases: PHASE_DIR of the field, or the zenith, as of arrays "
            "without delay tracking whatever PHASE_DIR says.  [default: field]"
        ),
    ] = "field"
    field: Annotated[Names | None, Option("Fields, by name or number.  [default: all]", metavar="NAME|ID,...")] = (
        None  # names or numbers
    )
    spw: Annotated[
        Windows | None,
        Option(
            "Spectral windows and channels, as 0:100~900,2; B is included, as in CASA.  [default: all]",
            metavar="W[:A~B[;C~D]],...",
        ),
    ] = None
    scan: Annotated[Scans | None, Option("Scans, as 3~7,9; B is included.  [default: all]", metavar="A~B,...")] = (
        None  # first and last of each range
    )
    antenna: Annotated[
        Antennas | None,
        Option(
            "Antennas, by name, number or station: m000,m001 keeps the baselines among them, '!m012' leaves one out.  "
            "[default: all]",
            metavar="[!]NAME|ID,...",
        ),
    ] = None  # names or numbers; those to leave out have "!" in front
    uv_range: Annotated[
        Baselines | None,
        Option(
            "Length of baselines in the plane of u and v, as 100lambda~5klambda (each channel by itself) or 0.1~5km; "
            "A and B are included.  [default: all]",
            metavar="A~B",
        ),
    ] = None
    interval: Annotated[
        Integrations | None,
        Option("Integrations of each field, from 0; B is left out, as in WSClean.  [default: all]", metavar="A~B"),
    ] = None
    time_range: Annotated[
        UtcRange | None,
        Option(
            "UTC, as 2024-03-01T22:00:00~2024-03-01T22:30:00: the integrations with their middle in it; B is left "
            "out.  [default: all]",
            metavar="A~B",
        ),
    ] = None  # s UTC since MJD 0
    average: Annotated[
        Length | None,
        Option(
            "Image 4, or 32s of, integrations of a scan together, uvw as they are.  [default: each by itself]",
            metavar="N|Ts",
        ),
    ] = None


_NO_PART = (
    *("join", "column", "gains", "flag", "sky_model", "smear", "subtract_model"),
    *("parallactic", "keep_zeros", "askap_scale", "uvw"),
)  # options of a selection that leave nothing out


def _robust_said(values: Any) -> Any:
    """Take "briggs:0.5" apart; a robustness that stands beside it gives way."""
    said = re.fullmatch(_BRIGGS, str(values.get("weight"))) if isinstance(values, Mapping) else None
    return {**values, "weight": "briggs", "robust": said[1]} if said else values


def _settled_robust(imaging: Imaging) -> Imaging:
    robust = imaging.robust or 0.0 if imaging.weight == "briggs" else None
    return imaging if robust == imaging.robust else replace(imaging, robust=robust)


ImagingTable = Annotated[Imaging, BeforeValidator(_robust_said), AfterValidator(_settled_robust)]
"""`Imaging` as a person writes it."""


@dataclass(frozen=True)
class Asked:
    """All that was asked of a run. One directory of images holds one of these."""

    imaging: ImagingTable = field(default_factory=Imaging)
    source: Selection = field(default_factory=Selection)


TABLES: Mapping[str, type] = {"imaging": Imaging, "source": Selection}
"""The tables of the configuration whose options belong to a run."""


def asked(**options: Any) -> Asked:
    """Return what these options ask, by name, as text or as values: asked(size=1024, scale="1.2arcsec", spw="0:1~9").

    Raises UsageError for an option that there is not, or a value that it does not take.
    """
    homes = {name: table for table, kind in TABLES.items() for name in hints(kind)}
    for name in options:
        if name not in homes:
            raise UsageError(f"there is no option {name}; there are {', '.join(homes)}")
    tables = {table: {name: options[name] for name in options if homes[name] == table} for table in TABLES}
    try:
        found: Asked = asked_adapter().validate_python(tables)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg'].removeprefix('Value error, ')}"
        ) from None
    return found


def texts(asked: Asked) -> dict[str, str]:
    """Each option that is not at its default, by its key, "imaging.scale", as a person writes it."""
    return {
        f"{table}.{name}": _text(kind, name, value)
        for table, kind in TABLES.items()
        for name, value in vars(getattr(asked, table)).items()
        if value != getattr(kind(), name)
    }


def all_texts(asked: Asked) -> dict[str, str]:
    """Every option by its name, as a person writes it; `DEFAULT` for what the data settle."""
    return {
        name: _text(kind, name, value)
        for table, kind in TABLES.items()
        for name, value in vars(getattr(asked, table)).items()
    }


def as_text(table: type, name: str, value: Any) -> str | bool:
    """An option given as text or as a value, as a person writes it: exact, `asked` reads back the same value.

    What it does not take is returned as the text that says so best.
    """
    if isinstance(value, str | bool):
        return value
    adapter = _adapter(table, name)
    try:
        return str(adapter.dump_python(adapter.validate_python(value), mode="json"))
    except ValidationError:
        return str(value)


def from_texts(written: Mapping[str, str]) -> Asked:
    """The inverse of `texts`. Raises UsageError."""
    return asked(**{key.partition(".")[2]: text for key, text in written.items()})


def without_extras(asked: Asked) -> Asked:
    """Return that part which makes images what they are: not the PSFs of bright images, which may be stored or not.

    Ids of runs, and what directories hold, go by this.
    """
    imaging = asked.imaging
    return replace(asked, imaging=replace(imaging, make_psf=False)) if imaging.make_psf == BRIGHT_ONES else asked


def differences(before: Asked, now: Asked) -> str:
    """How two differ, as "scale 1arcsec (now 2arcsec), ..."; "" if they do not."""
    old, new = all_texts(before), all_texts(now)
    return ", ".join(f"{name} {old[name]} (now {new[name]})" for name in new if old[name] != new[name])


def describe(selection: Selection) -> str:
    """Which part of the data is selected, in one line, as "spw 0:100~900; scan 3~7"; "" if that is everything."""
    return "; ".join(f"{name} {text}" for name, text in selected(selection).items())


def selected(selection: Selection) -> dict[str, str]:
    """Which part of the data is selected, option by option, as a person writes it; {} if that is everything."""
    chosen = {name: value for name, value in vars(selection).items() if name not in _NO_PART}
    return {name: _text(Selection, name, value) for name, value in chosen.items() if value}


def cards(imaging: Imaging) -> Iterator[tuple[str, str | float, str]]:
    """Keyword, value and comment of the header cards of the options that have one and are set."""
    for name, option in options(Imaging).items():
        card, value = option.card, getattr(imaging, name)
        if card and value is not None:
            yield card.keyword, value if card.factor == 1.0 else value * card.factor, card.comment


@cache
def asked_adapter() -> TypeAdapter[Asked]:
    """What makes an `Asked` of tables, as a configuration or a ledger has them."""
    return TypeAdapter(Asked)


@cache
def _adapter(table: type, name: str) -> TypeAdapter[Any]:
    return TypeAdapter(hints(table)[name])


def _text(table: type, name: str, value: Any) -> str:
    return DEFAULT if value is None else str(_adapter(table, name).dump_python(value, mode="json"))
