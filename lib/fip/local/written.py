"""How recordings that are being written are read for a directory of images: in the order in which they arrived."""

import os
from pathlib import Path

from fip.data.arriving import Rules, Writing
from fip.source.pipe import Memory
from fip.source.requests import Held, RunFacts
from fip.ventilator.checkpoints import kept
from fip.ventilator.manifests import SUFFIX, manifest_name

ARRIVALS = "arrivals"
"""The folder of these orders, beside the images of `fip run`."""

_USUAL = Rules()


def as_written(directory: Path, path: Path, rules: Rules = _USUAL) -> tuple[Writing, Held]:
    """Return how a recording that is being written is read, and what is held of it: an empty order if none is kept."""
    name = manifest_name("", path)
    try:
        file = os.open(directory / ARRIVALS / f"{name}{SUFFIX}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return Writing(rules), Held(manifest=Memory(os.memfd_create("fip-manifest")))
    return Writing(rules, name), Held(kept(directory / ARRIVALS, name), Memory(file))


def as_found(directory: Path, path: Path, found: RunFacts) -> tuple[Writing | None, Held | None]:
    """Return the same for a recording that was looked at already; a whole one has nothing to hold."""
    return (None, None) if found.final else as_written(directory, path)
