"""How often `--kernel auto` takes the faster kernel, over geometries drawn at random.

    python -m benchmarks.kernel_choice [NUMBER [EPSILON]]

Observatories' arrays at any elevation above 15 degrees, fields of 32 to 1600 pixels a side, narrow and wide, finer and
coarser than the fringes, 1 to 64 channels, every other one compressed. Both kernels make each image, whatever `auto`
expects of them; those that only the w-gridder can make are no choice, and do not count.
"""

import sys
from collections.abc import Sequence

import numpy as np

from benchmarks.kernels import EPSILON, Contest, median_seconds, prepared
from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.values import Block, Grid
from fip.imaging.slant.cost import slant_cost, wgridder_cost
from fip.imaging.slant.plan import make_plan
from fip.imaging.slant.sheet import UnsuitableError
from support.observatories import LATITUDE, antennas, uvw_seen

WAVELENGTHS = {"MeerKAT": (0.2, 0.35), "VLA A": (0.06, 0.2, 0.8), "SKA-Low": (1.0, 2.0, 4.0)}
LONGEST = 2.0  # s expected of the w-gridder: if more, the choice is clear and nobody waits for it


def draw(seed: int, epsilon: float = EPSILON) -> Contest:
    """Draw a geometry, with noise."""
    rng = np.random.default_rng(seed)
    array = str(rng.choice(list(LATITUDE)))
    places = antennas(array, rng, int(rng.choice([10, 27, 64]))) * rng.choice([1.0, 0.3])
    uvw = uvw_seen(places, np.deg2rad(rng.uniform(15, 90)), *rng.uniform(0, 2 * np.pi, 2).tolist())
    frequency = np.linspace(1, rng.choice([1.01, 1.08, 1.4]), rng.choice([1, 16, 64]))
    frequency *= SPEED_OF_LIGHT / rng.choice(WAVELENGTHS[array])
    width, height = (2 * int(side) for side in 2 ** rng.uniform(4, 9.7, 2))
    fringe = SPEED_OF_LIGHT / (frequency[-1] * np.hypot(uvw[:, 0], uvw[:, 1]).max())
    scale = min(fringe / rng.uniform(0.3, 6), 10 ** rng.uniform(-2, 0.2) / max(width, height))
    noise = rng.normal(size=(2, 1, len(uvw), len(frequency)))
    visibility = (noise[0] + 1j * noise[1]).astype(np.complex64)
    block = Block(0, uvw, frequency, visibility, np.ones(visibility.shape, np.float32))
    return Contest(block, Grid(width, height, float(scale), 0.0, 0.0, "FK5"), epsilon)


def compare(contest: Contest, blocks: Sequence[Block]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return (expected, measured) seconds of (slant, w-gridder); None if there is no choice, or a clear one."""
    try:
        plan = make_plan(blocks, contest.grid, contest.epsilon)
    except UnsuitableError:
        return None
    expected = slant_cost(plan, blocks), wgridder_cost(blocks, contest.grid, plan.scheme)
    if max(expected) > LONGEST:
        return None
    slant, ducc = median_seconds([lambda: contest.slant(blocks), lambda: contest.ducc_on(blocks)], 3)
    return expected, (slant, ducc)


def main() -> None:
    """Print the geometries for which the choice is wrong, and how many are right."""
    prepared()
    right = counted = 0
    epsilon = float(sys.argv[2]) if sys.argv[2:] else EPSILON
    for seed in range(int(sys.argv[1]) if sys.argv[1:] else 60):
        contest = draw(seed, epsilon)
        blocks = contest.nodes() if seed % 2 else [contest.block]
        if (found := compare(contest, blocks)) is None:
            continue
        (slant_expected, ducc_expected), (slant, ducc) = found
        counted += 1
        if (slant < ducc) == (slant_expected < ducc_expected):
            right += 1
        else:
            print(
                f"{seed}: {contest.grid.width}x{contest.grid.height}, slant {1e3 * slant:.1f} ms, expected "
                f"{1e3 * slant_expected:.1f}; ducc0 {1e3 * ducc:.1f} ms, expected {1e3 * ducc_expected:.1f}"
            )
    print(f"auto takes the faster kernel in {right} of {counted} geometries")


if __name__ == "__main__":
    main()
