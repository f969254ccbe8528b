"""The sky model that was taken off the images of a run, as the search uses it: at its sources, errors are noise."""

import logging
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from fip.archive.ledger import Ledger
from fip.data.errors import FipError
from fip.data.values import Band, Beam, Grid
from fip.events.model_image import model_image, open_model
from fip.events.settling import Begun
from fip.search.noise import image_noise
from fip.search.variables import Model, model_of
from fip.search.words import beam_matrix

log = logging.getLogger("fip.events")

_NOTHING = np.empty((0, 0), np.float32)


def model_for(directory: Path, header: str, grid: Grid, images: Sequence[Begun], plane: int) -> Model | None:
    """Return a field's model, by its first images, if the run has `--sky-model`; None if not, or if it is unreadable.

    What MODEL_DATA held is not known here.
    """
    from astropy.io import fits

    try:
        with closing(Ledger(directory, read_only=True)) as ledger:
            asked = ledger.asked()
        if asked is None or not asked.source.sky_model:
            return None
        cards: Any = fits.Header.fromstring(header)
        band = Band(float(cards["RESTFRQ"]), float(cards["RESTBW"]))
        first, last, beam = images[0], images[-1], Beam(*images[0].beam)
        beam_of = asked.imaging.primary_beam
        sky = open_model(asked.source.sky_model, directory, grid, band, (first.begin, last.end), beam_of)
        made = model_image(sky, grid, beam, band.centre, (first.begin + first.end) / 2)
    except (FipError, KeyError) as error:
        log.warning("sources of the sky model are taken for noise-free: %s", error)
        return None
    return model_of(made, beam_matrix(beam, grid.scale), image_noise(first.pixels[plane], _NOTHING))
