"""Whether the imaging kernels are compiled, on this machine and for this processor."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from fip.compiled.cache import cache_directory, processor, use_cache
from fip.imaging.slant.scheme import PRECISIONS, Precision

__all__ = ["is_warm", "mark", "use_cache"]


def mark(precision: Precision, of: Literal["complete", "degridding"] = "complete") -> Path:
    """A file beside the compiled functions, made when all of a precision are there, for this processor.

    `degridding` marks those that degrid, which workers do without.
    """
    return cache_directory() / f"{of}-{precision}-{processor()}"


def is_warm(precisions: Iterable[Precision] = PRECISIONS) -> bool:
    """Whether all kernels of this version are compiled, as far as files can tell."""
    return all(mark(precision).exists() for precision in precisions)
