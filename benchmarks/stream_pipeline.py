"""A whole pipeline that images a stream, with real daemons and a sender, for `benchmarks.streams`."""

import json
import math
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import psutil
from astropy.io import fits
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fip.archive.ledger import Ledger
from fip.events.words import FOLDER
from fip.follower.journal import JOURNAL
from fip.spool.index import records
from fip.spool.layout import ENDED_FILE, INDEX_FILE, file_size
from fip.spool.setup import SETUP, Band, Correlation, Product, Setup, Station, Target
from fip.wire.messages import PipelineStatus
from fip.wire.receiving import ReceiverBrief, ReceiverState
from support.fip_command import fip, images
from support.keeping_systemd import KeepingSystemd
from support.mesh import Mesh
from support.receivers import started

LATITUDE, RADIUS = math.radians(-30.7), 6.37e6  # rad, m
EXTENT = 600.0  # m, of the array
BEGINS = 60  # images of the detector's start
HANDS: tuple[Correlation, ...] = ("XX", "XY", "YX", "YY")
AS_UNITS = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "20000000000"}
"""The environment of systemd/daemon.conf: memory is used again for the next slice."""
RECEIVER = "import sys; from fip_daemons.receiver import main; sys.argv[0] = 'fip-receiver'; sys.exit(main())"


def setup_of(antennas: int, channels: int, cadence: float, name: str = "trial") -> Setup:
    """An array whose products have four hands and autocorrelations, with flags and weights: 10 bytes a sample."""
    source = np.random.default_rng(7)
    east, north = source.normal(0, EXTENT / 4, (2, antennas))
    sin, cos = math.sin(LATITUDE), math.cos(LATITUDE)
    places = np.stack([RADIUS * cos - sin * north, east, RADIUS * sin + cos * north], axis=1)
    pairs = [(first, second) for first in range(antennas) for second in range(first, antennas)]
    return Setup(
        name=name,
        cadence=cadence,
        antennas=tuple(Station(f"m{number:03d}", (x, y, z), 13.5) for number, (x, y, z) in enumerate(places.tolist())),
        bands=(Band(1.3e9, 2e8 / channels, channels),),
        products=tuple(Product(*pair, hand) for pair in pairs for hand in HANDS),
        targets=(Target("target", 1.0, LATITUDE),),
        telescope="trial",
        flags=True,
        weights=True,
    )


class Pipeline(Mesh):
    """A ventilator, a sink, workers, and a receiver of one stream whose spool is imaged."""

    def __init__(
        self,
        folder: Path,
        setup: Setup,
        workers: int = 1,
        integrations: int = 200,
        spools: Path | None = None,
        ventilator: str = "",
        detects: bool = False,
    ) -> None:
        """`integrations` are in the ring at the most; `spools` is their folder; `ventilator` goes into its table.

        With `detects` transients are searched for, against the mean of the images before.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.setup, self.port = setup, free_port()
        self.setup_file = folder / "setup.json"
        self.setup_file.write_bytes(SETUP.dump_json(setup))
        spools = spools or folder / "spools"
        self.spool = spools / setup.folder
        keep = integrations * file_size(setup)
        receiver = {
            "listen": [f"udp://127.0.0.1:{self.port}"],
            "setup": str(self.setup_file),
            "spool": str(spools),
            "keep": f"{keep / 1e6}MB",
        }
        table = "".join(f"{key} = {json.dumps(value)}\n" for key, value in receiver.items())
        os.environ.update(AS_UNITS)
        detector = '[detector]\nreference = "running"\n' if detects else ""
        super().__init__(folder, workers, settings=f"{ventilator}\n[receiver]\n{table}{detector}", within=900)
        self.names += ["receiver", *(["detector"] if detects else [])]
        self._systemd = KeepingSystemd(folder)
        self.followed = ""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        super().__exit__(kind, error, at)
        self._systemd.__exit__(kind, error, at)

    def start(self, name: str) -> None:
        """Start one of the daemons; the receiver is given the sockets of its last life, as its unit does."""
        if name != "receiver":
            super().start(name)
            return
        command = [sys.executable, "-c", RECEIVER, "--config", str(self.configuration)]
        self.daemons[name] = started(command, self.log_file, self._systemd)

    def follow(self, *options: object) -> None:
        """Submit the spool, once it is there."""
        self.until(lambda: self.spool.exists(), "a spool")
        done = fip("submit", self.spool, "--follow", *options, "--ventilator", self.config.ventilator.control)
        if done.returncode:
            raise SystemExit(f"{done.stdout}{done.stderr}\n{self.log[-3000:]}")
        self.followed = done.stdout.split()[0]

    def until(self, seen: Callable[[], bool], what: str, within: float = 900.0, every: float = 0.2) -> None:
        """Wait until something is seen."""
        give_up = time.monotonic() + within
        while not seen():
            if ended := [name for name, daemon in self.daemons.items() if (daemon.poll() or 0) > 0]:
                raise SystemExit(f"{', '.join(ended)}: not running\n{self.log[-5000:]}")
            if time.monotonic() > give_up:
                raise SystemExit(f"no {what} within {within:.0f} s\n{self.log[-5000:]}")
            time.sleep(every)

    @property
    def directory(self) -> Path:
        """Return the directory of the images."""
        return self.images / self.followed

    def index(self) -> NDArray[np.void]:
        """Return the spool's records [integration]."""
        return records((self.spool / INDEX_FILE).read_bytes(), 0)

    def stored(self) -> int:
        """How many images there are."""
        return len(images(self.directory))

    def failures(self) -> Mapping[int, str]:
        """The reasons of slices that failed, by their numbers."""
        if not (self.directory / "fip.sqlite").exists():
            return {}
        with closing(Ledger(self.directory, read_only=True)) as ledger:
            return {each.index: each.reason for each in ledger.failures(1 << 20)}

    def completeness(self) -> Mapping[int, float]:
        """FIPCOMPL of each image; 1 of one that does not say it."""
        headers = {_number(each): fits.getheader(each) for each in images(self.directory)}
        return {number: float(header.get("FIPCOMPL", 1.0)) for number, header in headers.items()}

    @property
    def ended(self) -> bool:
        """Whether the receiver knows that no more comes."""
        return (self.spool / ENDED_FILE).exists()

    def counted(self) -> ReceiverBrief:
        """What the receiver says that it counted, as the ventilator knows it."""
        found: list[ReceiverState] = []

        def seen(status: PipelineStatus) -> bool:
            found.extend(status.receivers)
            return bool(found)

        self.wait(seen)
        return found[0].brief

    def kill_readers(self) -> None:
        """Kill the ventilator's children, as it does itself with one that stands still."""
        for child in psutil.Process(self.daemons["ventilator"].pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()

    def finish(self) -> None:
        """Wait until all that was committed is stored or failed, and the job has ended."""
        self.until(lambda: self.stored() + len(self.failures()) >= len(self.index()), "end of images")
        self.until(lambda: self.job_now(self.followed).state not in ("queued", "running"), "end of the job", every=1.0)

    @contextmanager
    def sending(self, dumps: int, *options: object) -> Iterator[Path]:
        """A sender of so many integrations; gives its log, and waits for its end."""
        log = self.folder / "sent"
        command = [sys.executable, "-m", "benchmarks.stream_sender", str(self.setup_file), str(self.port)]
        command += ["--dumps", str(dumps), "--log", str(log), *map(str, options)]
        with subprocess.Popen(command) as sender:
            try:
                yield log
                sender.wait()
            finally:
                sender.kill()

    def cpu(self) -> "Cpu":
        """CPU seconds of the receiver and of the ventilator's reading children until now."""
        children = psutil.Process(self.daemons["ventilator"].pid).children(recursive=True)
        return Cpu(_seconds(psutil.Process(self.daemons["receiver"].pid)), sum(map(_seconds, children)))

    def latencies(self, log: Path, warm: float) -> NDArray[np.float64]:
        """[image] s from an integration's last packet to its durable FITS, if sent `warm` s after the first image."""
        return self._since_sent(log, warm, {_number(each): each.stat().st_ctime for each in images(self.directory)})

    def decisions(self, log: Path) -> NDArray[np.float64]:
        """[image] the same until the detector had written down what it found in it, from its sixtieth image on.

        As a run begins it measures noise and sidelobes, as in `benchmarks.transients.following`.
        """
        return self._since_sent(log, 0.0, {each: when for each, when in self._decided().items() if each >= BEGINS})

    def all_decided(self) -> None:
        """Wait until the detector has looked at every image."""
        self.until(lambda: len(self._decided()) >= self.stored(), "decisions of the detector")

    def _decided(self) -> Mapping[int, float]:
        query = "SELECT slice, decided FROM decisions WHERE outcome = 'stored'"
        with closing(sqlite3.connect(self.directory / FOLDER / JOURNAL)) as journal:
            return dict(journal.execute(query))

    def _since_sent(self, log: Path, warm: float, when: Mapping[int, float]) -> NDArray[np.float64]:
        """`when` is a Unix time of each slice."""
        sent, dumps = {each.dump: each.at for each in sent_in(log)}, self.index()["dump"]
        after = min(when.values()) + warm
        known = [(at, sent[int(dumps[number])]) for number, at in sorted(when.items())]
        return np.array([at - last for at, last in known if last > after])


@dataclass(frozen=True)
class Sent:
    """An integration that was sent."""

    dump: int
    at: float  # s, Unix: its last packet
    lost: int  # packets
    packets: int
    share: float  # of its samples that were lost with them


def sent_in(log: Path) -> list[Sent]:
    """What a sender's log has."""
    lines = map(str.split, log.read_text().splitlines())
    return [Sent(int(dump), float(at), int(lost), int(of), float(share)) for dump, at, lost, of, share in lines]


@dataclass(frozen=True)
class Cpu:
    """CPU seconds of each daemon."""

    receiver: float
    reader: float


def _seconds(process: psutil.Process) -> float:
    used: Any = process.cpu_times()
    return float(used.user + used.system)


def _number(image: Path) -> int:
    """Return the number of the slice."""
    return int(image.name.rpartition("-t")[2].partition("-")[0])


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as some:
        some.bind(("127.0.0.1", 0))
        port: int = some.getsockname()[1]
        return port
