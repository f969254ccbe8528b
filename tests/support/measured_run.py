"""Real dirty images of a flare between pixels, in a directory as a run leaves it: noise, channels, two planes."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fip.data.quantities import ARCSEC
from fip.data.settings import asked
from fip.data.values import Band, Block, Grid, Slice, Times
from fip.events.words import Found, Series, Thresholds
from fip.fits.planes import Planes
from fip.search.curvature import from_moments
from fip.search.words import Event, Peak, Reference, Searched, beam_matrix
from fip.sink.store import Store
from fip.wire.messages import RunPlan
from fip.worker.imager import Imager
from support.direct_sum import point_source
from support.fip_command import images
from support.synthetic import array_uvw, make_slice

RUN = "89aabbccddeeff001122334455667788"
BANDS = (1.20e9, 1.25e9, 1.30e9)  # Hz, of the output channels
WIDTH = 5e7  # Hz
INDEX = -1.5  # of the flare's spectrum; 1 Jy at the middle of the band
SIDE, SCALE = 96, 9.0 * ARCSEC  # pixels of a quarter of a beam
GRID = Grid(SIDE, SIDE, SCALE, math.radians(155.0), math.radians(-45.0), "ICRS")
PLACE = (60.37, 41.68)  # x, y of the flare
LEAKAGE = 0.3  # of Stokes V over I
START, CADENCE = 5.1e9, 8.0  # s
ANTENNAS = 20
ON = range(12, 16)  # slices of the flare that a search has found
SIGMA = 0.1  # Jy/beam, of the noise that it was found in


def store_flare(
    directory: Path,
    count: int,
    on: Sequence[int],
    sigma: float = 0.0,
    stokes: tuple[str, ...] = ("I", "V"),
    missing: Sequence[int] = (),
    **options: object,
) -> None:
    """Store `count` images, the flare in those of `on`, of noise `sigma` Jy/beam in the whole band; all but some."""
    store, imager = Store(directory), Imager()
    selection = asked(stokes=stokes, channels_out=len(BANDS), **options)
    store.open_run(RunPlan(RUN, "flare", count, "/data/flare.ms", selection, ""))
    settings = replace(selection.imaging, size=(SIDE, SIDE), scale=SCALE, kernel="wgridder")
    for index in range(count):
        if index not in missing:
            slice_ = _slice(index, 1.0 if index in on else 0.0, sigma, stokes)
            store.put(imager(replace(slice_, settings=settings), "", "head/cpu0", 0.0))
    store.close()


def flare_found(directory: Path, reference: Reference = "none", **changes: object) -> Found:
    """The flare as a search would have found it."""
    image = Planes.open(images(directory)[0])
    moments, beam = image.moments, image.bands[0].beam
    assert moments is not None and beam is not None
    curvature = from_moments(moments.uu, moments.uv, moments.vv, SCALE)
    searched = Searched(SIDE, SIDE, curvature, beam_matrix(beam, SCALE), CADENCE, reference=reference)
    series = Series(RUN, "flare", "", "I", 0, 1, GRID, SIDE * SIDE, searched, Thresholds(6.5, 5.0))
    snr = 2 / SIGMA
    peak = Peak(*PLACE, ON[0], len(ON), snr, 1, 1.0, (ON[0], ON[-1]))
    event = Event(3, peak, ON[0], ON[-1], ON[0], ON[-1], 4, closed=True)
    return Found(series, event, START + ON[0] * CADENCE, START + (ON[-1] + 1) * CADENCE, **changes)  # type: ignore[arg-type]


def _slice(index: int, flux: float, sigma: float, stokes: tuple[str, ...]) -> Slice:
    uvw = array_uvw(5, ANTENNAS, 350.0, math.radians(50.0))
    random = np.random.default_rng(index)
    x, y = PLACE
    east, north = (SIDE // 2 - x) * SCALE, (y - SIDE // 2) * SCALE
    blocks, samples = [], len(uvw) * 4 * len(BANDS)
    for channel, centre in enumerate(BANDS):
        frequency = centre + (np.arange(4) - 1.5) * WIDTH / 4
        spectrum = (frequency / BANDS[1]) ** INDEX
        seen = flux * spectrum * point_source(uvw, frequency, east, north, 1.0)
        shape = len(stokes), *seen.shape
        share = np.array([LEAKAGE if name == "V" else 1.0 for name in stokes])[:, np.newaxis, np.newaxis]
        noise = sigma * math.sqrt(samples) * random.standard_normal((*shape, 2)).view(complex)[..., 0]
        blocks.append(
            Block(channel, uvw, frequency, (seen * share + noise).astype(np.complex64), np.ones(shape, np.float32))
        )
    begin = START + index * CADENCE
    made = make_slice(blocks, GRID)
    return replace(
        made,
        run=RUN, index=index, integration=index, label="",
        times=Times(begin, begin + CADENCE / 2, begin + CADENCE, CADENCE),
        bands=tuple(Band(centre, WIDTH) for centre in BANDS),
        observation=replace(made.observation, diameter=13.5),
    )  # fmt: skip
