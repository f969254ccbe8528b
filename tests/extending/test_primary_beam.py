"""The stages that FIP ships, as `fip run` runs them: the primary beam is taken out of fluxes, and sources are found."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from casacore.tables import table
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import j1

from fip.client.operator import new_job
from fip.data.settings import asked
from fip.imaging.primary_beam import beam_of
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.ventilator.supply import refused
from support.direct_sum import point_source
from support.fip_command import fip, images

Floats = NDArray[np.float64]
Pattern = Callable[[Floats, Floats], Floats]
SPEED_OF_LIGHT = 299792458.0
DIAMETER = 13.5  # m, of the dishes that are simulated
SHARES = (0.1, 0.5, 0.9)  # of the beam at the centre of the band
FLUX = 2.0  # Jy
NOISE = 0.02  # Jy, of a visibility
SIZE, SCALE = 600, math.radians(15 / 3600)
WORDS = ("--size", SIZE, "--scale", "15arcsec", "--kernel", "wgridder")
WIDTH = math.radians(1.05)  # FWHM at the centre of the band


def airy(sine: Floats, frequency: Floats) -> Floats:
    """Return the beam of an evenly lit dish."""
    x = math.pi * DIAMETER * sine * frequency / SPEED_OF_LIGHT
    beam: Floats = (2 * j1(x) / x) ** 2
    return beam


def observed(path: Path, beam: Pattern) -> list[tuple[int, int]]:
    """Write a set of three integrations; in each of them one source is seen through the beam at one of `SHARES`.

    Returns the pixels (x, y) that they are at.
    """
    simulation = Simulation(antennas=24, channels=12, integrations=len(SHARES), noise=0, flag_fraction=0)
    simulate(path, simulation)
    frequency, random = simulation.channel_frequencies, np.random.default_rng(5)
    places = []
    with table(str(path), readonly=False, ack=False) as main:
        time, uvw, data = main.getcol("TIME"), main.getcol("UVW"), main.getcol("DATA")
        for dump, (when, share) in enumerate(zip(np.unique(time), SHARES, strict=True)):
            x, y = place(beam, simulation.frequency, share, 0.4 + 2 * dump)
            rows = time == when
            noise = random.normal(0, NOISE, (2, *data[rows].shape))
            seen = FLUX * beam(np.array(math.hypot(x, y) * SCALE), frequency)
            source = seen * point_source(uvw[rows], frequency, x * SCALE, y * SCALE, 1.0)
            values = noise[0] + 1j * noise[1]
            values[..., [0, 3]] += source[..., None]
            data[rows] = values
            places.append((SIZE // 2 - x, SIZE // 2 + y))
        main.putcol("DATA", data)
    return places


def place(beam: Pattern, frequency: float, share: float, turn: float) -> tuple[int, int]:
    """Pixels to the east and north of the centre at which the beam is nearly `share`, at the angle `turn` (rad)."""
    sine = brentq(lambda sine: float(beam(np.array(sine), np.array(frequency))) - share, 1e-6, 0.018)
    return round(sine / SCALE * math.sin(turn)), round(sine / SCALE * math.cos(turn))


def beam_file(path: Path) -> Path:
    """The Airy pattern at some frequencies, as a FITS cube."""
    y, x = np.indices((201, 201)) - 100
    frequency = np.linspace(1.2e9, 1.4e9, 21)
    sine = np.maximum(np.hypot(x, y) * math.radians(0.02), 1e-9)
    unit = fits.PrimaryHDU(airy(sine, frequency[:, None, None]).astype(np.float32))
    unit.header.update(
        CTYPE1="X", CDELT1=-0.02, CRPIX1=101, CTYPE2="Y", CDELT2=0.02, CRPIX2=101,
        CTYPE3="FREQ", CRVAL3=frequency[0], CDELT3=frequency[1] - frequency[0], CRPIX3=1,
    )  # fmt: skip
    unit.writeto(path)
    return path


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, int]]]:
    """A folder with the set `sky.ms`, and the pixels of its sources."""
    folder = tmp_path_factory.mktemp("sky")
    return folder, observed(folder / "sky.ms", airy)


def imaged(folder: Path, output: str, *words: object) -> Path:
    """A directory of images of `sky.ms`."""
    done = fip("run", "sky.ms", "--output", output, *WORDS, *words, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / output


@pytest.mark.parametrize("option", ["airy", "beam.fits"])
def test_fluxes_are_corrected_for_the_primary_beam(sky: tuple[Path, list[tuple[int, int]]], option: str) -> None:
    """A source at 0.1, 0.5 and 0.9 of the beam, 300 sigma and more, is right to 1 %; the dirty image stays apparent."""
    folder, places = sky
    if option != "airy":
        beam_file(folder / option)
    for path, share, (x, y) in zip(
        images(imaged(folder, f"by-{option}", "--primary-beam", option)), SHARES, places, strict=True
    ):
        (apparent, header), (corrected, told), (weight, _) = (
            (fits.getdata(name)[0, 0], fits.getheader(name))
            for name in (str(path).replace("dirty", kind) for kind in ("dirty", "pbcor", "pbweight"))
        )
        assert apparent[y, x] >= 300 * NOISE / math.sqrt(2 * header["FIPNVIS"])
        assert abs(apparent[y, x] / (FLUX * share) - 1) < 0.03  # pixels are not quite at that share
        assert abs(corrected[y, x] / FLUX - 1) < 0.01, share
        assert math.sqrt(weight[y, x]) == pytest.approx(apparent[y, x] / corrected[y, x], rel=1e-5)
        assert (header["FIPPB"], told["BUNIT"], told["FIPKIND"]) == ("NONE", "Jy/beam", "pbcor")
        assert told["FIPPB"].startswith(option)
        assert np.isfinite(apparent).all()
        assert np.isnan(corrected[0, 0])  # outside of the beam


def test_a_gaussian_beam_is_as_wide_as_the_wavelength_is_long() -> None:
    """It is a half at half its width, at the centre of the band."""
    sine = np.sin(WIDTH * np.array([0.25, 0.5, 1.0]))
    beam = beam_of(f"gaussian:{math.degrees(WIDTH):.2f}deg", None, 1.284e9)
    assert beam(sine, np.zeros(3), 1.284e9) == pytest.approx([2**-0.25, 0.5, 2**-4])
    assert beam(sine, np.zeros(3), 2.568e9) == pytest.approx([0.5, 2**-4, 2**-16])


def test_sources_are_found_and_listed(sky: tuple[Path, list[tuple[int, int]]]) -> None:
    """Position, flux and errors are behind the image; `fip sources` prints those of all images."""
    folder, places = sky
    output = imaged(folder, "found", "--stage", "sources", "--primary-beam", "airy")
    printed = fip("sources", output)
    assert printed.returncode == 0, printed.stderr
    listed = Table.read(printed.stdout, format="ascii.ecsv")
    for path, (x, y) in zip(images(output), places, strict=True):
        with fits.open(path, checksum=True) as file:
            found, header = file["SOURCES"].data, file[0].header
        same = listed[listed["file"] == path.name]
        assert len(found) == len(same) >= 1
        brightest = found[0]
        assert math.hypot(brightest["x"] - x, brightest["y"] - y) < 1
        assert brightest["peak"] / brightest["beam"] == pytest.approx(FLUX, rel=0.1)
        assert brightest["dec"] == pytest.approx(header["CRVAL2"] + (y - SIZE / 2) * header["CDELT2"], abs=0.02)
        assert same["ra"][0] == brightest["ra"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--primary-beam", "round"), "'round' is no primary beam: give airy, gaussian:FWHM"),
        (("--primary-beam", "none.fits"), "--primary-beam none.fits: cannot be read: No such file"),
        (("--primary-beam", "airy", "--phase-centre", "10h20m0s -45d0m0s"), "leave one of them out"),
    ],
)
def test_beams_that_are_none_are_refused_in_a_line(simulated_ms: Path, words: tuple[str, ...], says: str) -> None:
    """The message comes before anything starts."""
    done = fip("run", simulated_ms, *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_beam_that_is_a_file_is_data_like_others(tmp_path: Path) -> None:
    """A node takes it from its roots alone, and with its digest, which distinguishes images of two beams."""
    roots = (tmp_path / "data",)

    def why(beam: str) -> str:
        return refused(new_job([tmp_path / "data" / "a.ms"], asked(primary_beam=beam)), roots)

    assert why("airy") == ""
    assert why(f"{tmp_path}/data/beam.fits@0123456789abcdef") == ""
    assert "beam.fits: data are taken from" in why(f"{tmp_path}/beam.fits@0123456789abcdef")
    assert "without a digest: submit it by `fip submit`" in why(f"{tmp_path}/data/beam.fits")
