"""Satellites over an array that sees all of the sky: what a search makes of them, with their orbits and without.

    python -m benchmarks.satellites [--integrations N] [--size N] [--folder DIR] [--quick]

24 antennas within 120 m at 84 to 116 MHz, images of the whole sky, 2 s each; 12 satellites in low, navigation and
geostationary orbits. sgp4 gives their places. Each is 30 times as bright as the noise of an image. `fip run --detect`
searches the set without their orbits, and `fip detect --tle` with them. Each event that is no sidelobe is given to the
satellite that was there. Each is to be one track, or to have labels alone.
"""

import argparse
import json
import math
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from casacore import tables
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sgp4.api import SatrecArray

from benchmarks.__main__ import conditions, load
from fip.catalogues.satellites import Orbit
from fip.catalogues.tle_file import read_tle
from fip.catalogues.turns import JD_OF_MJD_0, from_teme, rotation, unit, velocity
from fip.data.quantities import MJD_0, SECONDS_PER_DAY, SPEED_OF_LIGHT
from fip.data.rotations import axes
from fip.simulation.layouts import LOCAL_AXES, meerkat_like
from fip.simulation.observation import simulate
from fip.simulation.orbits import circular
from fip.simulation.plan import Simulation, uvw_axes

Array = NDArray[np.float64]
Event = dict[str, Any]

FIP = Path(sysconfig.get_path("scripts")) / "fip"
ANTENNAS, RADIUS = 24, 60.0  # and m, of the disc that they stand in
CADENCE, FREQUENCY = 2.0, 100e6  # s; Hz
CHANNELS, BANDWIDTH = 32, 32e6  # Hz: with one channel sidelobes of 12 satellites hide each of them, however bright
START = "2026-03-01T20:00:00"
NOISE = 10.0  # Jy, of a visibility
KINDS = ((550.0, 4, 30.0), (1200.0, 2, 30.0), (20200.0, 4, 30.0), (35786.0, 2, 30.0))  # km, how many, S/N in an image
HIGH = math.radians(35)  # at the beginning
PIECES = 8  # of an integration, in which a satellite moves
COUNTED = ("events", "told", "told tracks", "named")
BEAM = SPEED_OF_LIGHT / FREQUENCY / (2 * RADIUS)  # rad
APART = 4 * BEAM  # rad, of two satellites at the beginning: what is in one beam is one source
NEAR = 1.5  # beams from a satellite's path, of its events


def mjd_seconds(text: str) -> float:
    """s UTC since MJD 0, of an ISO date and time."""
    return (datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC) - MJD_0).total_seconds()


@dataclass(frozen=True)
class Flight:
    """A satellite, and the directions in which it is seen."""

    orbit: Orbit
    site: Array

    def towards(self, times: Array) -> tuple[Array, Array]:
        """Unit vectors [time, 3] in ICRS as for stars, and the sine of its height above the horizon."""
        days = times / SECONDS_PER_DAY
        _, place, _ = SatrecArray([self.orbit.record]).sgp4(np.floor(days) + JD_OF_MJD_0, days % 1)
        away = np.einsum("tij,tj->ti", from_teme(times), 1e3 * place[0]) - self.site
        away /= np.linalg.norm(away, axis=1)[:, None]
        seen = np.einsum("tij,tj->ti", rotation(times), away) - velocity(float(times.mean()))
        return seen / np.linalg.norm(seen, axis=1)[:, None], away @ self.site / np.linalg.norm(self.site)


def places() -> Array:
    """ITRF [antenna, 3] in m, all over a disc."""
    random = np.random.default_rng(5)
    away, angle = RADIUS * np.sqrt(random.random(ANTENNAS)), 2 * math.pi * random.random(ANTENNAS)
    ground = np.stack([away * np.sin(angle), away * np.cos(angle), random.normal(0, 0.1, ANTENNAS)], axis=1)
    return np.asarray(meerkat_like(ANTENNAS).mean(axis=0) + ground @ LOCAL_AXES)


def plan(integrations: int, seed: int) -> Simulation:
    """An observation of the zenith, as it is in the middle of it."""
    begin = mjd_seconds(START)
    site = places().mean(axis=0)
    up = rotation(np.array([begin + integrations * CADENCE / 2]))[0] @ site
    longitude, latitude = math.atan2(up[1], up[0]) % (2 * math.pi), math.asin(up[2] / float(np.linalg.norm(up)))
    return Simulation(
        antennas=ANTENNAS, channels=CHANNELS, integrations=integrations, cadence=CADENCE, frequency=FREQUENCY,
        bandwidth=BANDWIDTH,
        right_ascension=longitude, declination=latitude, start=START, noise=NOISE, transient=0.0, flag_fraction=0.0,
        seed=seed,
    )  # fmt: skip


def drawn(folder: Path, seed: int) -> list[Flight]:
    """Satellites that are high at the beginning; their orbits are in `folder`/sky.tle."""
    begin, site, random = mjd_seconds(START), places().mean(axis=0), np.random.default_rng(seed)
    texts, taken = list[str](), list[Array]()
    for height, count, _ in KINDS:
        tilt = 0.0 if height > 30000 else 55.0
        for _ in range(count):
            while True:
                node, anomaly = random.uniform(0, 360, 2).tolist()
                number = len(texts) + 1
                text = circular(number, f"S{number}-{height:g}", begin, height, tilt, node, anomaly)
                (folder / "one.tle").write_text(text)
                flight = Flight(read_tle(folder / "one.tle")[0], site)
                (place,), (height_now,) = flight.towards(np.array([begin]))
                if height_now > math.sin(HIGH) and all(place @ each < math.cos(APART) for each in taken):
                    texts.append(text)
                    taken.append(place)
                    break
    (folder / "one.tle").unlink()
    (folder / "sky.tle").write_text("".join(texts))
    return [Flight(each, site) for each in read_tle(folder / "sky.tle")]


def observed(path: Path, flights: Sequence[Flight], asked: Simulation) -> None:
    """Write the set: noise, and satellites as they pass."""
    simulate(path, asked, overwrite=True)
    with tables.table(f"{path}/ANTENNA", readonly=False, ack=False) as antennas:
        antennas.putcol("POSITION", places())
    random, towards = np.random.default_rng(asked.seed), axes(asked.right_ascension, asked.declination)
    one, other = np.triu_indices(ANTENNAS, 1)
    baselines, rows = places()[one] - places()[other], len(one)
    sigma = NOISE / math.sqrt(2 * rows * CHANNELS)  # Jy/beam, Stokes I of two hands
    fluxes = [snr * sigma for _, count, snr in KINDS for _ in range(count)]
    with tables.table(str(path), readonly=False, ack=False) as table:
        times = table.getcol("TIME")[::rows]
        for number, time in enumerate(times.tolist()):
            uvw = baselines @ uvw_axes(asked, number).T
            pieces = time + CADENCE * ((np.arange(PIECES) + 0.5) / PIECES - 0.5)
            seen = np.zeros((rows, CHANNELS), complex)
            for flux, each in zip(fluxes, flights, strict=True):
                lmn, height = each.towards(pieces)
                turned = lmn @ towards.T - (0, 0, 1)
                phases = 2j * np.pi / SPEED_OF_LIGHT * np.multiply.outer(uvw @ turned.T, asked.channel_frequencies)
                seen += flux * (np.exp(phases) * (height > 0)[:, None]).mean(axis=1)
            noise = random.normal(0, NOISE, (rows, CHANNELS, 4, 2)).view(complex)[..., 0]
            noise[..., (0, 3)] += seen[..., None]
            table.putcol("UVW", uvw, number * rows, rows)
            table.putcol("DATA", noise.astype(np.complex64), number * rows, rows)
            table.putcol("MODEL_DATA", np.zeros((rows, CHANNELS, 4), np.complex64), number * rows, rows)


def fip(*arguments: object) -> str:
    """Run a command and return what it says."""
    done = subprocess.run([FIP, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"fip {arguments[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def given(events: Sequence[Event], flights: Sequence[Flight]) -> dict[str, list[Event]]:
    """The events of each satellite by its name, those of none by ""."""
    found: dict[str, list[Event]] = {name: [] for name in (*(each.orbit.name for each in flights), "")}
    for event in events:
        place = unit(math.radians(event["ra"]), math.radians(event["dec"]))
        times = np.linspace(mjd_seconds(event["begin"]), mjd_seconds(event["end"]), 40)
        away = [float(np.arccos(np.clip(each.towards(times)[0] @ place, -1, 1)).min()) for each in flights]
        nearest = int(np.argmin(away))
        found[flights[nearest].orbit.name if away[nearest] < NEAR * BEAM else ""].append(event)
    return found


@dataclass(frozen=True)
class Made:
    """What a search has made of a satellite, but for sidelobes."""

    name: str
    events: Sequence[Event]

    @property
    def told(self) -> list[Event]:
        """Return the events that nothing speaks against."""
        return [each for each in self.events if not each["labels"]]

    @property
    def tracks(self) -> list[Event]:
        """Return those of these that are known to move."""
        return [each for each in self.told if each["kind"] == "moving"]

    @property
    def named(self) -> list[Event]:
        """What is labelled as a satellite, and has its name."""
        return [
            each for each in self.events
            if "satellite" in each["labels"] and self.name in {match["name"] for match in each["matches"]}
        ]  # fmt: skip

    @property
    def is_one(self) -> bool:
        """Whether it is one track, or all that there is of it is labelled."""
        return bool(self.events) and (not self.told or len(self.told) == len(self.tracks) == 1)

    @property
    def is_named(self) -> bool:
        """Whether all that there is of it has its name."""
        return bool(self.events) and len(self.named) == len(self.events)

    @property
    def counts(self) -> list[str]:
        """Return the counts in the order of COUNTED."""
        return [str(len(each)) for each in (self.events, self.told, self.tracks, self.named)]


def measured(folder: Path, integrations: int, size: int, seed: int) -> tuple[Table, str]:
    """What was made of each satellite, and of how many of them one track, or events with its name."""
    flights, asked = drawn(folder, seed), plan(integrations, seed)
    observed(folder / "sky.ms", flights, asked)
    images = folder / "sky.fip"
    scale = f"{math.degrees(2.02 / size):.5f}deg"
    how = "--size", size, "--scale", scale, "--subtract-model", "--overwrite", "--detect", "--false-alarms", "1/day"
    fip("run", folder / "sky.ms", "--output", images, *how)
    without = json.loads(fip("events", images, "--json"))
    fip("detect", images, "--false-alarms", "1/day", "--tle", folder / "sky.tle")
    labelled = json.loads(fip("events", images, "--json"))
    table = Table("satellite", *(f"{which}: {what}" for which in ("without orbits", "with") for what in COUNTED))
    searches = [
        [Made(*each) for each in given([one for one in events if "sidelobe" not in one["labels"]], flights).items()]
        for events in (without, labelled)
    ]
    for one, other in zip(*searches, strict=True):
        table.add_row(one.name or "none of them", *one.counts, *other.counts)
    before, after = ([each for each in search if each.name] for search in searches)
    found, named = sum(bool(each.events) for each in after), sum(each.is_named for each in after)
    without_orbits, with_orbits = (sum(each.is_one for each in search) for search in (before, after))
    return table, (
        f"{found} of {len(flights)} satellites are found; with orbits {with_orbits} are one track or labels alone, "
        f"{named} by their names at all of their events; without, {without_orbits}"
    )


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.satellites", description=__doc__)
    parser.add_argument("--integrations", type=int, default=50)
    parser.add_argument("--size", type=int, default=160, help="pixels a side")
    parser.add_argument("--folder", type=Path, help="for set and images, kept  [default: a new one]")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few and small images: to see that it works")
    arguments = parser.parse_args()
    integrations, size = (20, 128) if arguments.quick else (arguments.integrations, arguments.size)
    console = Console(width=160)
    console.print(conditions(), load(), sep="\n", highlight=False)
    with tempfile.TemporaryDirectory(prefix="fip-benchmarks-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        table, said = measured(folder, integrations, size, arguments.seed)
    console.print(table, said, sep="\n", highlight=False)
    console.print(load(), highlight=False)


if __name__ == "__main__":
    main()
