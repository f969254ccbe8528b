"""CPU time of predicting sky models, beside that of a dirty image: what one costs in units of the other.

    python -m benchmarks.prediction [--rounds N]

64 antennas as MeerKAT's, 1000 components over a field of 1024 x 1024 pixels of 1.5 arcsec, epsilon 1e-5. In each round
the prediction and the dirty image (slant kernel, compressed samples, 64 channels, 1024 x 1024 pixels) take turns; times
are medians, and so is the ratio. Of model images the ratio is to imaging as many pixels. Errors are L2 over random
samples against the Fourier sum in double precision; of images, against the sum over 20 pixels that shine alone. It runs
itself again with one thread and freed memory kept, as `benchmarks.kernels` does.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels import ROWS, Contest, Row, prepared
from fip.corrections.observed import Observed
from fip.corrections.predict.predicting import predict
from fip.corrections.predict.smearing import Smearing
from fip.corrections.sky.components import Components, SkyImage
from fip.data.directions import Direction
from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.rotations import icrs_axes

EPSILON = 1e-5
CENTRE = Direction(0.7, -0.19, "ICRS")
FIELD = "64 channels, 1024^2 x 1.5 arcsec"
WIDE = "1024 channels, 1024^2 x 1.5 arcsec"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A model, and the samples that it is predicted for."""

    name: str
    model: Components
    images: tuple[SkyImage, ...]
    seen: Observed
    smear: Smearing | None = None
    beside: Contest | None = None  # what the ratio is to; None: the dirty image of 1024 x 1024 pixels
    extended: bool = False

    def run(self) -> NDArray[np.complexfloating]:
        """Predict once, and return the visibilities."""
        return predict(self.model, self.images, self.seen, EPSILON, smear=self.smear)

    def error(self) -> float:
        """L2 against the exact sum in 300 samples; of what is smeared or extended against double precision."""
        rng = np.random.default_rng(3)
        rows, channels = rng.integers(0, len(self.seen.uvw), 300), rng.integers(0, len(self.seen.frequency), 300)
        if self.smear or self.extended:
            right = predict(self.model, self.images, self.seen, 1e-10, smear=self.smear)[rows, channels, 0]
        else:
            model = self.model if len(self.model) else _pixels(self.images[0], self.seen)
            path = (model.towards - self.seen.axes[0, 2]) @ (self.seen.uvw[rows] @ self.seen.axes[0]).T
            fringes = np.exp(2j * np.pi * path * self.seen.frequency[channels] / SPEED_OF_LIGHT)
            right = np.sum(fringes * model.flux[:, channels, 0], axis=0)
        return float(np.linalg.norm(self.run()[rows, channels, 0] - right) / np.linalg.norm(right))


def observed(row: Row) -> Observed:
    """Samples of a benchmark's array."""
    block, _ = row.samples()
    first, second = np.triu_indices(row.count, 1)
    shape = (len(block.uvw), row.channels, 4)
    axes = icrs_axes(CENTRE).copy()
    axes[1] = np.cross(axes[2], axes[0])
    return Observed(
        Path("made.ms"), 0, 0, block.frequency, np.full(row.channels, np.ptp(block.frequency) / row.channels),
        ("XX", "XY", "YX", "YY"), first.astype(np.int32), second.astype(np.int32), np.zeros(shape[0], np.intp),
        np.full(shape[0], 5.2e9), np.full(shape[0], 8.0), block.uvw, axes[None],
        np.zeros(shape, np.complex64), np.ones((shape[0], 1, 4), np.float32), np.zeros(shape, bool),
    )  # fmt: skip


def components(seen: Observed, reach: float, gaussian: bool = False) -> Components:
    """A thousand within `reach` rad."""
    rng, many = np.random.default_rng(0), 1000
    east, north = rng.uniform(-reach, reach, (2, many))
    towards = np.stack([east, north, np.sqrt(1 - east**2 - north**2)], axis=1) @ seen.axes[0]
    flux = rng.pareto(1.5, (many, 1, 1)) * ((seen.frequency / seen.frequency.mean()) ** -0.7)[:, None]
    size = np.full(many, 3e-5 if gaussian else 0.0)
    return Components(("",) * many, towards, flux, size, size / 2, rng.uniform(0, 3, many))


def image(pixels: int, scale: float) -> SkyImage:
    """Return an image with twenty pixels that shine."""
    rng, values = np.random.default_rng(0), np.zeros((1, pixels, pixels), np.float32)
    values[0, rng.integers(0, pixels, 20), rng.integers(0, pixels, 20)] = 1
    return SkyImage("made", values, np.array([1.35e9]), scale, CENTRE)


def _pixels(model: SkyImage, seen: Observed) -> Components:
    y, x = np.nonzero(model.pixels[0])
    middle = model.pixels.shape[1] // 2
    east, north = -(x - middle) * model.scale, (y - middle) * model.scale
    towards = np.stack([east, north, np.sqrt(1 - east**2 - north**2)], axis=1) @ seen.axes[0]
    none = np.zeros(len(x))
    return Components(("",) * len(x), towards, np.ones((len(x), len(seen.frequency), 1)), none, none, none)


def cases() -> list[Case]:
    """Return all cases of the table."""
    found = []
    for name in (FIELD, WIDE):
        row = ROWS[name]
        seen, reach = observed(row), 0.5 * row.pixels * np.deg2rad(row.scale / 3600)
        points, smear = components(seen, reach), Smearing(always=True)
        shown = f"64 x {row.channels}"
        found += [
            Case(f"1000 points, {shown}", points, (), seen),
            Case(f"the same, baselines do not close, {shown}", points, (), _open(seen)),
            Case(f"the same, smeared, {shown}", points, (), seen, smear),
            Case(f"1000 Gaussians, {shown}", components(seen, reach, gaussian=True), (), seen, extended=True),
        ]
    nothing = Components((), np.zeros((0, 3)), np.zeros((0, 64, 1)), *(np.zeros(0) for _ in range(3)))
    for pixels in (1024, 2048, 4096):
        row = replace(ROWS[FIELD], pixels=pixels)
        model = image(pixels, np.deg2rad(row.scale / 3600))
        found.append(
            Case(f"an image of {pixels}^2, 64 x 64", nothing, (model,), observed(row), None, Contest(*row.samples()))
        )
    return found


def _open(seen: Observed) -> Observed:
    """Each baseline a millimetre off."""
    return replace(seen, uvw=seen.uvw + np.random.default_rng(0).normal(scale=1e-3, size=seen.uvw.shape))


def spent(call: Callable[[], object]) -> float:
    """Return the CPU milliseconds of a call."""
    begun = time.process_time()
    call()
    return 1e3 * (time.process_time() - begun)


def main() -> None:
    """Print the table of all cases."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prediction", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    prepared()
    usual = Contest(*ROWS[FIELD].samples())
    print("| model | predicted, ms | image, ms | ratio | error |\n|---|---|---|---|---|")
    for case in cases():
        beside = case.beside or usual
        nodes = beside.nodes()
        case.run()
        beside.slant(nodes)
        times = [(spent(case.run), spent(lambda b=beside, n=nodes: b.slant(n))) for _ in range(rounds)]  # type: ignore[misc]
        predicted, imaged = (median(column) for column in zip(*times, strict=True))
        ratio = median(one / other for one, other in times)
        print(f"| {case.name} | {predicted:.1f} | {imaged:.1f} | {ratio:.2f} | {case.error():.1e} |", flush=True)


if __name__ == "__main__":
    main()
