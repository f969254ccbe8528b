"""A simulated night: what is left of a steady sky, bad gains, interference and a dead antenna, and of a transient.

    python -m benchmarks.night [--integrations 40] [--sources 1000] [--seed 1] [--keep DIR] [-- OPTIONS OF FIP RUN]
    python -m benchmarks.night --by-the-truth

Two sets are simulated that differ by the transient alone, and imaged by `fip run OUT.ms --gains OUT.B,OUT.G --flag auto
--sky-model OUT.skymodel --smear none`, as they are not smeared; what stands behind `--` takes the place of these
options. It prints the noise of each image over the thermal noise, which is that of the samples that are not bad by the
truth, and the transient's flux in its image and in the difference of the two images. The exit code is 1 if the noise
of an image is more than 10 % above or below thermal, or the transient lost or gained more than 2 sigma: of the
difference, in which the noise is the same, so that flux lost by flags or gains is not mixed up with chance.
`--by-the-truth` has the data corrected and flagged by what was simulated, before FIP images them less
MODEL_DATA: what is measured if nothing is left to be done.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from casacore.tables import table
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from benchmarks.programs import FIP, run
from fip.data.quality import GAUSSIAN_RMS_PER_MAD

NOISE = 0.5  # Jy, of a visibility's real part
SIGMAS = 10.0  # of the transient, in one integration
DEAD = 5
TOLERANCE = 0.1  # of the noise
MOST_SIGMAS = 2.0  # that the transient may lose or gain
SIZE, SCALE = 512, "1.5arcsec"
CORRECTED = ("--gains", "{0}.B,{0}.G", "--flag", "auto", "--sky-model", "{0}.skymodel", "--smear", "none")


@dataclass(frozen=True, eq=False)
class Imaged:
    """The images of a set, and what they should be."""

    pixels: NDArray[np.float64]  # [integration, y, x] Jy/beam
    places: tuple[WCS, ...]
    thermal: NDArray[np.float64]  # [integration] Jy/beam

    @property
    def noise(self) -> NDArray[np.float64]:
        """Standard deviation of each image's pixels [integration], Jy/beam."""
        return np.asarray(self.pixels.std(axis=(1, 2)))

    @property
    def core_noise(self) -> NDArray[np.float64]:
        """The same, robust against few bright pixels."""
        middle = np.median(self.pixels, axis=(1, 2), keepdims=True)
        return np.asarray(GAUSSIAN_RMS_PER_MAD * np.median(np.abs(self.pixels - middle), axis=(1, 2)))


def simulated(folder: Path, name: str, options: Sequence[str], transient: float, when: int) -> Path:
    """A set that is simulated unless it is there."""
    path = folder / f"{name}.ms"
    if not path.exists():
        lit = ("--transient", repr(transient), "--transient-on", f"{when}~{when + 1}")
        run([FIP, "simulate", str(path), *options, *lit])
    return path


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of the samples of an integration, of the parallel hands."""

    gains: NDArray[np.complex128]  # [row, channel, 4], by which the signal was multiplied
    bad: NDArray[np.bool_]  # [row, channel]: flagged, dead, or hit by interference


def truths(path: Path, clean: Path, integrations: int) -> Iterator[Truth]:
    """Yield the truth of each integration; `clean` is the set without noise: what gains do not explain interferes."""
    stem = path.with_suffix("")
    bandpass, drift = (_column(f"{stem}.{kind}", "CPARAM") for kind in "BG")
    drift = drift.reshape(integrations, len(bandpass), 1, 2)
    with table(str(path), ack=False) as main, table(str(clean), ack=False) as noiseless:
        rows = main.nrows() // integrations
        first, second = (main.getcol(name, 0, rows) for name in ("ANTENNA1", "ANTENNA2"))
        dead = ((first == DEAD) | (second == DEAD))[:, None]
        for number in range(integrations):
            jones = drift[number] * bandpass
            gains = jones[first][..., [0, 0, 1, 1]] * jones[second].conj()[..., [0, 1, 0, 1]]
            data, model = (noiseless.getcol(name, number * rows, rows) for name in ("DATA", "MODEL_DATA"))
            hit = (np.abs(data - model * gains) > NOISE / 10).any(axis=-1)
            flagged = main.getcol("FLAG", number * rows, rows)[..., [0, 3]].any(axis=-1)
            yield Truth(gains, flagged | hit | dead)


def thermal(path: Path, clean: Path, integrations: int) -> NDArray[np.float64]:
    """The noise [integration] of an image of all samples that are not bad, each weighted by its own noise."""
    found = []
    for truth in truths(path, clean, integrations):
        # I = (XX + YY) / 2, and the noise of either is NOISE / |gain|
        variance = NOISE**2 / 4 * (1 / np.abs(truth.gains[..., [0, 3]]) ** 2).sum(axis=-1)
        found.append(1 / math.sqrt(float((~truth.bad / variance).sum())))
    return np.array(found)


def correct(path: Path, clean: Path, integrations: int) -> None:
    """Apply the gains to DATA, and flag what is bad, as it was simulated."""
    with table(str(path), readonly=False, ack=False) as main:
        rows = main.nrows() // integrations
        for number, truth in enumerate(truths(path, clean, integrations)):
            data = main.getcol("DATA", number * rows, rows) / truth.gains
            main.putcol("DATA", data.astype(np.complex64), number * rows, rows)
            main.putcol("FLAG", np.repeat(truth.bad[..., None], 4, axis=-1), number * rows, rows)


def imaged(path: Path, options: Sequence[str], expected: NDArray[np.float64]) -> Imaged:
    """The images of a set by `fip run` with these options."""
    output = path.with_suffix(".fip")
    stem = str(path.with_suffix(""))
    asked = [each.format(stem) for each in options]
    run([FIP, "run", str(path), "--output", str(output), "--size", str(SIZE), "--scale", SCALE, "--overwrite", *asked])
    files = sorted(output.glob("*-t[0-9]*-image.fits")) or sorted(output.glob("*.fits"))
    pixels, places = [], []
    for each in files:
        with fits.open(each) as opened:
            pixels.append(np.asarray(opened[0].data, np.float64).reshape(SIZE, SIZE))
            places.append(WCS(opened[0].header).celestial)
    if len(pixels) != len(expected):
        sys.exit(f"{output}: {len(pixels)} images of {len(expected)} integrations")
    return Imaged(np.array(pixels), tuple(places), expected)


def flux_at(pixels: NDArray[np.float64], where: WCS, truth: Table) -> float:
    """The brightness at the transient's place, between the pixels about it, Jy/beam."""
    (transient,) = (row for row in truth if row["kind"] == "transient")
    x, y = where.world_to_pixel(SkyCoord(transient["ra"], transient["dec"], unit="deg", frame="fk5"))
    return float(map_coordinates(pixels, [[float(y)], [float(x)]], order=3)[0])


def measured(
    folder: Path, integrations: int, sources: int, seed: int, options: Sequence[str], by_the_truth: bool
) -> bool:
    """Simulate, image, print; whether all is as it should be."""
    when = integrations // 2
    night = ["--integrations", str(integrations), "--cadence", "30", "--sources", str(sources), "--seed", str(seed)]
    night += ["--gain-errors", "0.02,3", "--interference", "0.01", "--dead-antenna", str(DEAD)]
    clean = simulated(folder, "clean", [*night, "--noise", "0", "--flag-fraction", "0"], 0.0, when)
    empty = simulated(folder, "steady", [*night, "--noise", str(NOISE)], 0.0, when)
    expected = thermal(empty, clean, integrations)
    flux = SIGMAS * float(expected[when])
    lit = simulated(folder, "transient", [*night, "--noise", str(NOISE)], flux, when)
    for each in (empty, lit) if by_the_truth else ():
        correct(each, clean, integrations)
    steady, with_it = (imaged(each, options, expected) for each in (empty, lit))
    ratio = steady.noise / expected
    print(f"{integrations} integrations, {sources} sources; thermal noise {expected.mean() * 1e3:.4f} mJy/beam")
    print(f"noise / thermal: median {np.median(ratio):.3f}, {ratio.min():.3f} to {ratio.max():.3f}", end="; ")
    print(f"robust: median {np.median(steady.core_noise / expected):.3f}")
    truth = Table.read(lit.with_suffix(".truth.ecsv"))
    place = with_it.places[when]
    alone = flux_at(with_it.pixels[when], place, truth)
    change = flux_at(with_it.pixels[when] - steady.pixels[when], place, truth)
    lost = (flux - change) / float(expected[when])
    print(f"transient of {flux * 1e3:.3f} mJy, {SIGMAS:g} sigma: {alone * 1e3:.3f} mJy in its image", end="; ")
    print(f"{change * 1e3:.3f} mJy more than without it: {lost:+.2f} sigma lost")
    wrong = [
        f"integration {number}: noise {each:.3f} x thermal"
        for number, each in enumerate(ratio.tolist())
        if abs(each - 1) > TOLERANCE
    ]
    if abs(lost) > MOST_SIGMAS:
        wrong.append(f"the transient lost {lost:+.2f} sigma, more than {MOST_SIGMAS:g}")
    print(*wrong, sep="\n") if wrong else print("all within bounds")
    return not wrong


def main() -> int:
    """Run the command with its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.night", description=__doc__.splitlines()[0])
    parser.add_argument("--integrations", type=int, default=40)
    parser.add_argument("--sources", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder that is there; sets that it has are used again")
    parser.add_argument("options", nargs="*", help="of fip run, in place of gains, flags and the sky model")
    parser.add_argument("--by-the-truth", action="store_true")
    asked = parser.parse_args()
    if asked.keep and asked.by_the_truth:
        parser.error("--by-the-truth changes the sets: they are not for --keep")
    kept = nullcontext(str(asked.keep.resolve())) if asked.keep else tempfile.TemporaryDirectory(prefix="fip-night-")
    with kept as folder:
        options = asked.options or (("--subtract-model",) if asked.by_the_truth else CORRECTED)
        night = (asked.integrations, asked.sources, asked.seed)
        return not measured(Path(folder), *night, options, asked.by_the_truth)


def _column(path: str, name: str) -> NDArray[np.complex128]:
    with table(path, ack=False) as opened:
        return np.asarray(opened.getcol(name), np.complex128)


if __name__ == "__main__":
    sys.exit(main())
