"""The detector as a follower: what it is asked to find, as `[detector]` of the configuration says."""

from fip.archive.place_lists import parse_places
from fip.catalogues.known import Known, Listed
from fip.config import DETECTOR, Config, Detector
from fip.events.detector import detector_step, habits
from fip.events.publishing import publisher
from fip.events.words import FOLDER, Asked
from fip.follower.duty import Duty


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


def known_of(config: Config) -> Known:
    """What is known of the sky, by [detector] tle and [catalogue.NAME]. UsageError for a file that cannot be used."""
    return Known(config.detector.tle, {name: Listed(each.file, each.tell) for name, each in config.catalogue.items()})


def detector_duty(detector: Detector, known: Known | None = None) -> Duty:
    """That of the detector; what it finds goes beside the images, with what is `known` there. Raises UsageError."""
    asked = asked_of(detector)
    of, how = detector_step(asked), habits(detector.patience)
    return Duty(DETECTOR, DETECTOR, of, how, detector.step_within, FOLDER, publisher=publisher(asked, known))
