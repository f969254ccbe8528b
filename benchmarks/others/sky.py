"""FIP's sky models beside DP3's predict and WSClean's, on a small simulated MeasurementSet.

`python -m benchmarks.others sky --dp3 PYTHON [--wsclean PROGRAM] [--fixtures DIR]`: PYTHON is that of an environment
with dp3 and numpy. Prints, by case, how far the exact sum over what FIP reads is from what the others predict, and how
far FIP's own prediction: the largest difference, relative to the rms.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import casacore
import numpy as np
from casacore.tables import table
from numpy.typing import NDArray

from benchmarks.programs import REPOSITORY
from fip.corrections.observed import Expected, ExpectedWindow, Observed
from fip.corrections.predict.predicting import predict
from fip.corrections.sky.opening import Sky, open_sky
from fip.data.directions import Direction
from fip.data.rotations import icrs_axes
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation

sys.path.insert(0, str(REPOSITORY / "tests"))

from corrections.sky_support import EXPECTED
from support.model_images import SCALE, WSCLEAN, drawn, model
from support.sky_cases import LISTS, text_of
from support.sky_sum import image_sum, sky_sum

SIMULATION = Simulation(antennas=16, channels=8, integrations=2, noise=0.0, flag_fraction=0.0)
KEPT = slice(3, None, 11)  # of the rows, for fixtures
EPSILON = 1e-7
ALLOWED = {"dp3": 2e-6, "wsclean": 1e-5, "grid": 1e-2}
"""Of the rms. DP3 writes single precision, and WSClean's gridder is asked for 1e-6. In the case `grid`, Gaussians whose
orientation is that of the image, DP3 takes their shape in the (u, v) of the phase centre, and FIP on the sky.
"""
CORRELATIONS = ("XX", "XY", "YX", "YY")


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows that visibilities are predicted for."""

    path: Path
    uvw: NDArray[np.float64]
    antenna1: NDArray[np.int32]
    antenna2: NDArray[np.int32]
    time: NDArray[np.float64]
    interval: NDArray[np.float64]
    expected: Expected


def main(arguments: list[str]) -> None:
    """Print how far FIP is from the others; exit with 1 if it is farther than they are accurate."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.others sky", description=__doc__)
    parser.add_argument("--dp3", type=Path, help="python of an environment with dp3 and numpy")
    parser.add_argument("--wsclean", help="the program wsclean, or its path")
    parser.add_argument("--fixtures", type=Path, help="folder for what they made, as the tests read it")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rows = observation(Path(folder))
        far = [*lists(options.dp3, rows, options.fixtures)] if options.dp3 else []
        far += images(options.wsclean, rows, options.fixtures) if options.wsclean else []
    raise SystemExit(any(far))


def observation(scratch: Path) -> Rows:
    """The small set, and its description for FIP."""
    path = scratch / "sim.ms"
    simulate(path, SIMULATION)
    frequency = SIMULATION.channel_frequencies
    width = np.full(len(frequency), SIMULATION.bandwidth / len(frequency))
    with table(str(path), ack=False) as main, table(str(path / "ANTENNA"), ack=False) as antenna:
        uvw, antenna1, antenna2, time, interval = (
            main.getcol(name) for name in ("UVW", "ANTENNA1", "ANTENNA2", "TIME", "INTERVAL")
        )
        position, names = antenna.getcol("POSITION"), antenna.getcol("NAME")
    expected = replace(
        EXPECTED,
        path=path,
        antennas=tuple(names),
        position=position,
        windows=(ExpectedWindow(0, frequency, width, CORRELATIONS),),
        centres={0: Direction(SIMULATION.right_ascension, SIMULATION.declination, "FK5")},
        begin=float(time.min()),
        end=float(time.max()),
        epsilon=EPSILON,
    )
    return Rows(path, uvw, antenna1, antenna2, time, interval, expected)


def lists(python: Path, rows: Rows, fixtures: Path | None) -> list[bool]:
    """Compare each list with DP3's predict; return whether it is too far."""
    far, kept = [], {}
    for name in LISTS:
        path = rows.path.with_name(f"{name}.skymodel")
        path.write_text(text_of(name))
        theirs = by_dp3(python, rows, path)
        sky = open_sky([str(path)], rows.expected)
        components = sky.components(SIMULATION.channel_frequencies, 0, rows.expected.begin)
        exact = sky_sum(components, rows.uvw, SIMULATION.channel_frequencies, axes(rows))
        far.append(told("dp3", name, stokes(theirs), exact, predicted(sky, rows)))
        kept[name] = theirs[KEPT].astype(np.complex64)
    keep(fixtures, "dp3", rows, kept)
    return far


def by_dp3(python: Path, rows: Rows, path: Path) -> NDArray[np.complex128]:
    """[row, channel, correlation] that DP3 predicts of a list."""
    (path.parent / ".casarc").write_text(f"measures.directory: {Path(casacore.__file__).parent / 'data'}\n")
    made = path.with_suffix(".ms")
    told = [f"msin={rows.path}", f"msout={made}", "steps=[predict]", "predict.type=predict", "numthreads=1"]
    command = [str(python), str(python.parent / "DP3.py"), *told, f"predict.sourcedb={path}"]
    environment = {"OPENBLAS_NUM_THREADS": "1", "HOME": str(path.parent)}
    done = subprocess.run(command, cwd=path.parent, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"DP3 failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    with table(str(made), ack=False) as main:
        return np.asarray(main.getcol("DATA"), np.complex128)


def images(program: str, rows: Rows, fixtures: Path | None) -> list[bool]:
    """Model images beside `wsclean -predict`: one plane for all channels, and one for each."""
    far, kept = [], {}
    for name, planes in WSCLEAN.items():
        stem, pixels = rows.path.with_name(name), drawn(name)
        parts = np.array_split(SIMULATION.channel_frequencies, planes)
        files = [
            Path(f"{stem}-{number:04d}-model.fits" if planes > 1 else f"{stem}-model.fits") for number in range(planes)
        ]
        for file, plane, part in zip(files, pixels, parts, strict=True):
            model(file, plane[None], float(part.mean()))
        height, width = pixels.shape[1:]
        named = ("-channels-out", str(planes)) if planes > 1 else ()
        grid = ("-size", str(width), str(height), "-scale", f"{SCALE}asec", "-pol", "I", "-j", "1", "-quiet")
        gridder = ("-use-wgridder", "-wgridder-accuracy", "1e-6", "-predict", *named, "-name", str(stem))
        environment = dict(os.environ) | {"OPENBLAS_NUM_THREADS": "1"}
        subprocess.run([program, *gridder, *grid, str(rows.path)], check=True, env=environment)
        with table(str(rows.path), ack=False) as main:
            theirs = stokes(np.asarray(main.getcol("MODEL_DATA"), np.complex128))[:, :, :1]
        sky = open_sky([str(file) for file in files], rows.expected)
        exact = image_sum(sky.images[0], rows.uvw, SIMULATION.channel_frequencies, axes(rows))
        far.append(told("wsclean", name, theirs, exact, predicted(sky, rows)))
        kept[name] = theirs[KEPT].astype(np.complex64)
    keep(fixtures, "wsclean", rows, kept)
    return far


def keep(fixtures: Path | None, program: str, rows: Rows, made: Mapping[str, NDArray[np.complex64]]) -> None:
    """What a program predicted, of some rows, as the tests read it."""
    if fixtures:
        fixtures.mkdir(parents=True, exist_ok=True)
        here = {"uvw": rows.uvw[KEPT], "frequency": SIMULATION.channel_frequencies}
        np.savez_compressed(fixtures / f"{program}.npz", allow_pickle=False, **here, **made)


def predicted(sky: Sky, rows: Rows) -> NDArray[np.complex128]:
    """[row, channel, plane]: FIP's own prediction."""
    window, integration = rows.expected.windows[0], np.unique(rows.time, return_inverse=True)[1]
    shape = (len(rows.uvw), len(window.frequency), 4)
    observed = Observed(
        rows.path, 0, 0, window.frequency, window.width, CORRELATIONS, rows.antenna1, rows.antenna2, integration,
        rows.time, rows.interval, rows.uvw, np.stack([axes(rows)] * SIMULATION.integrations),
        np.zeros(shape, np.complex64), np.ones((len(rows.uvw), 1, 4)), np.zeros(shape, bool),
    )  # fmt: skip
    components = sky.components(window.frequency, 0, rows.expected.begin)
    return np.asarray(predict(components, sky.images, observed, EPSILON), np.complex128)


def axes(rows: Rows) -> NDArray[np.float64]:
    """e(s) [3, 3] of the phase centre."""
    return icrs_axes(rows.expected.centres[0])


def stokes(found: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """[row, channel, plane]: I, Q, U, V of linear feeds."""
    xx, xy, yx, yy = (found[:, :, at] for at in range(4))
    return np.stack([(xx + yy) / 2, (xx - yy) / 2, (xy + yx) / 2, -0.5j * (xy - yx)], axis=-1)


def told(program: str, name: str, theirs: NDArray[np.complex128], *ours: NDArray[np.complex128]) -> bool:
    """Print how far the exact sum and FIP's prediction are from another program's; return whether one is too far."""
    rms = float(np.sqrt(np.mean(np.abs(theirs[:, :, 0]) ** 2)))
    padded = [np.pad(each, ((0, 0), (0, 0), (0, theirs.shape[2] - each.shape[2]))) for each in ours]
    exact, made = (float(np.abs(theirs - each).max()) / rms for each in padded)
    print(f"{program:8} {name:12} read {exact:.1e}  predicted {made:.1e}")
    return max(exact, made) > ALLOWED.get(name, ALLOWED[program])
