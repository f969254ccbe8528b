"""The types of what `import fip` gives: see `__init__.py`, which imports each when it is first used."""

from fip.api.imaging import image as image
from fip.api.imaging import write as write
from fip.api.opening import open as open  # noqa: A004 it is fip.open
from fip.api.running import run as run
from fip.archive.opened import archive as archive
from fip.data.errors import FipError as FipError

__version__: str
