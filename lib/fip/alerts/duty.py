"""Alerts as part of a detector: they wrap its publisher if the configuration names somebody who gets alerts."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace

from fip.alerts.listing import view_of
from fip.alerts.office import Office, deliver
from fip.alerts.reporter import Reporter
from fip.alerts.sender import now
from fip.config import AlertTarget, Config
from fip.events.publishing import Publisher
from fip.follower.course import Course
from fip.follower.courses import Showing
from fip.follower.duty import Duty
from fip.state.alerts import line

WITHIN = 30.0
"""Seconds for which what is due is sent at the end of a search; the rest is kept."""


def alerting(duty: Duty, config: Config) -> Duty:
    """Return the duty with alerts, which threads of their own send from now on; unchanged if nobody gets alerts."""
    shows = duty.publisher
    if not config.alerts or shows is None:
        return duty
    office = Office(config.alerts, config.detector.directory or config.sink.directory, duty.beside)
    office.start()

    def make(course: Course) -> Showing:
        shown = shows(course)
        if not isinstance(shown, Publisher):
            return shown
        return Reporter(shown, course, config.alerts, now, entered=office.entered)

    return replace(duty, publisher=make)


def tell(
    publisher: Publisher, course: Course, targets: Mapping[str, AlertTarget], archival: bool, say: Callable[..., None]
) -> None:
    """Enter the alerts of a search that is over, and send them; `archival`: also those of events of long ago."""
    with closing(Reporter(publisher, course, targets, now, archival)) as reporter:
        reporter.report()
        if reporter.old:
            say(
                f"{reporter.old} event{'s' * (reporter.old != 1)} of more than a day ago: no news, and not told; "
                f"`fip detect {course.directory} --alert --config FILE` tells that as archival"
            )
    if not deliver(course.folder, targets, WITHIN):
        say("another process sends the alerts of this directory", "yellow")
    if view := view_of(course.folder):
        say(f"alerts: {line(view)}", "yellow" if view.held or view.fault else "")
