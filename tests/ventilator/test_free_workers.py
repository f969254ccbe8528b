"""Whom the next slice goes to: found without a look at all workers; there may be a thousand of them."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
import zmq

from fip.config import Security, Ventilator
from fip.data.settings import Asked
from fip.runtime.gate import Gate
from fip.runtime.service import Loop
from fip.runtime.vitals import Vitals
from fip.ventilator.fitting import fits
from fip.ventilator.lanes import Lanes
from fip.ventilator.loads import Loads
from support.fip_command import WITHIN
from support.told_states import worker

MANY = 100


class Office:
    """Lanes, and workers that have reached theirs or not."""

    def __init__(self, folder: Path) -> None:
        self.loop, self.loads = Loop(), Loads()
        self.config = Ventilator(lanes=f"ipc://{folder}/lane-", lane_depth=2)
        vitals = Vitals(self.loop, "ventilator", "head", "ventilator", ())
        self.lanes = Lanes(self.loop, self.config, Gate(self.loop, Security(), "ventilator", vitals), self.loads)
        self.opened = list[str]()
        self.workers = list[zmq.Socket[bytes]]()

    def joins(self, name: str, reaches: bool = True) -> str:
        """A worker says its state, and again when it knows its lane; its HOST/NAME."""
        said = replace(worker(name, 0), brief=replace(worker(name, 0).brief, lane="", holds=(), ages=(), working=None))
        said = replace(said, status=replace(said.status, latencies={}))
        peer = self.lanes.hear(b"route", said, 0.0)
        assert peer is not None
        if reaches:
            self.reach(peer.address)
            assert peer.lane.poll(WITHIN * 1000, zmq.POLLOUT)
        self.lanes.hear(b"route", replace(said, brief=replace(said.brief, lane=peer.address)), 1.0)
        return said.brief.identity

    def reach(self, address: str) -> None:
        """Somebody connects to a lane."""
        self.workers.append(self.loop.context.socket(zmq.PULL))
        self.workers[-1].connect(address)

    def idle(self) -> bool:
        """Whether a worker has nothing."""
        return self.lanes.idle

    def next(self) -> str | None:
        """Whom a slice would go to."""
        return self.lanes.free(Asked(), lambda: self.opened.append("open"))

    def send(self) -> str | None:
        """Send a slice to the next worker."""
        if found := self.next():
            self.loads.add(found, 1)
        return found


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Yield an office without workers."""
    logger = logging.getLogger("fip")
    before = list(logger.handlers)
    made = Office(tmp_path)
    yield made
    logger.handlers[:] = before
    for each in made.workers:
        each.close(0)
    made.loop.close()


def test_the_least_loaded_worker_that_has_credit_is_next(office: Office) -> None:
    """Each gets one before one gets two; then none has credit, until one has handed on."""
    names = {office.joins(f"cpu{number}") for number in range(3)}
    assert office.idle()
    assert {office.send() for _ in names} == names
    assert not office.idle()
    assert {office.send() for _ in names} == names
    assert office.send() is None
    office.loads.add("head/cpu1", -2)
    assert office.idle()
    assert [office.send() for _ in range(3)] == ["head/cpu1", "head/cpu1", None]
    office.lanes.reload(office.config.model_copy(update={"lane_depth": 3}))
    assert {office.send() for _ in names} == names


def test_who_hangs_leaves_or_is_gone_gets_nothing(office: Office) -> None:
    """It gets nothing until it is off the slice that it hung on."""
    name = office.joins("cpu0")
    peer = office.lanes.peers[name]
    at_work = replace(peer.state.brief, working=worker("cpu0", 0).brief.working)
    office.lanes.hear(b"route", at_work, 2.0)
    office.lanes.hangs(peer)
    assert office.next() is None
    office.lanes.hear(b"route", replace(at_work, working=None), 3.0)
    assert office.next() == name
    office.lanes.hear(b"route", replace(at_work, working=None, leaving=True), 4.0)
    assert office.next() is None
    assert office.joins("cpu1") == office.next()
    office.lanes.dismiss("head/cpu1")
    assert office.next() is None


def test_a_lane_that_is_not_reached_is_left_out_until_it_is(office: Office) -> None:
    """Whoever waits for it is called then, and others have their turn meanwhile."""
    first = office.joins("cpu0", reaches=False)
    assert office.next() is None
    second = office.joins("cpu1")
    assert office.next() == second
    office.reach(office.lanes.peers[first].address)
    while not office.opened:
        office.loop._turn()  # noqa: SLF001 one turn of it
    assert {office.send(), office.send()} == {first, second}


def test_a_slice_costs_no_look_at_all_workers(office: Office) -> None:
    """One of a hundred that are free, or busy, is looked at."""
    for number in range(MANY):
        office.joins(f"cpu{number}")
    with patch("fip.ventilator.lanes.fits", wraps=fits) as looked:
        assert len({office.send() for _ in range(MANY)}) == MANY
        assert looked.call_count == MANY
        assert all(office.send() for _ in range(MANY))
        assert office.send() is None
    assert looked.call_count == 2 * MANY
