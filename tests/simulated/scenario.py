"""One seed: what there is, what goes wrong, and whether every promise held."""

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from fip.data.ranges import count
from simulated.cluster import Cluster
from simulated.faults import LAST, Fault, draw, plan
from simulated.process import SimBackground
from simulated.sky import MadeSet
from simulated.world import ViolationError, World

PATIENCE = 300.0  # s after the last fault, within which every job has ended
HANG = 25.0  # s that a worker which hangs takes to be killed and started again
STREAMS = 0.15  # of the scenarios have a stream
MOST_TURNS = 400_000
MANY, LONG, SHORT = frozenset(range(20, 360)), "for a long reason: " + 450 * "x", 1 << 17
"""Slices that fail, their reason, and the limit of messages of which their failures are more than one can hold."""


@dataclass(frozen=True)
class Scenario:
    """What a seed stands for."""

    seed: int
    workers: int
    sets: tuple[MadeSet, ...]
    config: dict[str, Any]
    faults: tuple[Fault, ...]
    limit: int = 1 << 20  # bytes of a message; with a smaller one, fewer slices make one too long
    readers: int = 1  # children that read
    falls_behind: bool = False  # whether workers are slower than data come
    behind: str = "newest"  # what is imaged first then
    may_leave: bool = True  # whether integrations of a stream may leave their ring before they are cut


@dataclass(frozen=True)
class Result:
    """What became of a scenario."""

    trace: str  # a digest of all that happened
    story: tuple[str, ...]
    violation: str  # "" if every promise held
    seconds: float  # of made time
    backlog: int = 0  # slices that were set aside


def scenario(seed: int) -> Scenario:
    """The scenario of a seed."""
    readers = random.Random(f"readers {seed}").choice((1, 1, 2, 3))
    falls_behind = random.Random(f"falls behind {seed}").random() < 0.2
    found = replace(_scenario(seed), readers=readers, falls_behind=falls_behind)
    chance = random.Random(f"streams {seed}")
    if chance.random() < STREAMS:
        every, stays = chance.choice((0.1, 0.25, 0.5)), chance.choice((3.0, 6.0, 30.0))
        found = replace(found, sets=(replace(found.sets[0], every=every, stays=stays), *found.sets[1:]))
    return found


def _scenario(seed: int) -> Scenario:
    chance = random.Random(f"scenario {seed}")
    sets = tuple(_made_set(chance, number) for number in range(chance.choice((1, 2, 2, 3))))
    config: dict[str, Any] = {
        "ventilator": {"read_ahead": chance.choice((1, 2, 4)), "lane_depth": chance.choice((1, 2, 4))}
    }
    if chance.random() < 0.4:
        config["sink"] = {"keep": chance.choice(("3s", "3s", "6s", "30kB", "1h"))}
    if chance.random() < 0.05:
        sets = (
            *sets[:1],
            replace(sets[0], path="/made/bad.ms", slices=400, unreadable=MANY, reason=LONG, damaged=False),
        )
        return Scenario(seed, chance.randint(1, 4), sets, config, tuple(draw(chance)), limit=SHORT)
    if chance.random() < 0.25:
        config["ventilator"]["pace"] = "16"  # two slices a second, so that there is always something under way
    faults = draw(chance)
    if chance.random() < 0.1:  # a ring of images on a host whose clock steps
        config["sink"], config["ventilator"]["pace"] = {"keep": "6s"}, "16"
        faults += [
            Fault(chance.uniform(4, LAST), "clock", target=10 * len(sets), much=chance.random()) for _ in range(2)
        ]
    return Scenario(seed, chance.randint(1, 4), sets, config, tuple(faults))


def _made_set(chance: random.Random, number: int) -> MadeSet:
    slices = chance.choice((1, 3, 8, 20, 40))

    def some() -> frozenset[int]:
        return frozenset(chance.sample(range(slices), k=min(slices, chance.choice((0, 0, 0, 1, 2)))))

    return MadeSet(
        f"/made/set{number}.ms", slices, damaged=chance.random() < 0.05, unreadable=some(), unimageable=some(),
        deadly=frozenset(chance.sample(range(slices), k=1)) if chance.random() < 0.05 else frozenset(),
        restless=chance.random() < 0.3,
    )  # fmt: skip


def play(what: Scenario) -> Result:
    """Play a scenario to its end."""
    world = World(what.seed)
    violation = ""
    with (
        world.clocks(),
        _quiet(),
        patch("fip.worker.worker.Background", SimBackground),
        patch("fip.ventilator.ring.Background", SimBackground),
        patch("fip.wire.codec.MAXIMUM_HEADER", what.limit),
        patch("fip.runtime.sockets.MAXIMUM_HEADER", what.limit),
    ):
        behind = {"behind": what.behind, "pace": "16"} if what.falls_behind else {}
        config = what.config | {"ventilator": what.config["ventilator"] | {"readers": what.readers} | behind}
        cluster = Cluster(world, what.workers, list(what.sets), config)
        cluster.may_leave = what.may_leave
        if what.falls_behind:
            cluster.slow_down()
        try:
            _play(world, cluster, what)
        except ViolationError as error:
            violation = str(error)
        finally:
            cluster.close()
    aside = sum(count(backlog) for backlog, _ in cluster.backlogs.values())
    return Result(world.trace, tuple(world.story), violation, world.now, aside)


def _play(world: World, cluster: Cluster, what: Scenario) -> None:
    cluster.start()
    for number, made in enumerate(what.sets):
        when = world.chance.uniform(0.5, 6.0)
        world.at(when, lambda number=number, made=made: cluster.operator.submit(f"job{number}", (made.path,)))  # type: ignore[misc]
    quiet = max(plan(cluster, list(what.faults)), 6.0)
    until = quiet + PATIENCE + HANG * sum(fault.kind == "hang" for fault in what.faults)

    def over() -> bool:
        cluster.check_transactions()
        if world.turns > MOST_TURNS:
            raise ViolationError(f"more than {MOST_TURNS} turns in {world.now:.0f} s: a loop spins")
        return world.now > quiet and cluster.operator.over

    world.run(until, over)
    cluster.check_end()


def shortened(what: Scenario) -> Scenario:
    """The scenario with as few faults and sets as still break a promise."""
    smaller = True
    while smaller:
        smaller = False
        for place in range(len(what.faults)):
            tried = replace(what, faults=(*what.faults[:place], *what.faults[place + 1 :]))
            if play(tried).violation:
                what, smaller = tried, True
                break
    for number in reversed(range(len(what.sets))):
        tried = replace(what, sets=(*what.sets[:number], *what.sets[number + 1 :]))
        if tried.sets and play(tried).violation:
            what = tried
    return what


@contextmanager
def _quiet() -> Iterator[None]:
    """Logs of the daemons are not kept: what matters is what they do."""
    logger = logging.getLogger("fip")
    before, handlers = logger.level, list(logger.handlers)
    logger.setLevel(logging.CRITICAL)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        logger.setLevel(before)
        logger.handlers[:] = handlers
