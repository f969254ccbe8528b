"""Streams: what a receiver costs, how soon images are on disk, and what becomes of each integration. Each runs alone.

    python -m benchmarks.streams cpu [--seconds 600] [--antennas 64] [--channels 1024] [--cadence 2]
    python -m benchmarks.streams latency [--seconds 60] [--rounds 3] [--detect] [--channels 64] [--cadence 0.5]
    python -m benchmarks.streams loss [--seconds 20] [--loss 1e-5 1e-4 1e-3 1e-2] [--swaps 0 0.01]
    python -m benchmarks.streams kills [--seconds 600] [--every 5] [--seed 1]
    python -m benchmarks.streams stopped [--seconds 2400] [--away 1800]
    python -m benchmarks.streams ring [--seconds 60] [--integrations 20]
    common: [--workers 1] [--scratch DIR] [--spool DIR] [--size PIXELS]

A sender process of its own (`benchmarks.stream_sender`) sends FIP's own stream over loopback; receiver, ventilator,
sink and workers are those that systemd starts. It uses what tests use: `pip install -e '.[dev]'` first. It ends with
exit code 1 if an integration that was received has neither an image nor a named failure, or a file was written twice.
"""

import argparse
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.soak import Watch
from benchmarks.stream_pipeline import Pipeline, sent_in, setup_of

FIRST = 5  # integrations that are not counted: the run is settled by them
WARM = 5.0  # s from the first image on that are not counted: what waited for it is imaged
TICK = 0.2  # s between looks
KINDS = 16  # integrations of different noise: a detector has something to measure


def opened(given: argparse.Namespace, stack: ExitStack, name: str, **options: object) -> Pipeline:
    """A pipeline that runs and follows its spool."""
    setup = setup_of(given.antennas, given.channels, given.cadence, name)
    folder, spool = given.scratch / name, given.spool / name if given.spool else None
    pipeline = stack.enter_context(Pipeline(folder, setup, given.workers, spools=spool, **options))  # type: ignore[arg-type]
    pipeline.follow(*(("--size", given.size) if given.size else ()))
    return pipeline


def account(pipeline: Pipeline, watch: Watch, dumps: int) -> bool:
    """Say what became of what was sent; return whether every integration in the spool has one image or failure."""
    watch()
    records, failures = pipeline.index(), pipeline.failures()
    numbers = set(range(len(records)))
    images = {int(each.rpartition("-t")[2].partition("-")[0]) for each in watch.first}
    gone = sorted(set(range(dumps)) - set(records["dump"].tolist()))
    print(
        f"sent {dumps}, received {len(records)}, FITS {len(images)}, failed {len(failures)}, "
        f"written twice {len(watch.rewritten())}; not received {len(gone)}: {gone[:30]}"
    )
    reasons = Counter(re.sub("[0-9.]+", "N", each.rpartition(": ")[2]) for each in failures.values())
    for reason, count in reasons.items():
        print(f"  failed {count}: {reason}")
    lost = sorted(numbers - images - failures.keys())
    if lost:
        print(f"  neither an image nor a failure: {lost[:30]}")
    return not lost and not watch.rewritten() and images <= numbers and bool((np.diff(records["dump"]) > 0).all())


def finish(pipeline: Pipeline, watch: Watch, dumps: int) -> bool:
    """Wait for the end of the run, and say what became of all."""
    pipeline.until(lambda: pipeline.ended, "end of the stream")
    pipeline.finish()
    return account(pipeline, watch, dumps)


def cpu(given: argparse.Namespace, stack: ExitStack) -> bool:
    """CPU seconds an integration of the receiver and of the reading child."""
    dumps = max(FIRST + 1, round(given.seconds / given.cadence))
    pipeline = opened(given, stack, "cpu")
    watch = Watch(pipeline.directory)
    with pipeline.sending(dumps):
        pipeline.until(lambda: pipeline.stored() >= FIRST, "images")
        before, first = pipeline.cpu(), len(pipeline.index())
        pipeline.until(lambda: pipeline.ended, "end", within=given.seconds * 2 + 600)
    pipeline.until(lambda: pipeline.stored() >= len(pipeline.index()), "images")
    after, count = pipeline.cpu(), len(pipeline.index()) - first
    print(
        f"CPU an integration: receiver {(after.receiver - before.receiver) / count:.3f} s, "
        f"reading child {(after.reader - before.reader) / count:.3f} s, over {count}"
    )
    return finish(pipeline, watch, dumps)


def latency(given: argparse.Namespace, stack: ExitStack) -> bool:
    """Measure from the last packet to the durable FITS, and to what the detector finds in it; each of some rounds."""
    dumps, whole = round((WARM + 30 + given.seconds) / given.cadence), True
    for number in range(given.rounds):
        with ExitStack() as round_:
            pipeline = opened(given, round_, f"latency{number}", detects=given.detect)
            watch = Watch(pipeline.directory)
            with pipeline.sending(dumps, "--kinds", KINDS) as log:
                pass
            whole &= finish(pipeline, watch, dumps)
            taken = {"durable FITS": pipeline.latencies(log, WARM)}
            if given.detect:
                pipeline.all_decided()
                taken["the detector's table"] = pipeline.decisions(log)
        for what, found in taken.items():
            p50, p90, p99 = np.quantile(found, [0.5, 0.9, 0.99])
            print(
                f"last packet to {what}, {len(found)}: p50 {p50:.3f}, p90 {p90:.3f}, p99 {p99:.3f}, "
                f"most {found.max():.3f} s", flush=True,
            )  # fmt: skip
    return whole


def loss(given: argparse.Namespace, stack: ExitStack) -> bool:
    """Packets that are lost, or change places: what share of the samples is lost, and whether images show it."""
    dumps, whole = round(given.seconds / given.cadence), True
    for number, (share, swaps) in enumerate(product(given.loss, given.swaps)):
        with ExitStack() as round_:
            pipeline = opened(given, round_, f"loss{number}")
            watch = Watch(pipeline.directory)
            with pipeline.sending(dumps, "--loss", share, "--swaps", swaps, "--seed", given.seed) as log:
                pass
            whole &= finish(pipeline, watch, dumps)
            sent, records = sent_in(log), pipeline.index()
            told = pipeline.completeness()
        packets = sum(each.lost for each in sent) / sum(each.packets for each in sent)
        truth = {each.dump: 1 - each.share for each in sent}
        samples = 1 - records["received"].mean()
        apart = max((abs(told[at] - truth[int(dump)]) for at, dump in enumerate(records["dump"])), default=0.0)
        print(
            f"loss {share:g}, swaps {swaps:g}: packets lost {packets:.6f}, samples lost {samples:.6f}, "
            f"FIPCOMPL from the truth {apart:.6f} at the most", flush=True,
        )  # fmt: skip
        whole &= samples <= 1.2 * packets + 1e-6 and apart <= 1e-3 and (len(records) == dumps or share >= 0.01)
    return whole


def kills(given: argparse.Namespace, stack: ExitStack) -> bool:
    """One daemon, drawn at random, is killed and started again every few seconds."""
    dumps, chosen = round(given.seconds / given.cadence), random.Random(given.seed)
    pipeline = opened(given, stack, "kills")
    watch, killed, due = Watch(pipeline.directory), Counter[str](), time.monotonic() + 2 * given.every
    names = [*pipeline.names, "reader"]
    with pipeline.sending(dumps, "--ends", 100) as log:
        while not log.exists() or len(log.read_text().splitlines()) < dumps:
            watch()
            if time.monotonic() > due:
                name = chosen.choice(names)
                if name == "reader":
                    pipeline.kill_readers()
                else:
                    pipeline.kill(name)
                    pipeline.start(name)
                killed[name] += 1
                due += given.every
            time.sleep(TICK)
    print("killed:", ", ".join(f"{name} {count}" for name, count in sorted(killed.items())))
    whole = finish(pipeline, watch, dumps)
    counted, records = pipeline.counted(), pipeline.index()
    missing, between = dumps - len(records), int(records["dump"][-1] - records["dump"][0]) + 1
    print(
        f"not received {missing} for {killed['receiver']} kills of the receiver; counted {counted.received} received, "
        f"{counted.lost} lost, {counted.dropped} dropped, of {between} from the first to the last"
    )
    right = counted.received + counted.lost + counted.dropped == between and counted.received == len(records)
    return whole and right and missing <= 2 * killed["receiver"]


def stopped(given: argparse.Namespace, stack: ExitStack) -> bool:
    """Workers are stopped for a time; the lag rises, and falls again."""
    dumps = round(given.seconds / given.cadence)
    pipeline = opened(given, stack, "stopped", integrations=max(200, dumps))
    watch = Watch(pipeline.directory)
    workers = [name for name in pipeline.names if name.startswith("cpu")]
    with pipeline.sending(dumps):
        pipeline.until(lambda: pipeline.stored() >= FIRST, "images")
        for name in workers:
            pipeline.kill(name, signal.SIGTERM)
        before = pipeline.stored()
        _told(pipeline, given.away)
        print(f"images while workers were away: {pipeline.stored() - before}")
        for name in workers:
            pipeline.daemons[name].wait()
            pipeline.start(name)
        _told(pipeline, min(given.away, 30.0))
    return finish(pipeline, watch, dumps)


def _told(pipeline: Pipeline, seconds: float, times: int = 6) -> None:
    """Print the lag some times."""
    for _ in range(times):
        time.sleep(seconds / times)
        runs = pipeline.job_now(pipeline.followed).runs
        lag = runs[0].lag if runs else None
        said = "none" if lag is None else f"{lag:.1f} s"
        print(f"  lag {said}, stored {pipeline.stored()} of {len(pipeline.index())}", flush=True)


def ring(given: argparse.Namespace, stack: ExitStack) -> bool:
    """A short ring, and no worker until it has gone round: what left it is a failure each, with its reason."""
    dumps = round(given.seconds / given.cadence)
    pipeline = opened(given, stack, "ring", integrations=given.integrations, ventilator=given.ventilator)
    watch = Watch(pipeline.directory)
    workers = [name for name in pipeline.names if name.startswith("cpu")]
    for name in workers:
        pipeline.kill(name)
    with pipeline.sending(dumps):
        pipeline.until(lambda: len(pipeline.index()) >= min(dumps, 2 * given.integrations), "integrations")
        for name in workers:
            pipeline.start(name)
    whole = finish(pipeline, watch, dumps)
    for number, reason in sorted(pipeline.failures().items())[:3]:
        print(f"  slice {number}: {reason}")
    return whole


TRIALS: Mapping[str, Callable[[argparse.Namespace, ExitStack], bool]] = {
    "cpu": cpu, "latency": latency, "loss": loss, "kills": kills, "stopped": stopped, "ring": ring,
}  # fmt: skip
DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "cpu": {"seconds": 600.0, "channels": 1024, "cadence": 2.0},
    "kills": {"seconds": 600.0, "cadence": 2.0},
    "stopped": {"seconds": 2400.0, "cadence": 2.0},
}


def parsed() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n\n")[0], epilog=__doc__.partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("trial", choices=TRIALS)
    parser.add_argument("--seconds", type=float, default=60.0, help="for which is sent")
    parser.add_argument("--antennas", type=int, default=64)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--cadence", type=float, default=0.5, help="s")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--size", type=int, default=0, help="pixels of an image's side  [default: FIP's own]")
    parser.add_argument("--scratch", type=Path, help="[default: a new folder, removed in the end]")
    parser.add_argument("--spool", type=Path, help="folder of spools, as one on /dev/shm  [default: in the scratch]")
    parser.add_argument("--detect", action="store_true", help="search the images of latency for transients")
    parser.add_argument("--rounds", type=int, default=3, help="of latency")
    parser.add_argument("--loss", type=float, nargs="+", default=[1e-5, 1e-4, 1e-3, 1e-2], help="shares of packets")
    parser.add_argument("--swaps", type=float, nargs="+", default=[0.0, 0.01], help="shares of packets")
    parser.add_argument("--every", type=float, default=5.0, help="s between kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--away", type=float, default=1800.0, help="s without workers")
    parser.add_argument("--integrations", type=int, default=20, help="in the ring")
    parser.add_argument("--ventilator", default="", help="more of its table, as 'ring = \"1kB\"'")
    trial = parser.parse_args(sys.argv[1:]).trial
    parser.set_defaults(**DEFAULTS.get(trial, {}))
    return parser.parse_args()


def main() -> int:
    """Run a trial, and say whether all is whole."""
    given = parsed()
    with tempfile.TemporaryDirectory(prefix="fip-streams-") as scratch, ExitStack() as stack:
        given.scratch = given.scratch or Path(scratch)
        whole = TRIALS[given.trial](given, stack)
    print("whole" if whole else "NOT whole")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
