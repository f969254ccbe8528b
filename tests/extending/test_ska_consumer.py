"""examples/ska_consumer: what a stub of SKA's receiver hands over is in a spool."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.data.errors import FipError
from fip.spool.layout import ENDED_FILE
from fip.spool.reading import Spool
from support.examples import example

ska = example("ska_consumer/fip_ska_consumer.py")

CHANNELS, BASELINES, HANDS = 4, 6, 4
CADENCE = 2.0  # s
FIRST = 60000.25 * 86400  # s, MJD


@dataclass
class Payload:
    """The payload as the receiver makes it."""

    mjd_time: float
    channel_id: int
    channel_count: int
    visibilities: NDArray[np.complex64]


class Model:
    """The model as the receiver has it: three antennas."""

    num_channels, num_pols, num_baselines = CHANNELS, HANDS, BASELINES
    freq_start_hz, freq_inc_hz = 1.0e8, 1.0e6
    phase_centre_radec_rad = (1.0, -0.5)

    def get_antennas(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the antennas by name."""
        places = ((10.0, 0.0, 0.0), (0.0, 20.0, 0.0), (0.0, 0.0, 30.0))
        return {
            f"s{number}": {"name": f"s{number}", "x": x, "y": y, "z": z, "dish_diameter": 38.0}
            for number, (x, y, z) in enumerate(places)
        }


def values(integration: int, first: int, count: int) -> NDArray[np.complex64]:
    """Return values [channel, baseline, hand], no two of them the same."""
    numbers = np.arange(count * BASELINES * HANDS).reshape(count, BASELINES, HANDS) + 1000 * integration + 100 * first
    return (numbers * (1 + 0.5j)).astype(np.complex64)


def payload(integration: int, first: int, count: int = 2) -> Payload:
    """Some channels of an integration."""
    return Payload(FIRST + CADENCE * integration, first, count, values(integration, first, count))


def consumed(folder: Path, *payloads: Payload) -> Any:
    """A consumer that got them and was stopped."""
    reception = {"fip_spool": str(folder), "fip_cadence": str(CADENCE), "fip_name": "eb 1"}
    consumer = ska.consumer({"reception": reception}, Model())

    async def receive() -> None:
        for each in payloads:
            await consumer.consume(each)

    asyncio.run(receive())
    consumer.stop()
    return consumer


def test_payloads_are_integrations_of_a_spool(tmp_path: Path) -> None:
    """Whole ones in order, even if they come mixed; one whose parts never all came has NaN; the last is not lost."""
    order = [(0, 0), (1, 2), (0, 2), (1, 0), (2, 0), (3, 0), (3, 2), (4, 2), (4, 0), (5, 2)]
    consumer = consumed(tmp_path, *(payload(*each) for each in order), payload(2, 2))
    assert (consumer.path / ENDED_FILE).exists()
    assert consumer.spooling.late == 1  # of the third, which was closed by the fifth
    spool = Spool(consumer.path)
    dumps = spool.records["dump"]
    assert (np.diff(dumps) == 1).all()
    np.testing.assert_allclose(spool.records["received"], [1, 1, 0.5, 1, 1, 0.5])
    np.testing.assert_allclose(np.diff(spool.records["time"]), CADENCE, atol=1e-6)
    assert spool.records["time"][0] == pytest.approx(FIRST - 40587 * 86400)
    for integration, firsts in ((0, (0, 2)), (1, (0, 2)), (2, (0,)), (5, (2,))):
        seen = spool.integration(integration)["0.visibility"]
        expected = np.full((CHANNELS, BASELINES * HANDS), complex(np.nan, np.nan), np.complex64)
        for first in firsts:
            expected[first : first + 2] = values(integration, first, 2).reshape(2, -1)
        np.testing.assert_array_equal(seen, expected)


def test_the_set_up_is_the_models(tmp_path: Path) -> None:
    """Products by baseline, of each the hands; positions, channels and the phase centre."""
    setup = ska.setup_of(Model(), CADENCE, "eb 1")
    assert setup.name == "eb_1"
    assert [tuple(each) for each in setup.products[:5]] == [
        (0, 0, "XX"), (0, 0, "XY"), (0, 0, "YX"), (0, 0, "YY"), (0, 1, "XX")
    ]  # fmt: skip
    assert setup.products[-1] == (2, 2, "YY")
    assert setup.antennas[1].position == (0.0, 20.0, 0.0)
    assert (setup.bands[0].first, setup.bands[0].step, setup.bands[0].channels) == (1e8, 1e6, CHANNELS)
    assert (setup.targets[0].ra, setup.targets[0].dec) == (1.0, -0.5)


def test_what_does_not_fit_is_counted_and_costs_nothing_else(tmp_path: Path) -> None:
    """Channels that there are not, another shape, a time that is none."""
    wrong = [payload(0, 3), Payload(FIRST, 0, 2, values(0, 0, 1)), Payload(float("nan"), 0, 2, values(0, 0, 2))]
    consumer = consumed(tmp_path, *wrong, payload(0, 0), payload(0, 2))
    assert consumer.spooling.refused == 3
    assert Spool(consumer.path).records["received"].tolist() == [1.0]


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    """A receiver that is started again appends, and what was stored before is late."""
    consumed(tmp_path, payload(0, 0), payload(0, 2))
    consumer = consumed(tmp_path, payload(0, 0), payload(1, 0), payload(1, 2))
    assert consumer.spooling.late == 1
    assert len(Spool(consumer.path).records) == 2


def test_what_cannot_be_is_refused_in_a_line(tmp_path: Path) -> None:
    """A configuration without a spool, and baselines of other antennas."""
    with pytest.raises(FipError, match="fip_spool"):
        ska.consumer({"reception": {}}, Model())
    model = Model()
    model.num_baselines = 5
    with pytest.raises(FipError, match="5 baselines of 3 antennas: 6 were expected"):
        ska.setup_of(model, CADENCE, "eb 1")
