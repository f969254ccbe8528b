"""What MeerKAT's telstate would say of a simulated observation that is sent as L0. Pure."""

import math
from typing import Any

import erfa

from fip.simulation import layouts
from fip.simulation.observed import Observed
from fip.simulation.streamed import setup_of

STREAM = "sdp_l0"
SYNC_TIME = 0.0  # s, Unix: timestamps are times of Unix, so what is said here is the same whenever it is sent
_HEAPS = (4, 2, 1)  # of an integration: as many as divide its channels
_INPUTS = {"X": "h", "Y": "v"}


def channels_per_heap(channels: int) -> int:
    """How many channels a heap brings."""
    return channels // next(each for each in _HEAPS if channels % each == 0)


def telstate_of(observed: Observed) -> dict[str, Any]:
    """Return the content of the JSON file that `[receiver] setup` may name for meerkat-l0."""
    setup = setup_of(observed)
    (band,), (target,) = setup.bands, setup.targets
    names = [each.name for each in setup.antennas]
    direction = ", ".join(f"{math.degrees(each):.12f}" for each in (target.ra, target.dec))
    ordering = [
        [f"{names[antenna]}{_INPUTS[hand]}" for antenna, hand in zip(each[:2], each.correlation, strict=True)]
        for each in setup.products
    ]
    keys = {
        "sync_time": SYNC_TIME,
        "int_time": setup.cadence,
        "n_chans": band.channels,
        "n_chans_per_substream": channels_per_heap(band.channels),
        "bandwidth": band.step * band.channels,
        "center_freq": band.first + band.channels // 2 * band.step,
        "bls_ordering": ordering,
        "obs_params": {"observer": setup.observer, "proposal_id": setup.project},
    }
    return {
        "stream": STREAM,
        "block": setup.name,
        "keys": keys | _antennas(observed),
        "sensors": {"cbf_target": [[SYNC_TIME, f"{target.name}, radec, {direction}"]]},
    }


def _antennas(observed: Observed) -> dict[str, str]:
    """Return the antennas as katpoint describes them: offsets to the east, north and up from the core."""
    longitude, latitude, height = layouts.MEERKAT
    offsets = (observed.array.position - erfa.gd2gc(1, *layouts.MEERKAT)) @ layouts.LOCAL_AXES.T
    core = f"{math.degrees(latitude):.12f}, {math.degrees(longitude):.12f}, {height}, {layouts.DISH_DIAMETER}"
    return {
        f"m{number:03d}_observer": f"m{number:03d}, {core}, {east:.7f} {north:.7f} {up:.7f}"
        for number, (east, north, up) in enumerate(offsets.tolist())
    }
