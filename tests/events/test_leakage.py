"""Stokes V of sources whose leakage turns with the parallactic angle, and of one that is truly polarised."""

import json
import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from fip.data.settings import asked
from fip.sink.store import Store
from fip.wire.messages import RunPlan
from support.fip_command import fip
from support.noise_fields import gaussian, noise_fields
from support.stored_run import GRID, NOISE, RUN, stored_image

SIDE, BEAM, COUNT = 160, 3.0, 70
STEADY = ((40.3, 50.6, 0.0), (120.0, 45.5, 1.0))  # x, y, and the angle by which it leaks
BRIGHT, LEAKS, TURN = 1000.0, 0.03, 90.0  # S/N in Stokes I; share; slices of half a turn
FLARE, ON = (96.3, 108.8), range(40, 48)


def store(directory: Path) -> None:
    """Noise of 1 mJy/beam; sources of 1 Jy in I, of up to 30 mJy of either sign in V; a flare of S/N 20 in V alone."""
    sky = np.sum([np.float32(BRIGHT) * gaussian(SIDE, x, y, BEAM) for x, y, _ in STEADY], axis=0)
    noise = islice(noise_fields(SIDE, BEAM, 3), 2 * COUNT)
    made, grid = Store(directory), replace(GRID, width=SIDE, height=SIDE)
    made.open_run(RunPlan(RUN, "night", COUNT, "/data/night.ms", asked(stokes=("I", "V")), ""))
    for index in range(COUNT):
        planes = np.stack([next(noise) + sky, next(noise)])[:, np.newaxis]
        for x, y, angle in STEADY:
            share = LEAKS * math.cos(math.pi * index / TURN + angle)
            planes[1, 0] += np.float32(share * BRIGHT) * gaussian(SIDE, x, y, BEAM)
        if index in ON:
            planes[1, 0] -= np.float32(20 / math.sqrt(len(ON))) * gaussian(SIDE, *FLARE, BEAM)
        white = np.random.default_rng(index).normal(0.0, NOISE, planes.shape)  # which a stored image has
        made.put(stored_image(RUN, index, ("I", "V"), grid=grid, add=NOISE * planes.astype(float) - white))
    made.close()


def test_of_what_leaks_into_stokes_v_nothing_is_told_but_a_flare_is(tmp_path: Path) -> None:
    store(tmp_path)
    said = fip("detect", tmp_path, "--stokes", "I,V")
    assert said.returncode == 0, said.stderr
    found = json.loads(fip("events", tmp_path, "--json").stdout)
    (flare,) = [event for event in found if not event["labels"]]
    assert (flare["stokes"], flare["first"], flare["last"]) == ("V", ON[0], ON[-1])
    assert flare["flux"] < 0
    leaking = [event for event in found if "leakage" in event["labels"]]
    assert len(leaking) >= len(STEADY)
    assert {event["stokes"] for event in leaking} == {"V"}
