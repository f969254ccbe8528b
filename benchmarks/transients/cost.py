"""CPU of a search beside that of the images it searches."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.report import Line
from benchmarks.transients.searching import Search
from benchmarks.transients.telescope import Pixels, Telescope
from fip.search.series import memory
from fip.search.theory import threshold
from fip.search.words import Budget


def cost(size: int, images: int, rounds: int) -> list[Line]:
    """CPU ms of the search of an image, the best of some rounds, beside that of making it from 64 channels."""
    telescope = Telescope("disc", size, channels=64)
    random, uvw = np.random.default_rng(1), telescope.uvw(0)
    slices = [telescope.slice(index, uvw, telescope.noise(random)) for index in range(4)]
    made = [telescope.image(each) for each in slices]
    read = min(reading(size, images) for _ in range(rounds))
    lines = [Line(f"reading: CPU ms of an image of {size}^2", 1e3 * read)]
    for reference in ("none", "running"):
        searched = telescope.searched(reference)
        u = threshold(Budget(1, 7 * 86400.0), [searched])
        search = Search(searched, u)
        for pixels in islice(_shifted(made, random), 100):
            search.take(pixels)
        times, imaging = [], []
        for _ in range(rounds):
            before = search.seconds
            for pixels in islice(_shifted(made, random), images):
                search.take(pixels)
            times.append((search.seconds - before) / images)
            start = time.process_time()
            for each in slices:
                telescope.image(each)
            imaging.append((time.process_time() - start) / len(slices))
        what = f"reference {reference}: CPU ms of reading and searching an image of {size}^2, and of `dirty_image`"
        spent, most = read + min(times), "4" if size <= 1024 else "60"
        lines.append(Line(what, 1e3 * spent, 1e3 * min(imaging), spent / min(imaging), f"<= {most}, ratio <= 0.4"))
        lines.append(Line(f"reference {reference}: GB of the state", memory(searched) / 1e9, target="<= 0.35"))
    return lines


def reading(size: int, images: int) -> float:
    """CPU s of reading the pixels of a stored image, as `fip detect` does: big-endian, mapped into memory."""
    with tempfile.TemporaryDirectory(prefix="fip-benchmarks-") as folder:
        path = Path(folder, "image")
        np.random.default_rng(1).standard_normal((size, size), np.float32).astype(">f4").tofile(path)
        start = time.process_time()
        for _ in range(images):
            np.asarray(np.memmap(path, ">f4", "r", 0, (size, size)), np.float32)
        return (time.process_time() - start) / images


def _shifted(images: Sequence[Pixels], random: np.random.Generator) -> Iterator[Pixels]:
    """Images that are independent enough: some, shifted at random."""
    while True:
        for pixels in images:
            down, across = random.integers(pixels.shape[0], size=2)
            yield np.roll(pixels, (int(down), int(across)), (0, 1))
