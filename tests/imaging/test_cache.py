"""Whether kernels are compiled is known before they are needed: nobody waits for a compiler without a word."""

import errno
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import fip
from fip.compiled import cache
from fip.data.settings import Imaging
from fip.data.values import Grid
from fip.imaging.kernels import make_kernel
from fip.imaging.slant import warm
from fip.imaging.slant.cache import is_warm, mark
from fip.imaging.slant.scheme import PRECISIONS

GRID = Grid(64, 64, 1e-4, 0.0, 0.0, "FK5")


COMPILES = """
import numpy as np
from fip.compiled import cache
cache.use_cache()
from fip.search import passes
import of_a_user
passes._rounded(1.5), of_a_user.twice(1.0)
for function in passes._rounded, of_a_user.twice:
    print(sum(function.stats.cache_hits.values()), sum(function.stats.cache_misses.values()))
"""
OF_A_USER = """
from numba import njit

@njit(cache=True)
def twice(number):
    return 2 * number
"""


class AnotherPython:
    """The tag of another Python: it keeps the two apart."""

    cache_tag = "cpython-399"


def copied(path: Path) -> Path:
    """A copy of the sources."""
    shutil.copytree(cache.KERNELS, path / "slant")
    return path / "slant"


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that this Python, here, has filled."""
    monkeypatch.setenv("FIP_CACHE", str(tmp_path / "cache"))
    assert not is_warm()
    for precision in PRECISIONS:
        mark(precision).parent.mkdir(parents=True, exist_ok=True)
        mark(precision).touch()
    assert is_warm()
    return tmp_path


def test_a_cache_that_another_python_filled_is_none(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is compiled anew for another Python, another numba or numpy, another processor, and sources that changed."""
    with monkeypatch.context() as other:
        other.setattr(sys, "implementation", AnotherPython)
        assert not is_warm()
    for package in ("numba", "llvmlite", "numpy"):
        with monkeypatch.context() as other:
            other.setattr(cache, "version", lambda name, package=package: "99.0" if name == package else "1.0")
            first = mark("float32")
            other.setattr(cache, "version", lambda name: "1.0")
            assert mark("float32") != first
            assert not is_warm()
    with monkeypatch.context() as other:
        other.setattr(cache, "_processor", lambda: ("x86_64", "model name: another"))
        assert not is_warm()
    copy = copied(filled)
    with monkeypatch.context() as other:
        other.setattr(cache, "KERNELS", copy)
        assert is_warm()  # wherever they stand
        (copy / "simd.py").write_text("another")
        assert not is_warm()
    assert is_warm()


def test_what_is_compiled_serves_the_same_sources_wherever_they_stand(tmp_path: Path) -> None:
    """An upgrade compiles what it changes, and no more; what others compile in a daemon is kept as ever."""
    here, elsewhere = Path(fip.__file__).parent, tmp_path / "elsewhere"
    shutil.copytree(here, elsewhere / "fip")
    user = tmp_path / "user"
    user.mkdir()
    (user / "of_a_user.py").write_text(OF_A_USER)

    def found_and_compiled(at: Path) -> str:
        known = os.environ | {"PYTHONPATH": f"{at}:{user}", "FIP_CACHE": str(tmp_path / "cache")}
        return subprocess.run(
            [sys.executable, "-c", COMPILES], env=known, capture_output=True, text=True, check=True
        ).stdout

    assert found_and_compiled(here.parent) == "0 1\n0 1\n"
    assert found_and_compiled(elsewhere) == "1 0\n1 0\n"
    changed = elsewhere / "fip" / "search" / "passes.py"
    changed.write_text(changed.read_text() + "\n")
    assert found_and_compiled(elsewhere) == "0 1\n1 0\n"
    assert found_and_compiled(here.parent) == "1 0\n1 0\n"  # both are kept


def test_this_processor_is_known() -> None:
    """It is known by its name and what it can do."""
    assert len(cache._processor()) >= 2  # noqa: SLF001 nothing else shows it


def test_a_worker_says_that_it_compiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning, which every view shows, comes before it begins; there is none if all is there."""
    compiled = []

    def compile_nothing(say: Callable[[str], None], precisions: list[str]) -> float:
        say("compiling")
        compiled.extend(precisions)
        return 1.0

    monkeypatch.setattr(warm, "warm_up", compile_nothing)
    monkeypatch.setattr(warm, "is_warm", lambda precisions: True)
    make_kernel(Imaging(), GRID)
    assert compiled == []
    monkeypatch.setattr(warm, "is_warm", lambda precisions: False)
    with caplog.at_level(logging.INFO, "fip.imaging.slant"):
        make_kernel(Imaging(), GRID)
    assert compiled == ["float32"]
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", "compiling"),
        ("INFO", "the imaging kernels were compiled: 1.0 s"),
    ]


@pytest.mark.parametrize("has_been_filled", [True, False])
def test_a_cache_that_cannot_be_written_is_copied_if_there_is_something_in_it(
    has_been_filled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A reader's unit is like this; otherwise each process compiles anew, and says so."""
    import numba

    def read_only(**named: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setenv("FIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    there = mark("float32")
    there.parent.mkdir(parents=True)
    (there.parent / "compiled").write_text("code")
    if has_been_filled:
        there.touch()
    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    monkeypatch.setattr(tempfile, "mkdtemp", lambda prefix: str(tmp_path / prefix))
    (tmp_path / "fip-kernels-").mkdir()
    folder = cache.use_cache()
    assert folder == tmp_path / "fip-kernels-"
    assert str(folder) == numba.config.CACHE_DIR
    assert (folder / "compiled").exists() == has_been_filled
    assert [each.levelname for each in caplog.records] == ([] if has_been_filled else ["WARNING"])
