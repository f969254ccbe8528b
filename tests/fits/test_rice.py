"""The coder of compressed images: what it writes astropy reads, and what it reads may be anything."""

from dataclasses import dataclass

import numpy as np
import pytest
from astropy.io.fits.hdu.compressed._codecs import Rice1
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fip.fits import rice

LARGEST = 2**29 - 2  # steps; the dither adds one

Floats = NDArray[np.floating]


@dataclass
class Coded:
    """The code of a plane."""

    content: NDArray[np.uint8]  # with room behind it
    ends: NDArray[np.int64]
    step: float
    blank: int
    first: int
    tile: int
    words: int  # their sum

    def read(self, pixels: Floats) -> int:
        """Read it into these; return the first tile that is damaged, -1 if none is."""
        begins = np.concatenate([[0], self.ends[:-1]])
        steps, work = np.full(self.ends.size, self.step), np.empty(self.tile + rice.BLOCK, np.int32)
        found = rice.decode(
            self.content, begins, self.ends, self.tile, steps, self.blank, self.first, rice.DITHER, pixels, work
        )
        return int(found)


def coded(pixels: Floats, tile: int, step: float, first: int = 0) -> Coded:
    """Return the plane coded as a file has it."""
    flat = pixels.view()
    flat.flags.writeable = False
    known = pixels[np.isfinite(pixels)]
    blank = int(np.floor(known.min() / step)) - 1 if known.size else -1
    content = np.full(rice.most_bytes(pixels.size, tile), 0xA5, np.uint8)
    ends, work = np.zeros(-(-pixels.size // tile), np.int64), np.empty(2 * tile + 4 * rice.BLOCK, np.int32)
    end, words = rice.encode(flat, flat.view(np.uint32), tile, step, blank, first, rice.DITHER, content, 0, ends, work)
    assert end == ends[-1] <= content.size - 8
    return Coded(content, ends, step, blank, first, tile, int(words))


def dithered(pixels: Floats, tile: int, step: float, blank: int, first: int) -> NDArray[np.int64]:
    """The whole numbers, as the standard words it, a pixel after the other (4.0, 10.2 and appendix I)."""
    found = []
    for number, begin in enumerate(range(0, pixels.size, tile)):
        seed = (first + number) % 10_000
        place = int(rice.DITHER[seed] * np.float32(500))
        for value in pixels[begin : begin + tile].tolist():
            known = np.isfinite(value)
            found.append(np.floor(value / step + float(rice.DITHER[place])) if known else blank)
            place += 1
            if place == 10_000:
                seed = (seed + 1) % 10_000
                place = int(rice.DITHER[seed] * np.float32(500))
    return np.array(found, np.int64)


def spiked(random: np.random.Generator, size: int) -> Floats:
    """Noise of 16 steps with spikes of up to 10^4 sigma."""
    pixels = 16 * random.standard_normal(size)
    pixels[random.integers(0, size, 5)] *= 1e4
    return pixels


RANDOM = np.random.default_rng(0)
PLANES: dict[str, Floats] = {
    "noise": 16 * RANDOM.standard_normal(20_011),
    "spikes": spiked(RANDOM, 3_001),
    "constant": np.full(300, 123.25),
    "zeros": np.zeros(300),
    "nothing": np.full(200, np.nan),
    "half": np.concatenate([np.full(1_000, np.nan), 16 * RANDOM.standard_normal(1_000), np.full(37, np.nan)]),
    "one": np.array([-3.5]),
    "one-of-none": np.array([np.nan]),
    "wild": RANDOM.uniform(-LARGEST, LARGEST, 500),
    "steps": np.repeat([-LARGEST, LARGEST, 0.0, 5.0], 40).astype(float),
    "runs": np.where(np.arange(4_000) % 700 < 3, 40_000.0, 0.0),
}


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", PLANES)
def test_a_plane_comes_back_within_half_a_step(name: str, precision: str) -> None:
    """Noise, spikes, constants, NaN, single pixels and numbers as large as there may be.

    Single precision adds half of its last digit.
    """
    pixels = PLANES[name].astype(precision)
    tile = 1 if pixels.size == 1 else 700
    made = coded(pixels, tile, 1.0, first=9_998)  # the dither begins anew meanwhile
    back = np.empty_like(pixels)
    assert made.read(back) == -1
    np.testing.assert_array_equal(np.isnan(back), np.isnan(pixels))
    room = 0.5 + np.nan_to_num(np.spacing(np.abs(pixels))) if precision == "float32" else 0.5 + 1e-6
    assert (np.nan_to_num(np.abs(back.astype(float) - pixels)) <= room).all()
    assert made.words % (2**32 - 1) == int(pixels.view(np.uint32).sum(dtype=np.uint64)) % (2**32 - 1)


@pytest.mark.parametrize("name", PLANES)
def test_the_bytes_are_those_of_the_standard(name: str) -> None:
    """astropy's coder makes the same of the same whole numbers, and reads ours."""
    pixels, tile = PLANES[name], 1 if PLANES[name].size == 1 else 700
    made = coded(pixels, tile, 1.0, first=4_000)
    whole = dithered(pixels, tile, 1.0, made.blank, 4_000)
    begin = 0
    for number, end in enumerate(made.ends.tolist()):
        due = whole[number * tile : (number + 1) * tile].astype(np.int32)
        codec = Rice1(blocksize=32, bytepix=4, tilesize=due.size)
        content = made.content[begin:end]
        np.testing.assert_array_equal(np.frombuffer(codec.decode(content), np.int32), due)
        assert content.tobytes() == bytes(codec.encode(due))
        begin = end


def test_a_tile_that_is_wider_than_the_dither_is_long_takes_it_again() -> None:
    """The standard goes on with the next number of the sequence."""
    pixels = 16 * np.random.default_rng(3).standard_normal(30_000)
    made = coded(pixels, 30_000, 1.0, first=9_999)
    codec = Rice1(blocksize=32, bytepix=4, tilesize=30_000)
    found = np.frombuffer(codec.decode(made.content[: made.ends[-1]]), np.int32)
    np.testing.assert_array_equal(found, dithered(pixels, 30_000, 1.0, made.blank, 9_999))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_what_is_damaged_is_told_and_reads_nothing_else(seed: int, kind: int) -> None:
    """Whatever bytes are there: pixels of a tile that is whole are right, others are anything, and nothing is beyond.

    The memory before and behind is another's, and the same afterwards.
    """
    random = np.random.default_rng(seed)
    pixels = (16 * random.standard_normal(1_400)).astype(np.float32)
    made = coded(pixels, 700, 1.0)
    end = int(made.ends[-1])
    if kind == 0:  # noise
        made.content[: end + 8] = random.integers(0, 256, end + 8, np.uint8)
    elif kind == 1:  # zeros, as runs without an end
        made.content[random.integers(0, end) : end] = 0
    elif kind == 2:  # cut
        made.ends[1] = random.integers(made.ends[0], end)
    else:  # a place that is none
        made.ends[random.integers(0, 2)] = random.integers(-(2**40), 2**40)
    around = np.full(pixels.size + 64, 7.0, np.float32)
    damaged = made.read(around[32:-32])
    assert -1 <= damaged < 2
    assert (around[:32] == 7).all() and (around[-32:] == 7).all()
    if kind == 3:
        assert damaged >= 0


def test_a_tile_that_is_cut_is_named() -> None:
    """The message has its number."""
    pixels = (16 * np.random.default_rng(0).standard_normal(2_100)).astype(np.float32)
    made = coded(pixels, 700, 1.0)
    made.ends[1] -= 40
    assert made.read(np.empty_like(pixels)) == 1


def test_the_sum_of_words_is_that_of_their_bytes() -> None:
    """The highest first, as FITS has them."""
    content = np.random.default_rng(0).integers(0, 256, 2880, np.uint8)
    assert int(rice.sum_of_words(content)) == int(content.view(">u4").sum(dtype=np.uint64))
