"""`fip model` and `--sky-model self`: passes of `fip run`, and the minor cycle between them, until noise is left."""

import math
import resource
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from fip.archive.deep import PSF, deep_image, light_at
from fip.archive.file_names import LEDGER
from fip.archive.folder import Folder
from fip.config import Config
from fip.corrections.sky.bbs_writing import REF_TYPES
from fip.data.corrections import AUTO, OWN
from fip.data.errors import FipError, UsageError
from fip.data.selection import Average
from fip.data.values import Grid
from fip.deconvolution.clark import deepened, minor_cycle, peak_of
from fip.deconvolution.values import Array, Deep, Points, no_points, noise_of
from fip.deconvolution.variables import steady
from fip.local.apart import Wanted, run_apart
from fip.local.joining import joined
from fip.local.modelled import (
    FIRST_LINE,
    deep_fits,
    digest_of,
    mask_of,
    packed,
    packed_light,
    put,
    sky_model_text,
    unpacked,
    unpacked_light,
    variable_lines,
)
from fip.local.run import EXIT_INTERRUPTED, output_of
from fip.local.user_code import settled
from fip.source.child import Child
from fip.source.requests import RunFacts, look

FOLDER = "model"
"""Within the directory of a run: the place of the model of its own images."""

BANDS = 4  # sub-bands that are joined, unless more are asked for
MOST_IMAGES = 64  # of a pass, as far as `MOST_TOGETHER` allows
MOST_TOGETHER = 16  # integrations in one image of a pass
DEPTH = 0.1  # of the highest peak, down to which a minor cycle goes: below, the PSF is not exact enough; nor is it
# gone about points down to the noise in the first one: of few antennas, sidelobes are taken for sources there
STALLED = 0.9  # of the peak before: a pass that leaves more than this gains nothing
SETTLED = 0.95  # of the noise before: a pass that leaves more than this has nothing but noise left about its points
SAID = 10  # lines of a pass that failed, that are repeated


@dataclass(frozen=True)
class Cleaning:
    """How a model is made."""

    threshold: float = 5.0  # times the noise of the deep image
    cycles: int = 6  # minor cycles at most, each followed by a pass
    mask: Path | None = None  # a FITS image on the run's grid: sources are at its pixels that are not 0


def make_model(
    paths: list[Path],
    config: Config,
    workers: Mapping[str, str],
    folder: Path,
    cleaning: Cleaning,
    say: Callable[[str], None],
    again: bool = False,
) -> Path:
    """Make the sky model of a MeasurementSet, or of several joined ones, in a folder; return its path.

    A model that is there, and was made of the same, is returned as it is. One of something else is refused, or made
    anew with `again`. An unfinished one goes on. Raises FipError, and KeyboardInterrupt if it was interrupted.
    """
    config = _of_passes(paths, config)
    first = _facts(paths, config)
    config, first = _averaged(paths, config, first)
    made_of = f"{FIRST_LINE} {first.run}, {cleaning.threshold:g} x noise, mask {digest_of(cleaning.mask)}"
    model = folder / f"{first.name}.skymodel"
    if model.exists():
        if made_of in model.read_text().splitlines()[:3]:
            say(f"{model}: was made before, and is used as it is")
            return model
        if not again:
            raise UsageError(f"{model}: was made of other data, or otherwise: remove it, or give another folder")
    passes = cleaning.cycles + 2  # the first, one after each cycle, and one if something is not steady
    say(f"{first.name}: a model by at most {passes} passes of {len(first.times)} images each")
    with closing(Folder(folder)) as held:
        making = _Making(paths, config, workers, folder, held, say, passes)
        deep, found = _cleaned(making, first, cleaning)
        points, left, said = _steady(making, deep, found, first, cleaning)
        text = sky_model_text(points, deep.grid, made_of, *said)
        for name, content in (
            (f"{first.name}-deep.fits", deep_fits(deep)),
            (f"{first.name}-residual.fits", deep_fits(left)),
            (model.name, text.encode()),
        ):
            put(held, name, content)
        making.forget()
    say(f"{model}: {len(points)} points, {float(points.flux.sum()):.4g} Jy at {points.reference / 1e6:.6g} MHz")
    return model


def with_own_model(
    paths: list[Path],
    config: Config,
    directory: Path,
    workers: Mapping[str, str],
    overwrite: bool,
    say: Callable[[str], None],
) -> Config:
    """Return the configuration of a run with its own model's file in place of `self`; make the model if there is none.

    Raises as `make_model`.
    """
    folder = directory / FOLDER
    if (directory / LEDGER).exists() and not folder.exists() and not overwrite:
        raise UsageError(
            f"{directory}: its images were made without --sky-model {OWN}: give another --output, or --overwrite"
        )
    model = make_model(paths, config, workers, folder, Cleaning(), say, again=overwrite)
    found = tuple(str(model) if each == OWN else each for each in config.source.sky_model)
    return config.model_copy(update={"source": replace(config.source, sky_model=found)})


def own_folder(paths: list[Path], config: Config) -> Path:
    """Return the folder in which `fip model` makes it, if nobody names another: ./NAME.model."""
    return output_of(paths, None, config.source.join).with_suffix(".model")


def _of_passes(paths: list[Path], config: Config) -> Config:
    """Return what a pass images: Stokes I in sub-bands, apparent fluxes. UsageError if no model can be made of it."""
    source, imaging = config.source, config.imaging
    if source.follow:
        raise UsageError(f"--follow: a model is made of data that are whole: leave it out, or --sky-model {OWN}")
    if len(paths) > 1 and not source.join:
        raise UsageError(f"{len(paths)} sets are named, and a model is made of one: name one, or give --join bands")
    if imaging.primary_beam is not None:
        raise UsageError("--primary-beam: a model of the run's images has apparent fluxes: make it without")
    if "I" not in imaging.stokes:
        raise UsageError(f"--stokes {','.join(imaging.stokes)}: a model is of Stokes I: add it")
    others = tuple(each for each in source.sky_model if each != OWN)
    channels = max(BANDS, imaging.channels_out)
    made = replace(imaging, stokes=("I",), channels_out=channels, stages=(), make_psf=False)
    return config.model_copy(update={"imaging": made, "source": replace(source, sky_model=others), "follower": {}})


def _averaged(paths: list[Path], config: Config, first: RunFacts) -> tuple[Config, RunFacts]:
    """Return the same with integrations imaged together: it sums to the same image, with fewer Fourier transforms.

    Not with --flag auto, which looks at each integration by itself.
    """
    together = min(MOST_TOGETHER, math.ceil(len(first.times) / MOST_IMAGES))
    if together < 2 or config.source.average is not None or config.source.flag == AUTO:
        return config, first
    config = config.model_copy(update={"source": replace(config.source, average=Average(together, "integrations"))})
    return config, _facts(paths, config)


def _facts(paths: list[Path], config: Config) -> RunFacts:
    """Return what `fip run` would find of this; InputError and UsageError as it says them."""
    paths, source = joined(paths, config.source)
    asked = settled(config.model_copy(update={"source": source})).asked
    with Child.fork() as reader:
        return reader.call(look, paths[0], asked)


@dataclass(frozen=True, eq=False)
class _Found:
    """Points, what they leave of the deep image, and how high and how noisy that is."""

    points: Points
    left: Deep
    peak: float = math.inf  # Jy/beam, here and in the next
    noise: float = math.inf


def _cleaned(making: "_Making", first: RunFacts, cleaning: Cleaning) -> tuple[Deep, _Found]:
    """Return the deep image, and what was found in it. UsageError if that is nothing."""
    deep = making.image(first, no_points(0.0), None)
    if deep.grid.frame not in REF_TYPES:
        raise UsageError(f"--phase-centre: a model cannot be written in {deep.grid.frame}: image in J2000 or ICRS")
    psf = making.psf()
    allowed = mask_of(cleaning.mask, deep.grid) & (deep.whole != 0)
    before = now = _Found(no_points(deep.reference), deep)
    at_noise = False
    for cycle in range(cleaning.cycles + 1):
        noise, peak = noise_of(now.left.whole), peak_of(now.left, allowed)
        now, floor = replace(now, peak=peak, noise=noise), cleaning.threshold * noise
        making.say(f"  peak {peak:.4g}, noise {noise:.4g} Jy/beam, {len(now.points)} points")
        if peak <= floor and (not len(now.points) or (at_noise and noise > SETTLED * before.noise)):
            break
        if peak > max(floor, STALLED * before.peak) and at_noise:
            making.say(f"  peaks no longer fall: what is above {floor:.4g} Jy/beam may be errors of calibration")
            now = before if peak > before.peak else now
            break
        if cycle == cleaning.cycles:
            if peak <= floor:
                break
            making.say(f"  {cleaning.cycles} cycles were not enough for {floor:.4g} Jy/beam: give more --cycles")
            break
        at_noise = cycle > 0 and DEPTH * peak <= floor
        if at_noise:
            points = deepened(now.left, psf, now.points, allowed, floor, noise)
        else:
            points = minor_cycle(now.left, psf, now.points, allowed, max(floor, DEPTH * peak), noise).points
        before, now = now, _Found(points, making.image(first, points, deep.grid))
    if not len(now.points):
        raise UsageError(
            f"{first.name}: nothing is above {cleaning.threshold:g} x the noise of the deep image, {floor:.4g} Jy/beam:"
            " there is nothing to subtract"
        )
    return deep, now


def _steady(
    making: "_Making", deep: Deep, found: _Found, first: RunFacts, cleaning: Cleaning
) -> tuple[Points, Deep, list[str]]:
    """Return the steady points, what they leave of the deep image, and what is said of the others.

    UsageError if none is steady.
    """
    values, weight = making.light(found.points)
    least = cleaning.threshold * noise_of(found.left.whole)
    points, variables = steady(found.points, deep.grid, values, weight, least)
    if not variables:
        return points, found.left, []
    said = [f"# not steady: {each}" for each in variable_lines(variables, deep.grid, len(values))]
    for line in said:
        making.say(f"  {line.removeprefix('# ')}")
    if not len(points):
        raise UsageError(f"{first.name}: nothing that is steady was found: there is nothing to subtract")
    return points, making.image(first, points, deep.grid), said


class _Making:
    """Passes of `fip run` in a folder, each kept as the one image that it comes to."""

    def __init__(
        self,
        paths: list[Path],
        config: Config,
        workers: Mapping[str, str],
        folder: Path,
        held: Folder,
        say: Callable[[str], None],
        most: int,
    ) -> None:
        self._paths, self._config, self._workers, self._folder = paths, config, workers, folder
        self._held, self.say, self._most = held, say, most
        self._done, self._psf_of = 0, ""
        self._lights: list[tuple[Points, str]] = []  # of each pass, its points and the file of their light
        self._own: list[str] = []  # names of files that are of no use in the end

    def image(self, first: RunFacts, points: Points, grid: Grid | None) -> Deep:
        """Return the deep image with these points, on a grid, subtracted; without a grid, the first pass's, `first`."""
        config = self._config
        if grid is None:
            config = config.model_copy(update={"imaging": replace(config.imaging, make_psf=True)})
        else:
            name = f"cycle-{self._done}.skymodel"
            text = sky_model_text(points, grid, f"{FIRST_LINE} {first.run}, cycle {self._done}")
            put(self._held, name, text.encode())
            self._own.append(name)
            source = replace(config.source, sky_model=(*config.source.sky_model, str(self._folder / name)))
            config = config.model_copy(update={"source": source})
        self._done += 1
        run = _facts(self._paths, config).run
        if not (self._folder / f"{run}.npz").exists():
            self._pass(config, run, points)
        self._psf_of = self._psf_of or run
        self._lights.append((points, f"{run}-light.npz"))
        self._own.append(f"{run}-light.npz")
        return self._kept(f"{run}.npz")

    def light(self, points: Points) -> tuple[Array, Array]:
        """Return what the images of the pass with these points have at them, and their weights, as `light_at`."""
        name = next(name for each, name in self._lights if each is points)
        return unpacked_light(self._folder / name)

    def psf(self) -> Deep:
        """Return the deep point spread function, of the first pass."""
        return self._kept(f"{self._psf_of}-psf.npz")

    def forget(self) -> None:
        """Remove what is of no use after the model is made."""
        for name in self._own:
            with suppress(OSError):
                self._held.unlink(name)

    def _pass(self, config: Config, run: str, points: Points) -> None:
        """Image everything, and keep the sum. FipError if not every image was stored; the folder then resumes."""
        images = self._folder / f"pass-{run}"
        lines: list[str] = []
        begun = _spent()
        wanted = Wanted(self._paths, config, images, self._workers, False, False, False)
        code = run_apart(wanted, lambda stored, total: None, lines.append)
        if code == EXIT_INTERRUPTED:
            raise KeyboardInterrupt
        if code:
            raise FipError("\n".join([f"{images}: a pass could not image everything:", *lines[-SAID:]]))
        if config.imaging.make_psf:
            put(self._held, f"{run}-psf.npz", packed(deep_image(images, PSF)))
        put(self._held, f"{run}-light.npz", packed_light(*light_at(images, points.place)))
        put(self._held, f"{run}.npz", packed(deep_image(images)))
        shutil.rmtree(images)
        used, rest = _spent() - begun, self._most - self._done
        more = f"; {rest} more would take {rest * used:.0f} s" if self._done == 1 and rest else ""
        self.say(f"pass {self._done} of at most {self._most}: {used:.1f} s of CPU{more}")

    def _kept(self, name: str) -> Deep:
        self._own.append(name)
        return unpacked(self._folder / name)


def _spent() -> float:
    """CPU seconds of processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
