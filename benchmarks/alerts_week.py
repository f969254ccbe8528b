"""A week of alerts, accelerated: what is sent, of what was there.

    OMP_NUM_THREADS=1 python -m benchmarks.alerts_week [--days D] [--seed N] [--folder DIR]

An image in two minutes, 48 x 48 of noise, is stored, searched, and sent by the detector's own parts: course, publisher,
reporter, outbox and carrier, to a server on this host; the clock is that of the images. In a week there are 30 real
transients of S/N 5.5 to 16, 1 to 16 slices long; a train of 8 satellites that cross the image one after the other; a
storm of 10 minutes, with 6 to 12 sources in each slice; and an hour whose gains are wrong: its images say so
(`calibration`), and are full of sources that come and go.
Somebody releases each hold when it is 2 hours old, and calls those events real that are.

Exits with 0 if what was sent are the real ones that the search found, and one false one at most, and the storm and the
bad hour were held with one summary each.
"""

import argparse
import math
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import fip.events.folder
from fip.alerts.outbox import Outbox
from fip.alerts.policy import STANDS
from fip.alerts.sender import Carrier
from fip.alerts.taking_back import heed
from fip.config import AlertTarget
from fip.events.listing import listed
from support.alerting_night import SIDE, AlertingNight, Source
from support.stored_run import START
from support.webhook import Webhook

CADENCE = 120.0  # s
A_DAY, STORM, BAD = round(86400 / CADENCE), round(600 / CADENCE), round(3600 / CADENCE)  # slices
REAL, SATELLITES = 30, 8
Event = dict[str, Any]

RELEASED_AFTER = 7200.0  # s
NEAR = 3.0  # pixels
BATCH = 4  # images that are stored before they are looked at


class Week:
    """What is in the sky, and when."""

    def __init__(self, days: float, seed: int) -> None:
        self.seed, chance = seed, np.random.default_rng(seed)
        self.slices = round(days * A_DAY)
        self.storm, self.bad, self.train = (round(self.slices * share) for share in (0.25, 0.5, 0.75))
        quiet = [index for index in range(100, self.slices - 100) if not self._busy(index)]
        self.real: list[Source] = []
        for begin in sorted(chance.choice(quiet, round(REAL * days / 7), replace=False)):
            width = int(2 ** chance.uniform(0, 4))
            x, y = chance.uniform(8, SIDE - 8, 2)
            snr = chance.uniform(5.5, 16.0) / math.sqrt(width)
            self.real.append((float(x), float(y), int(begin), width, float(snr)))
        self.others: list[Source] = []
        for number in range(SATELLITES):
            begin, y = self.train + 2 * number, 10 + 0.5 * number
            self.others += [(4.0 + 4 * step, y + 0.7 * step, begin + step, 1, 14.0) for step in range(10)]
        for index in range(self.storm, self.storm + STORM):
            for _ in range(chance.integers(6, 13)):
                x, y = chance.uniform(3, SIDE - 3, 2)
                self.others.append((float(x), float(y), index, 1, float(chance.uniform(8, 30))))
        for index in range(self.bad, self.bad + BAD):
            for _ in range(chance.integers(1, 4)):
                x, y = chance.uniform(3, SIDE - 3, 2)
                snr = float(chance.choice((-1, 1)) * chance.uniform(5, 12))
                self.others.append((float(x), float(y), index, int(chance.integers(1, 5)), snr))

    def _busy(self, index: int) -> bool:
        """Whether something else is on near that time, that would be held with a transient."""
        about = RELEASED_AFTER / CADENCE + BAD
        return any(each - about < index < each + about for each in (self.storm, self.bad, self.train))

    @property
    def trouble(self) -> list[tuple[float, float]]:
        """When something is due to be held that began in the storm, and in the bad hour; s UTC since MJD 0."""
        spans = ((self.storm, STORM), (self.bad, BAD))
        return [(START + CADENCE * begin, START + CADENCE * (begin + length + STANDS)) for begin, length in spans]

    def is_bad(self, index: int) -> bool:
        """Whether the gains of a slice are wrong."""
        return self.bad <= index < self.bad + BAD

    def truth(self, event: Event) -> Source | None:
        """The real transient that an event is of."""
        for each in self.real:
            x, y, first, width, _ = each
            if (
                math.hypot(event["x"] - x, event["y"] - y) < NEAR
                and event["first"] <= first + width + 2
                and event["last"] >= first - 2
            ):
                return each
        return None


def main() -> None:
    """Run a week, and say what was sent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where images go meanwhile: best a RAM disk")
    given = parser.parse_args()
    fip.events.folder._picture = lambda *of: b""  # noqa: SLF001 nobody looks at them
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        sys.exit(0 if run(Path(folder) / "images", Week(given.days, given.seed), Console(width=160)) else 1)


def run(directory: Path, week: Week, console: Console) -> bool:
    """A week; whether all is as it should be."""
    begun, cpu = time.monotonic(), time.process_time()
    with ExitStack() as stack:
        webhook = stack.enter_context(Webhook())
        targets = {"hub": AlertTarget(url=webhook.url, per_hour=60)}
        made = AlertingNight(directory, week.slices, targets, cadence=CADENCE, seed=week.seed)
        night = stack.enter_context(closing(made))
        carrier = stack.enter_context(closing(Carrier("hub", targets["hub"], lambda: night.clock)))
        box = stack.enter_context(closing(Outbox(night.folder)))
        sources = sorted(week.real + week.others, key=lambda each: each[2])
        held: list[str] = []
        for index in range(week.slices):
            while sources and sources[0][2] <= index:
                night.sources.append(sources.pop(0))
            night.sources = [each for each in night.sources if each[2] + each[3] > index]
            look = index % BATCH == BATCH - 1 or index == week.slices - 1
            night.image(index, "calibration" if week.is_bad(index) else "good", look)
            if not look:
                continue
            while carrier.carry([night.folder]) == 0:
                pass
            hold = box.hold()
            if hold and hold.name not in held:
                held.append(hold.name)
                console.print(f"slice {index}: {hold.name}: {hold.reason}", highlight=False)
            if hold and night.clock - hold.since > RELEASED_AFTER:
                box.release(hold.name, night.clock)
                real = {each["id"]: "real" for each in known(directory) if week.truth(each)}
                heed(box, real, night.clock)
        while carrier.carry([night.folder]) == 0:
            pass
        found, taken_back = known(directory), {each.event for each in box.deliveries() if each.kind == "retraction"}
        holds = [each.since for each in box.holds()]
    took = f"{time.monotonic() - begun:.0f} s, {time.process_time() - cpu:.0f} s of CPU"
    return summed_up(week, found, webhook, (len(taken_back), holds), console, took)


def known(directory: Path) -> list[Event]:
    """The events that the search has found, with their pixels."""
    from fip.events.shown import searched

    assert listed([directory]) is not None
    found = searched(directory)
    return list(found.events) if found else []


def summed_up(
    week: Week, found: list[Event], webhook: Webhook, entered: tuple[int, list[float]], console: Console, took: str
) -> bool:
    """Say what was sent, of what was there."""
    taken_back, holds = entered
    events = {each["id"]: each for each in found}
    kinds = Counter(each.told.get("alert_type", "summary") for each in webhook.posts)
    sent = {each.id.rpartition(".")[0] for each in webhook.posts if each.told.get("alert_type") == "initial"}
    right = {week.truth(events[each]): each for each in sent if each in events and week.truth(events[each])}
    false = sent - set(right.values())
    passed = {week.truth(each): each for each in found if week.truth(each)}
    told = {of for of, each in passed.items() if not each["labels"]}
    console.print(f"{week.slices} slices, {len(week.real)} real transients, of which {len(passed)} pass the threshold")
    console.print(f"of these {len(told)} have no label; {len(right)} were sent; sent and not real: {sorted(false)}")
    for of, each in passed.items():
        if of not in right:
            console.print(f"  not sent: {each['id']}, S/N {each['snr']:.1f}, labels {each['labels']}")
    console.print(f"messages: {dict(kinds)}; taken back: {taken_back}; holds: {len(holds)}")
    console.print(took)
    once = all(sum(begin <= each < end for each in holds) == 1 for begin, end in week.trouble)
    return set(right) >= told and len(false) <= 1 and once and kinds["summary"] == len(holds)


if __name__ == "__main__":
    main()
