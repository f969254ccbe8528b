"""What is between the threads, what is reported, and what an operator should know."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from fip.data.errors import ConfigError, NoRoomError
from fip.receiver.account import Account, Kept
from fip.receiver.assembling import Assembly
from fip.receiver.hearing import check_memory
from fip.receiver.intake import OTHERS, REASONS, Intake
from fip.receiver.lately import Lately, Said
from fip.receiver.part import Buffers
from fip.receiver.status_line import receiver_line
from fip.receiver.storing import Stored, Storing
from fip.receiver.worries import Signs, worries
from fip.spool.writing import SpoolWriter
from fip.wire.receiving import ReceiverBrief, ReceiverState
from fip.wire.status import Status
from support.spools import writer
from support.stream_parts import GRACE, SETUP, START, Clock, parts

BRIEF = ReceiverBrief(
    "head", "b", "/spools/night", 5, 0, START, received=5, lost=2, dropped=1, late=0, samples=1.0,
    ring=100, size=10, cadence=2.0, ended=False,
)  # fmt: skip


def begun(folder: Path, clock: Clock) -> tuple[SpoolWriter, Intake]:
    """A spool, and what takes parts for it."""
    spool = writer(folder, SETUP)
    return spool, Intake(Assembly(SETUP, GRACE, 4, clock, partial(spool.begin, blank=False)))


def put(intake: Intake, *dumps: int) -> None:
    for dump in dumps:
        for part in parts(dump):
            intake.put(part)


def test_what_cannot_be_written_is_dropped_and_the_next_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk costs the integrations that it has no room for; each is accounted for, and said once."""
    spool, intake = begun(tmp_path, Clock())
    told: list[Stored] = []
    write = spool.commit

    def commit(opened: object, share: float) -> int:
        if len(told) in (1, 2):
            spool.leave(opened)  # type: ignore[arg-type]
            raise NoRoomError("/spools/night: integration 1 cannot be written: No space left on device")
        return write(opened, share)  # type: ignore[arg-type]

    monkeypatch.setattr(spool, "commit", commit)
    put(intake, 0, 1, 2, 4)
    intake.finish()
    Storing(spool, intake, told.append).run()
    assert [each.stalled for each in told] == [
        "", *["/spools/night: integration 1 cannot be written: No space left on device"] * 2, "",
    ]  # fmt: skip
    assert told[-1].account == Account(first=0, last=4, received=2, lost=1, dropped=2)
    assert told[-1].committed == 2
    spool.close()
    assert Kept(writer(tmp_path, SETUP)).account == told[-1].account


def test_what_was_dropped_last_is_not_lost_after_a_restart(tmp_path: Path) -> None:
    """The index has neither; the file beside it says which."""
    spool = writer(tmp_path, SETUP)
    assert Kept(spool).account == Account()
    spool.commit(spool.begin(4, START, 0), 1.0)
    kept = Kept(spool)
    for dump in (6, 7, 9):
        kept.add(dump, received=False)
    expected = Account(first=4, last=9, received=1, lost=2, dropped=3)
    assert kept.account == expected
    kept.close()
    spool.close()
    again = writer(tmp_path, SETUP)
    assert Kept(again).account == expected
    again.commit(again.begin(12, START + 100, 0), 1.0)
    assert Kept(again).account == Account(first=4, last=12, received=2, lost=4, dropped=3)


def looks(intake: Intake, clock: Clock, seconds: float) -> bool:
    """Let time pass; return whether the stream has ended meanwhile."""
    ended = False
    for _ in range(round(seconds / 0.1)):
        clock.now += 0.1
        ended |= intake.look(quiet=2.5)
    return ended


def test_the_end_is_believed_once_the_stream_is_silent(tmp_path: Path) -> None:
    """Whoever reaches the port may say that it ended: the stream goes on, and so does the spool."""
    clock = Clock()
    spool, intake = begun(tmp_path, clock)
    put(intake, 0)
    intake.end()
    assert not looks(intake, clock, 2.0)
    put(intake, 1)
    assert not looks(intake, clock, 2.0)
    put(intake, 2)
    assert not looks(intake, clock, 5.0)
    intake.end()
    assert looks(intake, clock, 1.0)
    put(intake, 3)
    intake.finish()
    told: list[Stored] = []
    Storing(spool, intake, told.append).run()
    assert [each.ended for each in told] == [False] * 4 + [True]
    assert (spool.path / "ended").exists()


@pytest.mark.parametrize(("said", "by_itself", "ended"), [(True, True, [True]), (True, False, []), (False, True, [])])
def test_a_stream_has_ended_that_said_so_and_then_stopped_by_itself(
    said: bool, by_itself: bool, ended: list[bool], tmp_path: Path
) -> None:
    """One that was stopped has not: the next receiver hears the rest of it."""
    spool, intake = begun(tmp_path, Clock())
    put(intake, 0)
    if said:
        intake.end()
    intake.finish(by_itself=by_itself)
    told: list[Stored] = []
    Storing(spool, intake, told.append).run()
    assert [each.ended for each in told] == [False, *ended]


def test_reasons_for_which_packets_are_refused_are_bounded(tmp_path: Path) -> None:
    """A format that makes them up costs no memory."""
    _, intake = begun(tmp_path, Clock())
    for number in range(10 * REASONS):
        intake.refuse(f"it is number {number}", 2)
    assert len(intake.refused) == REASONS + 1
    assert intake.refused[OTHERS] == 2 * 9 * REASONS
    assert intake.counts()["junk"] == 20 * REASONS


def test_a_set_up_whose_integrations_do_not_fit_into_memory_is_refused() -> None:
    """The error comes before any integration is taken."""
    check_memory(4, 100, 800)
    with pytest.raises(ConfigError, match=r"receiver.queue: 5 integrations of 100 bytes are more than half of this"):
        check_memory(5, 100, 800)


def test_what_rose_of_late_is_forgotten_after_a_minute() -> None:
    lately = Lately(0.0, {"late": 5})
    assert lately.rise(30.0, {"late": 8, "junk": 1}) == {"late": 3, "junk": 1}
    assert lately.rise(59.0, {"late": 8, "junk": 1}) == {"late": 3, "junk": 1}
    assert lately.rise(91.0, {"late": 9, "junk": 1}) == {"late": 1, "junk": 0}


def test_what_differs_by_a_number_alone_is_said_once_a_minute() -> None:
    """How old what comes is differs each time."""
    said = Said()
    assert said.anew(0.0, ["it is 3.5 s old", "the disk is full"]) == ["it is 3.5 s old", "the disk is full"]
    assert said.anew(0.5, ["it is 4.0 s old"]) == []
    assert said.anew(61.0, ["it is 64 s old"]) == ["it is 64 s old"]


@pytest.mark.parametrize(
    ("signs", "says"),
    [
        (Signs(buffers=(Buffers(64, 64), Buffers(64_000_000, 212_992))), "sysctl -w net.core.rmem_max=64000000"),
        (Signs(overflowed=3), "3 packets of the last minute found the socket's buffer full"),
        (Signs(age=-3.0), "integrations come 3.0 s before they end: the sender's clock is ahead, or this one behind"),
        (Signs(age=75.0), "integrations are 75.0 s old when they come: the stream lags, or a clock is off"),
        (Signs(ring=9), "the ring has room for 9 integrations, fewer than 10: give [receiver] keep more"),
        (Signs(dropped=2), "2 integrations of the last minute were dropped: the disk is slower than the stream"),
        (Signs(dropped=2, stalled="the disk is full"), "the disk is full"),
        (Signs(silent=True, late=7), "all 7 packets of the last minute are of integrations before the newest"),
        (Signs(silent=True, unfit=7), "all 7 packets of the last minute fit nothing that came before"),
    ],
)
def test_an_operator_is_told_what_is_wrong_and_what_would_do(signs: Signs, says: str) -> None:
    (said,) = worries(signs)
    assert says in said


def test_nothing_is_said_if_nothing_is_wrong() -> None:
    fine = Signs(buffers=(Buffers(64, 64),), age=0.4, ring=10, late=3, unfit=2)
    assert worries(fine) == ()


@pytest.mark.parametrize(
    ("brief", "state", "silent", "does"),
    [
        (replace(BRIEF, spool=""), "running", 0.0, "waits to know what fip at udp://:1 is"),
        (BRIEF, "draining", 0.0, "draining"),
        (BRIEF, "running", 1.0, "hears fip at udp://:1"),
        (BRIEF, "running", 75.4, "waits for fip at udp://:1, silent for 75 s"),
        (BRIEF, "running", float("inf"), "waits for fip at udp://:1"),
        (replace(BRIEF, ended=True), "running", 75.4, "fip at udp://:1 has ended"),
    ],
)
def test_the_status_line_says_what_it_does(brief: ReceiverBrief, state: str, silent: float, does: str) -> None:
    told = ReceiverState(brief, Status("receiver", "head", "", 1, state))
    counts = "5 integrations received, 2 lost, 1 dropped"
    assert receiver_line(told, "fip at udp://:1", silent) == f"{does}; {counts}"
    warned = ReceiverState(replace(brief, warns=("mend this", "and that")), told.status)
    assert receiver_line(warned, "fip at udp://:1", silent) == f"{does}; {counts}; mend this"
