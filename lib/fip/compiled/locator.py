"""The place in which numba keeps what it compiles of FIP: by the content of the sources, not by their folder.

So an upgrade compiles only what it changes. numba gets the class by its name (`cache.use_cache`).
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba.core.caching import UserProvidedCacheLocator

import fip
from fip.compiled.cache import digest_of

PACKAGE = Path(fip.__file__).parent


class ByContent(UserProvidedCacheLocator):  # type: ignore[misc] # numba has no types
    """A folder for each content of a file, in the common one (`cache_directory`), whose name covers all else."""

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> "ByContent | None":
        """Return None for functions that are not FIP's own: numba keeps these in its own way."""
        mine = Path(py_file).is_relative_to(PACKAGE)
        located: ByContent | None = super().from_function(py_func, py_file) if mine else None
        return located

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """Return the name of the folder for a source file."""
        return _folder_of(Path(py_file))

    def get_source_stamp(self) -> str:
        """Return "": the name of the folder says all."""
        return ""


@lru_cache
def _folder_of(source: Path) -> str:
    return f"{source.stem}-{digest_of([source])}"
