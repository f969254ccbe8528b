"""The detector as a follower: what it is asked to find, as `[detector]` of the configuration says."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fip.archive.place_lists import parse_places
from fip.catalogues.known import Known, Listed
from fip.config import DETECTOR, Catalogue, Config, Detector
from fip.data.errors import UsageError
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


def known_of(config: Config) -> Known:
    """What is known of the sky, by [detector] tle and [catalogue.NAME]. UsageError for a file that cannot be used."""
    return Known(config.detector.tle, {name: Listed(each.file, each.tell) for name, each in config.catalogue.items()})


def unusable_lists(config: Config) -> Iterator[str]:
    """One line for each file of `known_of` that cannot be used."""
    catalogues = (partial(_catalogue, name, each) for name, each in config.catalogue.items())
    for read in (partial(Known, config.detector.tle), *catalogues):
        try:
            read()
        except UsageError as error:
            yield str(error)


def _catalogue(name: str, told: Catalogue) -> Known:
    return Known(catalogues={name: Listed(told.file, told.tell)})


def detector_duty(detector: Detector, known: Known | None = None) -> Duty:
    """Return the detector's duty; its findings go beside the images, with what is `known` there. Raises UsageError."""
    asked = asked_of(detector)
    of, how = detector_step(asked), habits(detector.patience)
    shows = publisher(asked, known)
    return Duty(DETECTOR, DETECTOR, of, how, detector.step_within, FOLDER, publisher=shows, entering=_enter)


def _enter(folder: Path, vet: Vet) -> None:
    """What somebody says on the page."""
    enter(folder, vet.event, vet.said, vet.user, vet.request)
