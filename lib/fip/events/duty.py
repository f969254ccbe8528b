"""The detector as a follower: what it is asked to find, as `[detector]` of the configuration says."""

from pathlib import Path

from fip.archive.place_lists import parse_places
from fip.config import DETECTOR, Detector
from fip.events.detector import detector_step, habits
from fip.events.publishing import publisher
from fip.events.vetting import enter
from fip.events.words import FOLDER, Asked
from fip.follower.duty import Duty
from fip.wire.messages import Vet


def asked_of(detector: Detector) -> Asked:
    """What a table of the configuration asks of a search. UsageError for a list of places that cannot be used."""
    return Asked(
        budget=detector.false_alarms,
        reference=detector.reference,
        widest=detector.widths,
        stokes=detector.stokes,
        store_averages=detector.also_average,
        watch=parse_places(detector.watch, "--watch") if detector.watch else (),
    )


def detector_duty(detector: Detector) -> Duty:
    """That of the detector; what it finds goes beside the images. Raises UsageError."""
    asked = asked_of(detector)
    of, how = detector_step(asked), habits(detector.patience)
    return Duty(
        DETECTOR, DETECTOR, of, how, detector.step_within, FOLDER, publisher=publisher(asked), entering=_enter
    )  # fmt: skip


def _enter(folder: Path, vet: Vet) -> None:
    """What somebody says on the page."""
    enter(folder, vet.event, vet.said, vet.user, vet.request)
