"""The detector of a `fip run`: what it has not searched when the run ends is searched then, and its events are told."""

from pathlib import Path

from rich.console import Console

from fip.config import Detector
from fip.data.errors import UsageError
from fip.events.duty import detector_duty
from fip.events.listing import as_lines, listed
from fip.follower.journal import FAILED, JOURNAL, Journal
from fip.local.followers import see_all


def check_detector(directory: Path, detector: Detector) -> None:
    """UsageError if what is asked of the detector cannot be, or the directory holds another search's: before all."""
    duty = detector_duty(detector)
    folder = directory / duty.beside
    if not (folder / JOURNAL).exists():
        return
    try:
        Journal(folder, duty.step.name).close()
    except UsageError as error:
        found = str(error).partition(": give this")[0]
        raise UsageError(f"{found}: ask for the same, or move that folder away") from None


def detect(directory: Path, detector: Detector, console: Console) -> bool:
    """Searches the images of a directory that were not searched; tells the events of all.

    Returns whether no image was left out. Raises FipError.
    """
    ended = see_all(directory, detector_duty(detector))
    found = listed([directory])
    told = sum(not each["labels"] for each in found)
    lines = as_lines(found)
    if told:
        lines[0] = f"{told} event{'s' * (told > 1)}: {lines[0]}"
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    if ended.failed:
        console.print(f"detector: {ended.failed}", style="red", soft_wrap=True, highlight=False, markup=False)
    return not ended.counts.get(FAILED)
