"""A consumer of SKA's realtime-receive-modules that writes a spool of FIP's, which jobs then name like any recording.

`[reception] consumer = fip_ska_consumer.consumer`. README.md has the rest, and what of it was tried.
"""

import asyncio
import logging
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import ConfigError, StoreError
from fip.data.names import label
from fip.spool.setup import Band, Correlation, Product, Setup, Station, Target
from fip.spool.writing import Open, SpoolWriter

MJD_OF_UNIX = 40587 * 86400.0  # s
NEWER = 2  # an integration that is so many newer closes one
HANDS: Mapping[int, tuple[Correlation, ...]] = {4: ("XX", "XY", "YX", "YY"), 2: ("XX", "YY"), 1: ("XX",)}

logger = logging.getLogger(__name__)


class Payload(Protocol):
    """What a receiver hands over: some channels of one integration."""

    mjd_time: float  # s, MJD, UTC: the integration's middle
    channel_id: int  # the first
    channel_count: int
    visibilities: NDArray[np.complex64]  # [channel, baseline, hand]


class Model(Protocol):
    """What a receiver knows of the observation; baselines are (0, 0), (0, 1), ..., (1, 1), (1, 2) and so on."""

    num_channels: int
    num_pols: int
    num_baselines: int
    freq_start_hz: float
    freq_inc_hz: float
    phase_centre_radec_rad: tuple[float, float]

    def get_antennas(self) -> Mapping[str, Mapping[str, Any]]:
        """By name: name, x, y, z in m (ITRF), dish_diameter in m."""


@dataclass
class Begun:
    """An integration of which some came."""

    opened: Open
    came: set[int] = field(default_factory=set)  # channels


class Spooling:
    """Payloads become integrations, in order; one thread calls it."""

    def __init__(self, writer: SpoolWriter) -> None:
        """Goes on where the spool ends."""
        self._writer, self._begun = writer, dict[int, Begun]()
        self._channels = writer.setup.bands[0].channels
        self._last = -1 if writer.last is None else int(writer.last["dump"][0])
        self.late = self.refused = self.dropped = 0

    def put(self, payload: Payload) -> None:
        """Takes a payload; what does not fit, or comes when its integration is in the spool, is counted."""
        first, count = payload.channel_id, payload.channel_count
        values = np.asarray(payload.visibilities).reshape(len(payload.visibilities), -1)
        time = payload.mjd_time - MJD_OF_UNIX
        if not (0 <= first < first + count <= self._channels and math.isfinite(time)) or (
            values.shape != (count, len(self._writer.setup.products))
        ):
            self.refused += 1
            if self.refused == 1:
                logger.warning("a payload of %d channels from %d on, %s, does not fit", count, first, values.shape)
            return
        dump = round(time / self._writer.setup.cadence)
        if dump <= self._last:
            self.late += 1
            return
        if dump not in self._begun:
            self._begun[dump] = Begun(self._writer.begin(dump, time, 0))
        begun = self._begun[dump]
        begun.opened.arrays["0.visibility"][first : first + count] = values
        begun.came.update(range(first, first + count))
        self._commit(max(self._begun) - NEWER)

    def end(self) -> None:
        """No more comes."""
        self._commit(max(self._begun, default=0))
        self._writer.end()
        self._writer.close()

    def _commit(self, until: int) -> None:
        """Those up to this one, and whole ones behind them."""
        for dump in sorted(self._begun):
            if dump > until and len(self._begun[dump].came) < self._channels:
                return
            begun = self._begun.pop(dump)
            try:
                self._writer.commit(begun.opened, len(begun.came) / self._channels)
            except (StoreError, OSError, ValueError) as error:
                self.dropped += 1
                logger.error("integration %d is dropped: %s", dump, error)
            self._last = dump


class consumer:  # noqa: N801 the name that a receiver looks for
    """What realtime-receive-modules makes of `[reception] consumer`, and calls."""

    def __init__(self, config: Mapping[str, Any], tm: Model) -> None:
        """ConfigError if `[reception]` lacks what it needs, or the spool cannot be written."""
        reception = config["reception"]
        if "fip_spool" not in reception or "fip_cadence" not in reception:
            raise ConfigError("[reception] fip_spool (a folder) and fip_cadence (s) have to be given")
        setup = setup_of(tm, float(reception["fip_cadence"]), str(reception.get("fip_name", "ska")))
        writer = SpoolWriter(Path(reception["fip_spool"]), setup, int(float(reception.get("fip_keep", 50e9))))
        self.spooling, self.path = Spooling(writer), writer.path
        self._disk = ThreadPoolExecutor(max_workers=1)  # the event loop does not wait for a disk
        logger.info("writing %s", writer.path)

    async def consume(self, payload: Payload) -> None:
        """Called for each payload."""
        await asyncio.get_running_loop().run_in_executor(self._disk, self.spooling.put, payload)

    def stop(self) -> None:
        """Called at the end."""
        self._disk.submit(self.spooling.end).result()
        self._disk.shutdown()


def setup_of(tm: Model, cadence: float, name: str) -> Setup:
    """What all integrations share."""
    if tm.num_pols not in HANDS:
        raise ConfigError(f"{tm.num_pols} hands: 1, 2 or 4 can be written")
    antennas = list(tm.get_antennas().values())
    pairs = [(first, second) for first in range(len(antennas)) for second in range(first, len(antennas))]
    if len(pairs) != tm.num_baselines:
        raise ConfigError(f"{tm.num_baselines} baselines of {len(antennas)} antennas: {len(pairs)} were expected")
    ra, dec = tm.phase_centre_radec_rad
    return Setup(
        name=label(name),
        cadence=cadence,
        antennas=tuple(
            Station(str(each["name"]), (each["x"], each["y"], each["z"]), each["dish_diameter"]) for each in antennas
        ),
        bands=(Band(tm.freq_start_hz, tm.freq_inc_hz, tm.num_channels),),
        products=tuple(Product(*pair, hand) for pair in pairs for hand in HANDS[tm.num_pols]),
        targets=(Target("phase_centre", ra, dec),),
        telescope="SKA",
    )
