"""The folder of an event, DIR/transients/ID: light.ecsv, cutout.fits, event.png, index.html, and event.json last.

Each is written beside and put in place. They are functions of the stored images and of the event alone: to write them
again changes nothing.
"""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.table import QTable

from fip.archive.entries import Entry
from fip.archive.folder import Folder
from fip.archive.tables import JY_PER_BEAM, beam_columns, time_columns
from fip.catalogues.told import told
from fip.data.errors import NoRoomError
from fip.data.quality import with_noise
from fip.data.quantities import SECONDS_PER_DAY, iso_utc
from fip.events.appearing import labels_by_look
from fip.events.context import told as context
from fip.events.cutouts import Cutouts, cut_out
from fip.events.measuring import WINDOW, Measured, Value, measure, place_of_event
from fip.events.words import CUTOUT, FACTS, FOLDER, LIGHT, PAGE, PICTURE, Found
from fip.fits.header import sky_cards


@dataclass(frozen=True)
class Described:
    """An event as it was measured, and the content of the files of its folder, in the order in which they are put."""

    measured: Measured
    files: dict[str, bytes]
    looks: tuple[str, ...]  # the labels that are given by how it looks


def write_event(directory: Path, found: Found, entries: Sequence[Entry], folder: str = FOLDER) -> Measured:
    """Measure an event in the images of a directory, and write its folder; `entries` are those of its run at least.

    What is measured has the labels that are given by how it looks, too. Raises NoRoomError if it cannot be written.
    """
    described = describe(directory, found, entries)
    put_event(directory / folder / found.id, described.files)
    return described.measured


def describe(directory: Path, found: Found, entries: Sequence[Entry]) -> Described:
    """Measure an event in the images of a directory, and draw it."""
    measured = measure(directory, found, entries)
    cutouts = cut_out(directory, found, entries)
    looks = labels_by_look(directory, measured, cutouts)
    labels = (*found.labels, *(each for each in looks if each not in found.labels))
    measured = replace(measured, found=replace(found, labels=labels))
    known, picture = facts(measured) | {"looks": looks}, _picture(measured, cutouts)
    made = {
        LIGHT: light_table(measured).encode(),
        CUTOUT: cutout_file(found, cutouts),
        PICTURE: picture,
        PAGE: _page(known, measured, picture),
        FACTS: (json.dumps(known, indent=1, allow_nan=False) + "\n").encode(),
    }
    return Described(measured, made, tuple(looks))


def put_event(path: Path, files: Mapping[str, bytes]) -> None:
    """Write an event's files into its folder, each first under a temporary name. Raises NoRoomError."""
    try:
        with closing(Folder(path)) as beside:
            for name, content in files.items():
                beside.write_new(f"{name}.part", content)
                beside.replace(f"{name}.part", name)
            beside.sync()
    except OSError as error:
        raise NoRoomError(f"{path}: cannot be written: {error.strerror}") from None


def light_table(measured: Measured) -> str:
    """ECSV: a row an image; of each plane flux and error, over the primary beam if it is known, and of each channel."""
    samples, table = measured.samples, QTable()
    entries = [each.entry for each in samples]
    columns: dict[str, Any] = {**time_columns(entries), "slice": [each.index for each in entries]}
    columns["on"] = np.array([each.on for each in samples], bool)
    count = max((len(each.bands) for each in samples), default=1)
    for band in range(count):
        end = f"_{band}" * bool(band)
        for number, name in enumerate(measured.stokes):
            flux, error = (_of(measured, attribute, number, band) for attribute in ("flux", "error"))
            columns[f"flux_{name}{end}"], columns[f"error_{name}{end}"] = flux * JY_PER_BEAM, error * JY_PER_BEAM
            gain = np.array([each.beam[number, band] if band < len(each.bands) else math.nan for each in samples])
            if np.isfinite(gain).any():
                columns[f"corrected_{name}{end}"] = flux / gain * JY_PER_BEAM
                columns[f"primary_beam_{name}{end}"] = gain
        columns[f"frequency{end}"] = _frequencies(measured, band) * units.Hz
    columns |= beam_columns(entries)
    # of each image alone: what the others make of its noise comes to be known at the end of a run
    columns["quality"] = [with_noise(each.quality, False) for each in entries]
    columns["file"] = [each.file for each in entries]
    for name, column in columns.items():
        table[name] = column
    table.meta.update(
        {
            "event": measured.found.id,
            "flux": "of a point source at the place of the event, forced: apparent; corrected: over the primary beam",
            "on": "whether the image is one of those that show it",
            "planes": "flux_I of the whole band, flux_I_1, flux_I_2, ... of the output channels",
            "time": "UTC, middle of the exposure",
        }
    )
    text = StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue()


def cutout_file(found: Found, cutouts: Cutouts) -> bytes:
    """FITS: the difference [time, y, x] in Jy/beam, S/N in the extension SNR, and the times of the planes in TIMES."""
    from astropy.io import fits

    half = cutouts.difference.shape[-1] // 2
    header = fits.Header(fits.Card(*each) for each in sky_cards(found.series.grid))
    header["CRPIX1"] += half - cutouts.column
    header["CRPIX2"] += half - cutouts.row
    header["OBJECT"] = found.id
    snr = header.copy()
    header["BUNIT"] = "Jy/beam"
    header["COMMENT"] = "image less the sky that is always there; planes are slices, see extension TIMES"
    entries = cutouts.entries
    times = fits.BinTableHDU.from_columns(
        [
            fits.Column("SLICE", "K", array=np.array([each.index for each in entries], np.int64)),
            fits.Column("MJD_BEG", "D", "d", array=np.array([each.begin / SECONDS_PER_DAY for each in entries])),
            fits.Column("MJD_END", "D", "d", array=np.array([each.end / SECONDS_PER_DAY for each in entries])),
            fits.Column("NOISE", "E", "Jy/beam", array=np.array(cutouts.noise, np.float32)),
            fits.Column("ON", "L", array=np.array(cutouts.on, bool)),
        ],
        name="TIMES",
    )
    times.header["TIMESYS"] = "UTC"
    content = BytesIO()
    parts = [fits.PrimaryHDU(cutouts.difference, header), fits.ImageHDU(cutouts.snr, snr, "SNR"), times]
    fits.HDUList(parts).writeto(content)
    return content.getvalue()


def facts(measured: Measured) -> dict[str, Any]:
    """What is known of an event, as JSON values: how it was found, and what was measured.

    A number that is not finite is None.
    """
    known = {
        **facts_found(measured.found),
        "forced": _told(measured.flux), "unbiased": _told(measured.unbiased), "corrected": _told(measured.corrected),
        "primary_beam": measured.primary_beam, "steady": _told(measured.steady),
        "spectrum": [{"frequency": each, **(_told(value) or {})} for each, value in measured.spectrum],
        "spectrum_of": measured.spectrum_of, "spectral_index": _told(measured.index),
        "images": len(measured.samples), "images_on": sum(each.on for each in measured.samples), "window": WINDOW,
        "left_out": list(measured.left_out), **context(measured),
    }  # fmt: skip
    return {name: None if isinstance(each, float) and not math.isfinite(each) else each for name, each in known.items()}


def facts_found(found: Found) -> dict[str, Any]:
    """How an event was found, as JSON values: what `fip events --json` has of it, and more. Degrees, s, Jy/beam."""
    series, best = found.series, found.event.best
    place, east, north = place_of_event(found)
    return {
        "id": found.id, "kind": found.kind, "labels": list(found.labels),
        "ra": math.degrees(place.longitude) % 360, "dec": math.degrees(place.latitude),
        "ra_err": math.degrees(east) / max(math.cos(place.latitude), 1e-6), "dec_err": math.degrees(north),
        "begin": iso_utc(found.begin), "end": iso_utc(found.end),
        "time_err": (found.end - found.begin) / best.width / 2 / best.snr, "duration": found.end - found.begin,
        "closed": found.event.closed, "matches": told(found.matches),
        "first": best.slices[0], "last": best.slices[1], "width": best.width, "average": series.average,
        "snr": best.snr, "threshold": series.thresholds.event, "flux": best.flux, "stokes": series.stokes,
        "field": series.label, "run": series.run, "name": series.name, "backlog": series.backlog,
        "x": best.x, "y": best.y,
    }  # fmt: skip


def _told(value: Value | None) -> dict[str, float] | None:
    return (
        {"value": value.value, "error": value.error}
        if value and np.isfinite((value.value, value.error)).all()
        else None
    )


def _of(measured: Measured, attribute: str, number: int, band: int) -> Any:
    """[image] flux or error of a plane and band; NaN of an image that has no such band."""
    return np.array(
        [
            getattr(each.bands[band], attribute)[number] if band < len(each.bands) else math.nan
            for each in measured.samples
        ]
    )


def _frequencies(measured: Measured, band: int) -> Any:
    told = [each.bands[band].band if band < len(each.bands) else None for each in measured.samples]
    return np.array([each.centre if each else math.nan for each in told])


def _picture(measured: Measured, cutouts: Cutouts) -> bytes:
    from fip.events.picture import event_picture  # late: matplotlib takes a while to be there

    return event_picture(measured, cutouts)


def _page(known: dict[str, Any], measured: Measured, picture: bytes) -> bytes:
    from fip.events.event_page import event_page  # late, too

    return event_page(known, measured, picture)
