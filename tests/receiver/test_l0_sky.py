"""A sky that MeerKAT's correlator saw, sent as L0: in the spool a source has its true place and brightness."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.corrections.gains.telstate_file import Solution, write_solution
from fip.data.errors import InputError
from fip.data.quality import quality
from fip.data.quantities import SPEED_OF_LIGHT, UNIX_EPOCH
from fip.receiver.meerkat.sending import Sender
from fip.receiver.meerkat.telstate import Telstate, observation_of
from fip.receiver.part import Part
from fip.source.sources import open_recording
from fip.source.spooled.uvw import antenna_uvw
from fip.spool.setup import Setup
from fip.spool.writing import SpoolWriter
from receiver.l0_support import Hearing
from receiver.test_telstate import FIRST, SYNC, telstate
from support.cut_slices import cut, notes

L, M, FLUX, CIRCULAR = 0.003, -0.002, 2.0, 0.5
POWER = np.array([10.0, 20.0, 40.0])  # that the noise of each antenna adds to its autocorrelations
SCALE = np.linspace(1, 2, 32).astype(np.float32)  # weights_channel


def correlated(setup: Setup, dump: int) -> NDArray[np.complex64]:
    """<e1 conj(e2)> of a source, [channel, product]: e turns by exp(+i omega t), the more so the nearer the antenna."""
    band, target = setup.bands[0], setup.targets[0]
    frequency = band.first + band.step * np.arange(band.channels)
    positions = np.array([each.position for each in setup.antennas])
    uvw = antenna_uvw(SYNC + FIRST + dump * setup.cadence, target.ra, target.dec, positions)
    nearer = uvw @ (L, M, np.sqrt(1 - L * L - M * M) - 1)
    e = np.exp(2j * np.pi * frequency[:, None] / SPEED_OF_LIGHT * nearer)  # [channel, antenna]
    hands = {"XX": FLUX, "YY": FLUX, "XY": 1j * CIRCULAR, "YX": -1j * CIRCULAR}
    samples = [
        hands[each.correlation] * e[:, each.antenna1] * e[:, each.antenna2].conj()
        + (POWER[each.antenna1] if each.antenna1 == each.antenna2 and each.correlation in ("XX", "YY") else 0)
        for each in setup.products
    ]
    return np.stack(samples, axis=1).astype(np.complex64)


def kept(parts: list[Part], setup: Setup, folder: Path) -> Path:
    """The parts in a spool."""
    writer = SpoolWriter(folder, setup, 1 << 30)
    for dump in sorted({each.dump for each in parts}):
        some = [each for each in parts if each.dump == dump]
        opened = writer.begin(dump, some[0].time, some[0].field)
        for part in some:
            opened.arrays["0.visibility"][part.channels] = part.visibility
            for name in ("flag", "weight", "scale"):
                opened.arrays[f"0.{name}"][part.channels] = getattr(part, name)
        writer.commit(opened, 1.0)
    writer.end()
    return writer.path


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a spool of two integrations."""
    observation = observation_of(Telstate(telstate(), "telstate"))
    setup, shape = observation.setup, observation.shape(1)
    with Hearing(observation, 1) as hearing:
        sender = Sender(shape, hearing.stream.addresses)
        cell = shape.channels, shape.products
        flag, weight = np.zeros(cell, np.uint8), np.full(cell, 200, np.uint8)
        flag[3] = 1 << 3  # no data came to ingest
        for dump in range(2):
            sender.send(dump, FIRST + dump * setup.cadence, correlated(setup, dump), flag, weight, SCALE)
        sender.stop()
        hearing.until_ended()
    return kept(hearing.listener.parts, setup, tmp_path_factory.mktemp("spools"))


def test_a_source_is_where_it_is_and_weights_are_those_of_its_noise(spool: Path) -> None:
    main = open_recording(spool)
    rows = main.rows(range(len(main)))
    first, second = rows.column("ANTENNA1"), rows.column("ANTENNA2")
    cross = first != second
    assert set(rows.column("TIME").tolist()) == {UNIX_EPOCH + SYNC + FIRST + dump * 2.0 for dump in range(2)}
    flagged = rows.column("FLAG")
    assert flagged[:, 3].all() and np.count_nonzero(flagged[:, :, 0]) == len(rows)

    frequency, names = main.window(0).frequency, main.window(0).correlations
    turn = rows.column("UVW") @ (L, M, np.sqrt(1 - L * L - M * M) - 1)
    phasor = np.exp(-2j * np.pi * turn[:, None] * frequency / SPEED_OF_LIGHT)[..., None]
    seen = (rows.column("DATA") * phasor)[cross]
    xx, xy, yx, yy = (seen[..., names.index(each)] for each in ("XX", "XY", "YX", "YY"))
    np.testing.assert_allclose((xx + yy) / 2, FLUX, atol=1e-4)
    np.testing.assert_allclose(-1j * (xy - yx) / 2, CIRCULAR, atol=1e-4)

    weights = rows.column("WEIGHT_SPECTRUM")
    whole = POWER + FLUX
    wanted = 200 * SCALE / (whole[first] * whole[second])[:, None]
    np.testing.assert_allclose(weights[..., names.index("XX")], wanted, rtol=0, atol=wanted.max() / 255)
    largest = wanted.max(axis=0)
    assert (np.abs(weights[..., names.index("XY")] - wanted) <= largest / 255).all()


def test_images_without_gains_say_so_and_with_gains_do_not(spool: Path) -> None:
    bare = cut(spool)[0]
    assert "uncalibrated" in quality(bare, None, None).split("+")
    assert "is not calibrated, and --gains was not given" in notes(spool)
    with pytest.raises(InputError, match=r"^--gains telstate: .*\.gains is not there: a receiver of"):
        cut(spool, gains=("telstate",))

    folder = spool.with_suffix(".gains")
    folder.mkdir()
    write_solution(Solution("G", SYNC, ("m000", "m001", "m062"), "hv", np.zeros(0), np.full((2, 3), 2 + 0j)), folder)
    os.utime(next(folder.iterdir()), (1e9, 1e9))
    corrected = cut(spool, gains=("telstate",))[0]
    assert "uncalibrated" not in quality(corrected, None, None).split("+")
    assert "is not calibrated" not in notes(spool, gains=("telstate",))
    weight = 4 * 4  # |g|^2 of both; and visibilities of blocks are times their weight
    np.testing.assert_allclose(corrected.sum_of_weights, bare.sum_of_weights * weight, rtol=1e-5)
    np.testing.assert_allclose(corrected.blocks[0].visibility, bare.blocks[0].visibility / 4 * weight, rtol=1e-5)
