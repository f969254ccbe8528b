"""GCN's unified schema, as npm has it: fetched for a test, and for it alone."""

import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing

from fip.alerts.gcn import SCHEMA

PACKAGE = "@nasa-gcn/schema"
VERSION = SCHEMA.split("/schema/v")[1].split("/")[0]
PARTS = ("Alert", "Event", "Reporter", "DateTime", "Localization", "Statistics", "Spectral", "AdditionalInfo")
WAIT = 60  # s for the package at most


def packed(folder: Path) -> Path:
    """The folder of the package; skips the test if npm or the package is not to be had."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no schema of GCN: there is no npm")
    command = [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WAIT)
    except subprocess.TimeoutExpired:
        pytest.skip(f"no schema of GCN: npm did not give {PACKAGE} {VERSION} within {WAIT} s")
    if done.returncode:
        pytest.skip(f"no schema of GCN: npm does not give {PACKAGE} {VERSION}: {done.stderr.strip()[:200]}")
    with tarfile.open(folder / done.stdout.split()[-1]) as file:
        file.extractall(folder, filter="data")
    return folder / "package"


def validator(package: Path) -> Callable[[Any], list[str]]:
    """What says what of a message is not by the schema: a word of none of `PARTS` is wrong, too."""
    known = {}
    for path in package.rglob("*.schema.json"):
        content = json.loads(path.read_text())
        known[content["$id"]] = referencing.Resource.from_contents(content)
    registry = referencing.Registry().with_resources(known.items())
    core = SCHEMA.rpartition("/")[0]
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [{"$ref": f"{core}/{part}.schema.json"} for part in PARTS],
        "properties": {"$schema": {"enum": sorted(known)}},
        "required": ["$schema"],
        "unevaluatedProperties": False,
    }
    checked = jsonschema.Draft202012Validator(whole, registry=registry)
    return lambda message: [error.message for error in checked.iter_errors(message)]
