"""How the monitor finds images: by run and slice, as the sink says that they are stored."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from fip.archive import gallery as module
from fip.archive.compared import in_noise, less_the_mean
from fip.archive.gallery import AbsentError, Gallery
from fip.archive.ledger import Ledger
from fip.archive.views import Window
from fip.data.errors import EmptyLedgerError
from support.fip_command import images
from support.stored_run import GRID, RUN, TRANSIENT, store_run


def test_images_are_found_once_and_in_the_order_of_their_coming(tmp_path: Path) -> None:
    """What the sink says is stored is looked up; `after` gives what is new, `most` the newest."""
    store_run(tmp_path, count=8)
    gallery = Gallery(tmp_path)
    seen, first = gallery.images(RUN, 0, 100, {RUN: ((0, 2), (3, 5))})
    assert (seen, [entry.index for entry in first]) == (4, [0, 1, 3, 4])
    seen, new = gallery.images(RUN, seen, 100, {RUN: ((0, 7),)})
    assert (seen, [entry.index for entry in new]) == (7, [2, 5, 6])
    assert gallery.images(RUN, seen, 100, {RUN: ((0, 7),)}) == (7, [])
    seen, newest = gallery.images(RUN, 0, 2, {RUN: ((0, 8),)})
    assert (seen, [entry.index for entry in newest]) == (8, [6, 7])
    assert gallery.images(RUN, 10**9, 2, {RUN: ((0, 8),)}) == (8, [])


def test_a_ledger_that_is_about_to_be_made(tmp_path: Path) -> None:
    """Its file is there before its tables are: the monitor looks again, others say so."""
    (tmp_path / "fip.sqlite").touch()
    gallery = Gallery(tmp_path)
    assert gallery.runs() == []
    with pytest.raises(EmptyLedgerError, match="holds nothing yet"):
        Ledger(tmp_path, read_only=True)
    store_run(tmp_path, count=2)
    assert [row.run for row in gallery.runs()] == [RUN]


def test_without_a_sink_the_ledger_is_asked(tmp_path: Path) -> None:
    """This holds for a run that goes on later, too, such as one that is resumed."""
    store_run(tmp_path, count=6, failed=(2, 4))
    gallery = Gallery(tmp_path)
    assert [entry.index for entry in gallery.images(RUN, 0, 100, {})[1]] == [0, 1, 3, 5]
    store_run(tmp_path, count=6, failed=(0, 1, 3, 4, 5))
    assert [entry.index for entry in gallery.images(RUN, 4, 100, {})[1]] == [2]


def test_the_jobs_of_a_daemon_have_folders(tmp_path: Path) -> None:
    """Runs of all of them, in the order in which they were opened; a new one is found, what is no run is not."""
    gallery = Gallery(tmp_path / "images")
    assert gallery.runs() == []
    for name in ("job-b", "job-a"):
        store_run(tmp_path / "images" / name, count=2, field=name)
        (tmp_path / "images" / "other").mkdir(exist_ok=True)
        assert gallery.runs()[-1].run == name
    assert [row.run for row in gallery.runs()] == ["job-b", "job-a"]
    assert gallery.path("job-a", 1).parent.name == "job-a"
    with pytest.raises(AbsentError, match="no run job-c"):
        gallery.images("job-c", 0, 1, {})
    with pytest.raises(AbsentError, match="slice 2 of run job-a is not stored"):
        gallery.path("job-a", 2)


def test_a_light_curve_of_many_images_is_thinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evenly, which is said; what there is of it are the pixels of the files."""
    monkeypatch.setattr(module, "MOST_POINTS", 4)
    store_run(tmp_path, count=11)
    x, y = TRANSIENT
    points, every = Gallery(tmp_path).light_curve(RUN, 0, x, y, 0, {})
    assert (every, [point.entry.index for point in points]) == (3, [0, 3, 6, 9])
    files = images(tmp_path)
    assert [float(point.flux[0]) for point in points] == [
        float(fits.getdata(files[k])[0, 0, y, x]) for k in (0, 3, 6, 9)
    ]


def test_a_large_image_is_shrunk_by_maxima(tmp_path: Path) -> None:
    """It is shrunk to what was asked for; a point source keeps its brightness."""
    store_run(tmp_path, count=1, grid=replace(GRID, width=300, height=200))
    pixels, block = Gallery(tmp_path).pixels(RUN, 0, 0, 100)
    assert (pixels.shape, block, pixels.dtype) == ((66, 100), 3, np.dtype("<f4"))
    assert pixels.max() == fits.getdata(images(tmp_path)[0]).max()


def test_an_image_less_those_before_it(tmp_path: Path) -> None:
    """The mean of the last few, by what they have there; an empty one is none of them, and one that is gone neither."""
    store_run(tmp_path, count=12, empty=(8,), failed=(4,))
    shown = [fits.getdata(path)[0, 0] for path in images(tmp_path)]  # without the one that failed
    gallery = Gallery(tmp_path)
    (tmp_path / "night-t000006-dirty.fits").unlink()
    view = gallery.view(RUN, 11, 0, Window(100, 40, 20, 20), 64, "difference")
    pixels = np.frombuffer(bytes(gzip.decompress(view.content)), np.uint8).reshape(4, -1).T.copy().view("<f4")
    before = [shown[number] for number in (0, 1, 2, 3, 4, 6, 8, 9)]  # slices 0 to 3, 5, 7, 9, 10
    expected = shown[10] - np.mean(before, axis=0)
    assert view.window == Window(100, 40, 20, 20)
    assert np.allclose(pixels.reshape(20, 20), expected[40:60, 100:120], atol=1e-7)
    with pytest.raises(AbsentError, match="no image before slice 0"):
        gallery.view(RUN, 0, 0, None, 64, "difference")


def test_a_difference_is_of_what_is_known() -> None:
    """A pixel that others do not have does not count; if none has it, or the image itself, there is no difference."""
    nan, here = np.nan, Window(0, 0, 3, 1)
    others = [np.array([[1.0, nan, nan]]), np.array([[3.0, 4.0, nan]])]
    assert np.array_equal(less_the_mean(np.array([[5.0, 5.0, 5.0]]), others, here), [[3.0, 1.0, nan]], equal_nan=True)
    assert np.isnan(less_the_mean(np.array([[nan, 1.0, 1.0]]), [], here)).all()
    assert np.isnan(in_noise(np.zeros((1, 3)), here)).all()
