"""What corrections of a run are checked against, and their opening."""

import numpy as np

from fip.corrections.corrections import Corrections, open_corrections
from fip.corrections.observed import Expected, ExpectedWindow
from fip.source.feeds import unknown
from fip.source.recording import Recording
from fip.source.selecting.chosen import Chosen


def corrections_of(chosen: Chosen, diameter: float | None) -> Corrections | None:
    """Return what is to be done to the samples that are chosen; None for nothing. Raises InputError and UsageError."""
    return open_corrections(chosen.asked.source, _expected(chosen, diameter))


def _expected(chosen: Chosen, diameter: float | None) -> Expected:
    main, index, imaging = chosen.main, chosen.index, chosen.asked.imaging
    times = index.time[chosen.integrations]
    centres = chosen.rephasing.centres
    return Expected(
        path=main.path,
        telescope=_telescope(main, int(index.observation[chosen.integrations[0]])),
        antennas=tuple(main.antennas.names),
        position=np.asarray(main.antennas.position, np.float64),
        diameter=diameter,
        windows=tuple(
            ExpectedWindow(each.spectral_window, each.frequency, each.width, each.correlations)
            for each in chosen.windows
        ),
        fields={each.number: each.name for each in chosen.fields},
        centres={each.number: centres.at(each, float(times[0])).centre for each in chosen.fields},
        begin=float(times.min()),
        end=float(times.max()),
        growing=main.growing,
        primary_beam=imaging.primary_beam,
        epsilon=imaging.epsilon,
        feeds=unknown(main.antennas),
    )


def _telescope(main: Recording, observation: int) -> str:
    return main.observation(observation)["TELESCOPE_NAME"]
