"""Where numba keeps what it compiles of FIP: by what the sources are, not by where they stand.

So an upgrade compiles only what it changes. numba is told of the class by its name (`cache.use_cache`).
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
    """A folder for each content of a file, in that of all (`cache_directory`), which tells what else went into it."""

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> "ByContent | None":
        """None for functions that are not FIP's own: theirs are kept as numba does."""
        mine = Path(py_file).is_relative_to(PACKAGE)
        located: ByContent | None = super().from_function(py_func, py_file) if mine else None
        return located

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """The name of the folder."""
        return _folder_of(Path(py_file))

    def get_source_stamp(self) -> str:
        """Nothing more than the folder tells."""
        return ""


@lru_cache
def _folder_of(source: Path) -> str:
    return f"{source.stem}-{digest_of([source])}"
