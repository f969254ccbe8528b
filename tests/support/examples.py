"""What stands in examples/, as modules: it is no package, and is not installed."""

import importlib.util
import sys
from types import ModuleType

from support.repository import ROOT


def example(path: str) -> ModuleType:
    """The module of a file, by its path below examples/."""
    file = ROOT / "examples" / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[file.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
