"""A simulated observation that is streamed: the samples of the set that would be written, and no others."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore import tables

from fip.data.quantities import ARCSEC, UNIX_EPOCH
from fip.imaging.kernels import make_kernel
from fip.simulation.observation import simulate
from fip.simulation.observed import Observed
from fip.simulation.plan import Simulation
from fip.simulation.streamed import arrays_of, dump_of, setup_of, time_of
from fip.spool.layout import sections
from fip.spool.setup import SETUP
from support import cut_slices, spools
from support.synthetic import image_slice

OBSERVED = Simulation(antennas=7, channels=10, integrations=2, autocorrelations=True, interference=0.05, cadence=2.0)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the set of OBSERVED."""
    path = tmp_path_factory.mktemp("streamed") / "observed.ms"
    simulate(path, OBSERVED)
    return path


@pytest.mark.parametrize("integration", [0, 1])
def test_a_stream_has_the_samples_of_the_set(written: Path, integration: int) -> None:
    """Sample for sample: visibilities, flags, weights, UVW, times, and which antennas they are of."""
    observed = Observed(OBSERVED)
    found, setup, rows = arrays_of(observed, integration), setup_of(observed), 28
    with tables.table(str(written), ack=False) as table:
        column = {
            name: table.getcol(name, integration * rows, rows)
            for name in ("DATA", "FLAG", "WEIGHT", "UVW", "TIME", "ANTENNA1", "ANTENNA2")
        }
    assert {name: (each.dtype, each.shape) for name, each in found.items()} == {
        name: (each.dtype, each.shape) for name, each in sections(setup).items()
    }
    assert np.array_equal(found["0.visibility"].reshape(10, rows, 4).swapaxes(0, 1), column["DATA"])
    assert np.array_equal(found["0.flag"].reshape(10, rows, 4).swapaxes(0, 1) != 0, column["FLAG"])
    weight = (found["0.weight"] * found["0.scale"][:, None]).reshape(10, rows, 4).swapaxes(0, 1)
    assert np.array_equal(weight, np.broadcast_to(column["WEIGHT"][:, None], weight.shape))
    assert np.array_equal(found["uvw"], column["UVW"])
    assert column["TIME"].tolist() == [time_of(OBSERVED, integration) + UNIX_EPOCH] * rows
    pairs = [(each.antenna1, each.antenna2) for each in setup.products[::4]]
    assert pairs == list(zip(column["ANTENNA1"].tolist(), column["ANTENNA2"].tolist(), strict=True))


def test_the_set_up_says_what_the_subtables_say(written: Path) -> None:
    """Channels, antennas and the field; and it is one that can be read back."""
    setup = setup_of(Observed(OBSERVED))
    assert SETUP.validate_json(SETUP.dump_json(setup)) == setup
    (band,), (target,) = setup.bands, setup.targets
    with tables.table(f"{written}/SPECTRAL_WINDOW", ack=False) as window:
        assert np.array_equal(band.first + band.step * np.arange(band.channels), window.getcell("CHAN_FREQ", 0))
    with tables.table(f"{written}/ANTENNA", ack=False) as antennas:
        assert np.array_equal([each.position for each in setup.antennas], antennas.getcol("POSITION"))
        assert [each.name for each in setup.antennas] == antennas.getcol("NAME")
    with tables.table(f"{written}/FIELD", ack=False) as field:
        assert field.getcol("PHASE_DIR").ravel().tolist() == [target.ra, target.dec]


def test_the_set_up_is_the_same_whenever_the_observation_is() -> None:
    """A receiver can be started with it before the stream is."""
    other = Simulation(**{**vars(OBSERVED), "start": "2026-03-01T21:00:00", "integrations": 9})
    assert setup_of(Observed(other)).digest == setup_of(Observed(OBSERVED)).digest


def test_images_of_the_stream_are_those_of_the_set(written: Path, tmp_path: Path) -> None:
    """Sample for sample, and pixel for pixel."""
    observed = Observed(OBSERVED)
    writing = spools.writer(tmp_path, setup_of(observed))
    for integration in range(OBSERVED.integrations):
        opened = writing.begin(integration, time_of(OBSERVED, integration), 0)
        for name, values in arrays_of(observed, integration).items():
            np.copyto(np.asarray(opened.arrays[name]), values)
        writing.commit(opened, 1.0)
    writing.end()
    writing.close()
    asked: dict[str, Any] = {"size": (64, 64), "scale": 40 * ARCSEC, "stokes": "IV"}
    pairs = list(zip(cut_slices.cut(written, **asked), cut_slices.cut(writing.path, **asked), strict=True))
    assert len(pairs) == OBSERVED.integrations
    for of_set, of_stream in pairs:
        cut_slices.assert_same_samples(of_set, of_stream)
        one, other = (image_slice(each, make_kernel(each.settings, each.grid)) for each in (of_set, of_stream))
        assert np.array_equal(one.pixels, other.pixels)
        assert of_set.times == of_stream.times


@pytest.mark.parametrize("cadence", [0.3, 0.5, 1.0])
def test_what_is_sent_later_goes_on_counting(cadence: float) -> None:
    """The number of an integration says when it was: none is used twice, whoever sends."""
    sent = replace(OBSERVED, cadence=cadence, integrations=50)
    numbers = [dump_of(sent, each) for each in range(50)]
    assert numbers == list(range(numbers[0], numbers[0] + 50))
    later = replace(sent, start="2026-03-01T20:01:00")
    assert abs(dump_of(later, 0) - numbers[0] - 60 / cadence) <= 1
    assert dump_of(later, 0) > numbers[-1]
