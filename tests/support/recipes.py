"""The recipes of docs/extending: the code that they show, and how what is installed beside FIP looks to it."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.repository import ROOT


def code_of(recipe: str) -> str:
    """The first block of Python of a recipe."""
    return _blocks(recipe, "python")[0]


def toml_of(recipe: str, begins: str) -> str:
    """The block of TOML of a recipe that begins so."""
    (found,) = (block for block in _blocks(recipe, "toml") if block.startswith(begins))
    return found


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str], entry_points: str = "") -> None:
    """Put files into Python's path, with what pip leaves of the entry points of a pyproject.toml."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    if entry_points:
        information = folder / "recipes-1.0.dist-info"
        information.mkdir(exist_ok=True)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: recipes\nVersion: 1.0\n")
        groups = tomllib.loads(entry_points)["project"]["entry-points"]
        lines = (
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in names.items())
            for group, names in groups.items()
        )
        (information / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))))


def _blocks(recipe: str, language: str) -> list[str]:
    text = (ROOT / "docs" / "extending" / f"{recipe}.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
