"""A pipeline's state in lines and bars of a terminal, for `fip status` and `fip top`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from fip.state.antennas import AntennasView
from fip.state.pipeline import DaemonView, PipelineState, RunView, Stage, WorkerView, shares_of
from fip.state.trends import Shares
from fip.state.words import (
    ANTENNA_HEADS,
    COLOURS,
    NONE,
    antenna_row,
    antenna_words,
    clock,
    countdown,
    doing,
    duration,
    headline,
    number,
    optional,
    percent,
    printable,
    size,
    stage_words,
)

BAR = 20  # characters; less where there is no room
LEAST_BAR = 6  # characters
LONGEST_NAME = 20  # characters
SHARES = (("busy", "█", "green"), ("blocked", "▒", "red"), ("idle", "░", "bright_black"))


def verdict_lines(state: PipelineState, reasons: int) -> Text:
    """The headline, and below it so many reasons at most."""
    colour = COLOURS[state.verdict]
    lines = Text(headline(state))
    lines.stylize(f"bold {colour}", 0, len(state.verdict))
    for reason in state.reasons[:reasons]:
        lines.append(f"\n  {printable(reason)}", colour)
    return lines


def stage_lines(state: PipelineState, width: int) -> Text:
    """Source, workers and sink: how each spends its time, and what it does; the bottleneck is bold."""
    views: dict[Stage, Sequence[DaemonView]] = {
        "source": [state.ventilator] if state.ventilator else [],
        "workers": state.workers,
        "sink": [state.sink] if state.sink else [],
    }
    words, lines = stage_words(state), []
    bar = max(LEAST_BAR, min(BAR, width - len(f"workers  100% busy  {max(words.values(), key=len)}")))
    for stage, members in views.items():
        shares = shares_of(members)
        line = Text().append(f"{stage:8}", "bold" if stage == state.bottleneck else "")
        line.append_text(share_bar(shares, bar))
        line.append(f" {percent(shares.busy) if shares else NONE:>4} busy  {words[stage]}")
        line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return Text("\n").join(lines)


def antenna_lines(antennas: AntennasView, width: int) -> Text:
    """How the antennas do; below, those that are flagged away and those whose amplitudes are outliers, if there are."""
    what, flagged, unlike = antenna_words(antennas)
    lines = [Text(f"antennas {what}")]
    lines += [Text(f"  {words}", style) for words, style in ((flagged, "yellow"), (unlike, "red")) if words]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines)


def antenna_page(state: PipelineState) -> Text:
    """All antennas, the ones that should be looked at first."""
    view = state.antennas
    if view is None:
        return list_page(antennas=[])
    page = Text(f"antennas {antenna_words(view)[0]}\n", "bold")
    rows = [*view.faulty, *(each for each in view.antennas if not each.fault)]
    _columns(page, ANTENNA_HEADS, [antenna_row(each) for each in rows])
    return page


def share_bar(shares: Shares | None, width: int) -> Text:
    """A bar: busy, blocked (waiting for another to take what is done), idle (waiting for something to do)."""
    if shares is None:
        return Text(" " * width)
    bar, drawn, total = Text(), 0, 0.0
    for what, mark, style in SHARES:
        total += getattr(shares, what)
        upto = min(width, round(width * total))
        bar.append(mark * (upto - drawn), style)
        drawn = upto
    return bar


def run_line(run: RunView, width: int) -> Text:
    """A run: its name, a bar of what is stored and what failed, numbers, and time left or lag."""
    name = printable(run.name)
    name = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    numbers = Text(f" {run.stored}/{run.total}")
    if run.rate and run.left:
        numbers.append(f" {number(run.rate)}/s", "cyan")
    if run.lag is not None:
        numbers.append(f" lag {duration(run.lag)}", "red" if run.lag > (run.deadline or 0.0) else "green")
    elif run.eta is not None and run.left:
        numbers.append(f" {countdown(run.eta)} left", "green")
    if run.failed:
        numbers.append(f" {run.failed} failed", "bold red")
    length = max(LEAST_BAR, width - len(f"{name} ") - len(numbers))
    stored, failed = (round(length * each / max(1, run.total)) for each in (run.stored, run.failed))
    line = Text(f"{name} ").append("━" * stored, "green").append("━" * failed, "red")
    return line.append("━" * (length - stored - failed), "bright_black").append_text(numbers)


def worker_page(view: WorkerView) -> Text:
    """All that is known of a worker."""
    status, trend, resources = view.status, view.trend, view.status.resources
    page = Text().append(f"{printable(status.identity)}  {doing(view)}\n", "bold")
    page.append(printable(f"{status.device or NONE}, process {status.pid}, FIP {status.version}"))
    page.append(
        f", {duration(sum(status.seconds.values()))} old, CPU {optional(trend.cpu if trend else None, percent)}"
    )
    page.append(f", memory {optional(resources.memory, size)}\n")
    if resources.gpu:
        gpu = resources.gpu
        page.append(printable(f"{gpu.name}: busy {optional(gpu.busy, percent)}, memory "))
        page.append(f"{size(gpu.memory_used)} of {size(gpu.memory_total)}\n")
    if trend:
        page.append_text(share_bar(trend.shares, BAR))
        shares = (f"{what} {percent(getattr(trend.shares, what))}" for what, _, _ in SHARES)
        page.append(f" {', '.join(shares)}\n")
    if view.working:
        run, index, attempt = view.working
        page.append(printable(f"slice {index} of run {run}, attempt {attempt}, for {duration(view.working_for)}; "))
    page.append(f"holds {view.holds}\n")
    _columns(page, ("stage", "times", "p50", "p95", "p99"), [
        (stage, str(latency.count), *map(duration, (latency.p50, latency.p95, latency.p99)))
        for stage, latency in status.latencies.items()
    ])  # fmt: skip
    _columns(page, ("last slices", "began", "wait", "image", "hand on"), [
        (str(task.index), clock(task.began), *map(duration, (task.wait, task.image, task.hand_on)))
        for task in reversed(view.tasks)
    ])  # fmt: skip
    _columns(page, ("counted", ""), [(name, str(count)) for name, count in status.counters.items() if count])
    events = [f"{each.socket}: {' '.join((each.event, each.peer, each.reason)).rstrip()}" for each in status.events]
    _lines(
        page, "connections", [f"{clock(each.time)} {what}" for each, what in zip(status.events, events, strict=True)]
    )
    _lines(page, "errors", [f"{clock(each.time)} {each.text}" for each in reversed(status.errors)])
    return page


def list_page(**lists: Sequence[str]) -> Text:
    """Lines under the titles that the names are; "none" where there are none."""
    page = Text()
    for name, lines in lists.items():
        _lines(page, name.replace("_", " "), lines or ["none"])
    return page


def _columns(page: Text, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Appends a table, where it has rows."""
    if not rows:
        return
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    for row in (heads, *rows):
        cells = [printable(cell) for cell in row]
        text = "  ".join(
            [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]
        )
        page.append(f"\n{text}", "bold" if row is heads else "")
    page.append("\n")


def _lines(page: Text, title: str, lines: Sequence[str]) -> None:
    """Appends lines under a title, where there are any."""
    if lines:
        page.append(f"\n{title}\n" if page else f"{title}\n", "bold")
        page.append("\n".join(map(printable, lines)))
        page.append("\n")
