"""FIP, the fast imaging pipeline. Read `fip.data` first: its types are the vocabulary of all the rest."""

from importlib.metadata import version

__version__ = version("fip")
