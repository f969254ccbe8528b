"""The detector as a follower: what it is asked to find, as `[detector]` of the configuration says."""

from fip.config import DETECTOR, Detector
from fip.data.errors import UsageError
from fip.events.detector import detector_step, habits
from fip.events.publishing import publisher
from fip.events.words import FOLDER, Asked
from fip.follower.duty import Duty


def asked_of(detector: Detector) -> Asked:
    """What a table of the configuration asks of a search. Raises UsageError if its list of places is not there."""
    if detector.watch and not detector.watch.is_file():
        raise UsageError(f"--watch {detector.watch}: there is no such file; give a list of names and places")
    return Asked(
        budget=detector.false_alarms,
        reference=detector.reference,
        widest=detector.widths,
        stokes=detector.stokes,
        store_averages=detector.also_average,
        watch=detector.watch,
    )


def detector_duty(detector: Detector) -> Duty:
    """That of the detector; what it finds goes beside the images. Raises UsageError."""
    step = detector_step(asked_of(detector))
    return Duty(DETECTOR, DETECTOR, step, habits(detector.patience), detector.step_within, FOLDER, publisher=publisher)
