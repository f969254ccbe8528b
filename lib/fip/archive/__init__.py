"""A directory of stored images: its ledger, and what is made of its images. Only the sink writes it.

As `fip.archive(DIR)` it is one such directory, opened to be read: see `fip.archive.opened`.
"""

import os
import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    """This room, which can be called: its name is also that of what `import fip` gives (docs/decisions/0164)."""

    def __call__(self, directory: str | os.PathLike[str]) -> Any:
        """Open a directory of images: see `fip.archive.opened.archive`."""
        from fip.archive.opened import archive

        return archive(directory)


sys.modules[__name__].__class__ = _Room
