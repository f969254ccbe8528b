"""The test of whether the imaging kernels are compiled, on this machine and for this processor."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from fip.compiled.cache import cache_directory, processor, use_cache
from fip.imaging.slant.scheme import PRECISIONS, Precision

__all__ = ["is_warm", "mark", "use_cache"]


def mark(precision: Precision, of: Literal["complete", "degridding"] = "complete") -> Path:
    """Return the path of a file that is made beside the compiled functions when all of a precision are there.

    It is for this processor. `degridding` marks those that degrid, which workers do not need.
    """
    return cache_directory() / f"{of}-{precision}-{processor()}"


def is_warm(precisions: Iterable[Precision] = PRECISIONS) -> bool:
    """Return whether all kernels of this version are compiled, as far as files show."""
    return all(mark(precision).exists() for precision in precisions)
