"""A copy of FIP with the changes that a recipe of docs/extending shows as blocks of `diff`."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.repository import ROOT


class Patched:
    """The copy, and programs that run in it, with all daemons that they start."""

    def __init__(self, folder: Path, recipe: str) -> None:
        """Copy the packages and the configuration, and make the changes. AssertionError if one does not fit."""
        self.folder = folder
        shutil.copytree(ROOT / "lib", folder / "lib", ignore=shutil.ignore_patterns("__pycache__", "shipped"))
        shutil.copytree(ROOT / "daemons", folder / "lib" / "fip_daemons", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "config", folder / "config")
        text = (ROOT / "docs" / "extending" / f"{recipe}.md").read_text()
        blocks = re.findall(r"^```diff\n--- (\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        assert blocks, f"{recipe}.md shows no change"
        for name, change in blocks:
            _change(folder / name, change)

    def python(self, *words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Python in the folder of the copy, which is the FIP that it imports."""
        path = os.pathsep.join(map(str, (self.folder / "lib", ROOT / "tests")))
        done = subprocess.run(
            [sys.executable, *map(str, words)], cwd=self.folder, env=os.environ | {"PYTHONPATH": path},
            capture_output=True, text=True, check=False, timeout=100,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def fip(self, *words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command `fip` of the copy."""
        return self.python("-c", "from fip.cli import main; main()", *words, check=check)


def _change(path: Path, change: str) -> None:
    """Replace the lines of a change that stand there, " " and "-", by those that are to be, " " and "+"."""
    lines = change.splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] in kinds) for kinds in (" -", " +"))
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name} does not have this once:\n{old}"
    path.write_text(text.replace(old, new))
