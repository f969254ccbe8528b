"""The colour maps of the page, which are a file, so that the monitor need not import what made it."""

import json
from importlib import resources

import matplotlib
import numpy as np


def test_colour_maps_are_those_of_matplotlib() -> None:
    """Each of the 256 colours of each."""
    maps = json.loads(resources.files("fip.monitor").joinpath("assets", "colours.json").read_text())
    assert next(iter(maps)) == "inferno"  # what a page begins with, as movies and reports
    for name, colours in maps.items():
        assert colours == matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3].tobytes().hex()
