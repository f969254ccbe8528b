"""Compressed images: their bytes, the CPU time to code and to read them, what is lost, and the CPU time of a whole run.

    python -m benchmarks.rice [coding] [photometry] [run] [--rounds 3] [--scratch DIR]

Images of `coding` and `photometry` are noise of a beam of so many pixels: white noise; a disc of its spatial
frequencies is kept. CPU times are those of this process; the run's are those of all processes of `fip run`, plain and
compressed in turns, an image's the marginal ones (`benchmarks.images`).
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from benchmarks.images import line, taken
from benchmarks.programs import Observation, Work, fip_command
from benchmarks.report import Line, print_table
from fip.data.values import Grid, Image, Slice
from fip.fits.compressed import compressed_bytes
from fip.fits.fitsfile import fits_bytes
from fip.fits.stored_image import StoredImage
from fip.fits.warm import warm_up_rice
from fip.imaging.statistics import image_statistics
from fip.imaging.steps import steps_of
from support.synthetic import make_slice

SIDE, SMALL = 2800, 256  # pixels
SLICES = 1000
BEAM = 3.5  # pixels
DISC = 0.705  # beam (FWHM, pixels) x radius of the disc (cycles a pixel)
BURST = 1e4  # of the noise
SIDELOBES = 0.01  # of the burst, rms
STEADY = 5.0  # of the noise


def noise(side: int, beam: float, seed: int = 0) -> NDArray[np.float32]:
    """[y, x] of an rms of 1."""
    across = np.fft.fftfreq(side)
    disc = np.hypot(across[:, np.newaxis], across) <= DISC / beam
    white = np.random.default_rng(seed).standard_normal((side, side))
    found = np.fft.ifft2(np.fft.fft2(white) * disc).real
    return np.asarray(found / found.std(), np.float32)


def image_of(pixels: NDArray[np.float32], index: int = 0, expected: float | None = None) -> tuple[Slice, Image]:
    """A slice, and its image of these pixels [y, x]."""
    side = len(pixels)
    slice_ = make_slice([], Grid(side, side, 1e-5, 1.0, -0.5, "FK5"), index=index)
    slice_ = replace(slice_, sum_of_weights=np.ones((1, 1)))
    if expected is not None:
        slice_ = replace(slice_, numbers={"noise.expected": (expected, "Jy/beam")})
    return slice_, Image(pixels[np.newaxis, np.newaxis], None, image_statistics(pixels))


def compressed(slice_: Slice, image: Image, to_the_noise: float) -> memoryview:
    """Return the bytes of the compressed file."""
    steps = steps_of(slice_, image, to_the_noise)
    assert steps is not None
    return compressed_bytes(slice_, image, "dirty", steps)


def cpu(do: Callable[[], object]) -> float:
    """CPU seconds, the median of seven."""
    taken_ = []
    for _ in range(7):
        begun = time.process_time()
        do()
        taken_.append(time.process_time() - begun)
    return median(taken_)


def coding(scratch: Path) -> Iterator[Line]:
    """Bytes against a plain file, and CPU time in ns a pixel, reading against astropy."""
    for beam in (7.0, BEAM, 2.4):
        slice_, image = image_of(noise(SIDE, beam))
        plain = fits_bytes(slice_, image)
        for to_the_noise in (16.0, 4.0):
            content = compressed(slice_, image, to_the_noise)
            aim = {16.0: "<= 0.2", 4.0: "<= 0.125"}[to_the_noise] if beam == BEAM else ""
            what = f"MB, beam {beam:g} px, noise / {to_the_noise:g}"
            yield Line(what, len(content) / 1e6, len(plain) / 1e6, len(content) / len(plain), aim)
        per = 1e9 / SIDE**2
        write, store = (cpu(partial(make, slice_, image)) for make in (_usual, fits_bytes))
        yield Line(f"ns a pixel, file, beam {beam:g} px", per * write, per * store, None, "<= 3")
        path = scratch / "compressed.fits"
        path.write_bytes(_usual(slice_, image))
        stored = StoredImage.open(path)
        ours, theirs = cpu(stored.plane), cpu(partial(fits.getdata, path, 1))
        yield Line(f"ns a pixel, reading, beam {beam:g} px", per * ours, per * theirs, ours / theirs)


def _usual(slice_: Slice, image: Image) -> memoryview:
    return compressed(slice_, image, 16.0)


def photometry(scratch: Path) -> Iterator[Line]:
    """What is lost, in the mean of many slices and beside a burst; in units of the noise."""
    steady = np.zeros((SMALL, SMALL), np.float32)
    steady[8::16, 8::16] = STEADY
    mean, read_mean = np.zeros((SMALL, SMALL)), np.zeros((SMALL, SMALL))
    for index in range(SLICES):
        pixels = noise(SMALL, BEAM, index) + steady
        mean += pixels / SLICES
        read_mean += _read(scratch, *image_of(pixels, index)) / SLICES
    off, expected = steady == 0, 1 / np.sqrt(SLICES)
    more = 100 * (float(read_mean[off].std() / mean[off].std()) - 1)
    yield Line("noise that the mean of 1000 gains, %", more, target="< 1")
    error = (read_mean - mean) / expected
    yield Line("its error / (sigma/sqrt(1000)): mean", float(error.mean()), target="< 0.02")
    yield Line("  of 256 steady sources of 5 sigma", float(error[~off].mean()), target="< 0.02")
    yield Line("  rms, of all pixels", float(error.std()))
    sky = noise(SMALL, BEAM, 1)
    lobes = BURST * SIDELOBES * noise(SMALL, 2.4, 2)
    burst = sky + lobes
    burst[SMALL // 2, SMALL // 2] += BURST
    for told, known in (("expected", 1.0), ("not known", None)):
        error = _read(scratch, *image_of(burst, 0, known)) - burst
        faint = np.abs(error[8::16, 8::16])
        what = f"beside 10^4 sigma, noise {told}: error, sigma"
        yield Line(what, float(faint.max()), target="< 0.1" if known else "")


def _read(scratch: Path, slice_: Slice, image: Image) -> NDArray[np.float64]:
    path = scratch / "one.fits"
    path.write_bytes(_usual(slice_, image))
    return StoredImage.open(path).plane().astype(np.float64)


def of_a_run(scratch: Path, rounds: int) -> list[Line]:
    """CPU of an image of 2800^2, all processes of `fip run`, compressed against plain."""
    costs = taken(
        scratch, (4, 20), rounds, {"plain": fip_command, "rice": _rice_command}, Work(64, SIDE), "--noise", "1"
    )
    plain, rice = costs["plain"].marginal, costs["rice"].marginal
    return [line(f"CPU s an image of {SIDE}^2, all processes", rice, plain, "<= 1.0")]


def _rice_command(observed: Observation, directory: Path) -> list[str]:
    return [*fip_command(observed, directory), "--compress", "rice"]


def main() -> None:
    """Measure what is asked, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=["coding", "photometry", "run", []], default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path)
    asked = parser.parse_args()
    parts = asked.parts or ["coding", "photometry", "run"]
    console = Console()
    warm_up_rice(["float32"])
    with tempfile.TemporaryDirectory(prefix="fip-rice-", dir=asked.scratch) as folder:
        scratch = Path(folder)
        if "coding" in parts:
            print_table("Coding", "plain, or astropy", list(coding(scratch)), console)
        if "photometry" in parts:
            print_table("What is lost", "exact", list(photometry(scratch)), console)
        if "run" in parts:
            print_table("A run", "plain", of_a_run(scratch, asked.rounds), console)


if __name__ == "__main__":
    main()
