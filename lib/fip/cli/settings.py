"""The options that `fip run` and `fip submit` share: each declared once, with the configuration's key that it sets."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

from fip.config import Loaded, load
from fip.data.errors import UsageError

Others = ParamSpec("Others")


def _sets(key: str, default: bool | None = None) -> Any:
    """A field for an option that sets a key of the configuration, where it is given."""
    return field(default=default, metadata={"key": key})


@dataclass(frozen=True)
class Settings:
    """What to image, and how, as it was typed; the configuration's parsers read it."""

    size: Annotated[
        str | None, typer.Option(help="Pixels, as 1024 or 1024x768.  [default: 1.2 primary beams, at most 4096]")
    ] = _sets("imaging.size")
    scale: Annotated[
        str | None, typer.Option(help="Pixel, as 1.2arcsec or 2asec.  [default: a quarter of the finest fringe]")
    ] = _sets("imaging.scale")
    stokes: Annotated[
        str | None, typer.Option("--stokes", "--pol", help="I, IQUV, 'I,V', pseudoI, XX, ...  [default: I]")
    ] = _sets("imaging.stokes")
    epsilon: Annotated[float | None, typer.Option(help="Accuracy: relative L2 error of an image.  [default: 1e-5]")] = (
        _sets("imaging.epsilon")
    )
    kernel: Annotated[
        str | None,
        typer.Option(
            help="auto, slant where a slice allows that and it is faster, else wgridder; or slant, wgridder, "
            "ska-sdp-func (GPUs).  [default: auto]"
        ),
    ] = _sets("imaging.kernel")
    weight: Annotated[
        str | None, typer.Option("--weight", "--weighting", help="natural, uniform or briggs.  [default: natural]")
    ] = _sets("imaging.weight")
    robust: Annotated[
        float | None, typer.Option(help="Of briggs: -2 is nearly uniform, 2 nearly natural.  [default: 0]")
    ] = _sets("imaging.robust")
    taper: Annotated[
        str | None, typer.Option(help="Gaussian taper, as the width on the sky (FWHM) that it gives: 30arcsec.")
    ] = _sets("imaging.taper")
    channels_out: Annotated[
        int | None, typer.Option(help="Sub-bands of equal width, imaged beside the whole band.  [default: 1]")
    ] = _sets("imaging.channels_out")
    make_psf: Annotated[
        bool, typer.Option("--make-psf", "--psf", help="Store each image's point spread function beside it.")
    ] = _sets("imaging.make_psf", False)
    column: Annotated[
        str | None,
        typer.Option(
            "--column",
            "--data-column",
            help="Column to image.  [default: CORRECTED_DATA where it holds values, else DATA]",
        ),
    ] = _sets("source.column")
    subtract_model: Annotated[bool, typer.Option("--subtract-model", help="Image the column less MODEL_DATA.")] = _sets(
        "source.subtract_model", False
    )
    field: Annotated[
        str | None, typer.Option(metavar="NAME|ID,...", help="Fields, by name or number.  [default: all]")
    ] = _sets("source.field")
    spw: Annotated[
        str | None,
        typer.Option(
            metavar="W[:A~B[;C~D]],...",
            help="Spectral windows and channels, as 0:100~900,2; B is included, as in CASA.  [default: all]",
        ),
    ] = _sets("source.spw")
    scan: Annotated[
        str | None, typer.Option(metavar="A~B,...", help="Scans, as 3~7,9; B is included.  [default: all]")
    ] = _sets("source.scan")
    antenna: Annotated[
        str | None,
        typer.Option(
            metavar="[!]NAME|ID,...",
            help="Antennas, by name or number: m000,m001 keeps the baselines among them, '!m012' leaves one out.  "
            "[default: all]",
        ),
    ] = _sets("source.antenna")
    uv_range: Annotated[
        str | None,
        typer.Option(
            metavar="A~B",
            help="Length of baselines in the plane of u and v, as 100lambda~5klambda (each channel by itself) or "
            "0.1~5km; A and B are included.  [default: all]",
        ),
    ] = _sets("source.uv_range")
    interval: Annotated[
        str | None,
        typer.Option(
            metavar="A~B", help="Integrations of each field, from 0; B is left out, as in WSClean.  [default: all]"
        ),
    ] = _sets("source.interval")
    time_range: Annotated[
        str | None,
        typer.Option(
            metavar="A~B",
            help="UTC, as 2024-03-01T22:00:00~2024-03-01T22:30:00: the integrations with their middle in it; B is "
            "left out.  [default: all]",
        ),
    ] = _sets("source.time_range")
    average: Annotated[
        str | None,
        typer.Option(
            metavar="N|Ts",
            help="Image 4, or 32s of, integrations of a scan together, uvw as they are.  [default: each by itself]",
        ),
    ] = _sets("source.average")
    phase_centre: Annotated[
        str | None,
        typer.Option(
            "--phase-centre",
            "--phase-center",
            "--shift",
            help="Image about this direction: '05h31m58.7s +33d08m52s', 'B1950 82.2deg 33.1deg'; J2000 (ICRS where the "
            "data are) unless J2000, ICRS, B1950 or GALACTIC is in front. All fields become one series on one grid, "
            "as suits drift scans.  [default: each field about its own phase centre]",
        ),
    ] = _sets("imaging.phase_centre")
    pace: Annotated[str | None, typer.Option(help="max, realtime, or a number of times real time.  [default: max]")] = (
        _sets("ventilator.pace")
    )

    follow: Annotated[
        bool, typer.Option("--follow", help="Image MeasurementSets that are still being written, and end when they do.")
    ] = _sets("source.follow", False)

    def load(self, config: Path | None, others: Mapping[str, Any] | None = None) -> Loaded:
        """The configuration, of which what was typed wins: here, or in `others` of its keys.

        Raises ConfigError and UsageError.
        """
        given = {each.metadata["key"]: getattr(self, each.name) for each in fields(self)} | dict(others or {})
        loaded = load(config, {key: None if value is False else value for key, value in given.items()})
        scheme, said = loaded.config.imaging.weight
        if self.robust is not None and scheme != "briggs":
            raise UsageError(
                f"--robust {self.robust:g}: is for briggs weighting, and this is {scheme}; give --weight briggs"
            )
        if self.robust is not None and said is not None:
            raise UsageError(f"--robust {self.robust:g}: --weight {scheme}:{said:g} says another one; give one of them")
        return loaded


def with_settings(command: Callable[Concatenate[Settings, Others], None]) -> Callable[..., None]:
    """The command with each setting as an option of its own, beside its other parameters.

    Its signature is what Typer reads: the parameters of `command`, with the fields of Settings in place of the first.
    """
    names = [each.name for each in fields(Settings)]

    def typed(*args: Others.args, **kwargs: Others.kwargs) -> None:
        settings = Settings(**{name: kwargs.pop(name) for name in names})  # type: ignore[arg-type]
        command(settings, *args, **kwargs)

    hints = get_type_hints(command, include_extras=True) | get_type_hints(Settings, include_extras=True)
    options = [inspect.Parameter(each.name, _KEYWORD, default=each.default) for each in fields(Settings)]
    own = list(inspect.signature(command).parameters.values())[1:]
    parameters = [each.replace(kind=_KEYWORD, annotation=hints[each.name]) for each in (*own, *options)]
    typed.__doc__ = command.__doc__
    typed.__annotations__ = {each.name: each.annotation for each in parameters}
    typed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return typed


_KEYWORD = inspect.Parameter.KEYWORD_ONLY
