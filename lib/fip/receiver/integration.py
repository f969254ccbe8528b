"""One integration while it is assembled: the spool's memory of it, and which of its samples have come."""

from collections import Counter
from dataclasses import replace

import numpy as np

from fip.receiver.part import Part
from fip.spool.layout import sections
from fip.spool.setup import Setup
from fip.spool.writing import Open

OPINIONS = 8  # pairs of time and field that parts of one integration may have, beside that of its first
_NONE = complex(np.nan, np.nan)


class Integration:
    """What is known of an integration. It is used again for a later one."""

    def __init__(self, setup: Setup) -> None:
        """Take all the memory of its own that it will ever have."""
        self._came = [np.zeros((band.channels, len(setup.products)), bool) for band in setup.bands]
        self._uvw_came = np.zeros(sections(setup)["uvw"].shape[0] if setup.uvw else 0, bool)
        self._samples = sum(came.size for came in self._came)
        self._setup = setup

    def begin(self, opened: Open) -> None:
        """Begin an integration in this memory."""
        self.opened, self.arrays = opened, opened.arrays
        for came in (*self._came, self._uvw_came):
            came.fill(False)
        self._samples_came = self._baselines_came = self._missing = 0
        self._agree, self._others = 0, Counter[tuple[float, int]]()  # samples, by the time and field that they have

    def take(self, part: Part) -> int:
        """Put a part in its place; return how much of it had not come before. A part that came already changes nothing.

        Most samples decide the time and field of the integration: so a part that is not what it seems spoils them for
        no other.
        """
        new = self._take_samples(part) + self._take_uvw(part)
        if part.time == self.opened.time and part.field == self.opened.field:
            self._agree += new
        elif len(self._others) < OPINIONS or (part.time, part.field) in self._others:
            self._others[part.time, part.field] += new
        return new

    @property
    def whole(self) -> bool:
        """Return whether there is nothing of it that could still come."""
        return self._samples_came == self._samples and self._baselines_came == self._uvw_came.size

    @property
    def received(self) -> float:
        """Return the share of its samples that came, 0 to 1."""
        return max(0, self._samples_came - self._missing) / self._samples

    def conclude(self) -> Open:
        """Make it ready to be committed: fill in what did not come, NaN with weight 0, and set the time and field of
        most samples.
        """
        for (time, field), samples in self._others.items():
            if samples > self._agree:
                self._agree, self.opened = samples, replace(self.opened, time=time, field=field)
        if not self.whole:
            self._fill_in()
        return self.opened

    def _fill_in(self) -> None:
        if self._uvw_came.size:
            self.arrays["uvw"][~self._uvw_came] = np.nan
        for band, came in enumerate(self._came):
            gone = ~came
            np.copyto(self.arrays[f"{band}.visibility"], np.complex64(_NONE), where=gone)
            if self._setup.flags:
                np.copyto(self.arrays[f"{band}.flag"], 0, where=gone)
            if self._setup.weights:
                np.copyto(self.arrays[f"{band}.weight"], 0, where=gone)
                np.copyto(self.arrays[f"{band}.scale"], 0, where=gone.all(axis=1))

    def _take_samples(self, part: Part) -> int:
        here = part.channels, slice(part.product, part.product + part.visibility.shape[1])
        came = self._came[part.band]
        new = part.visibility.size - int(np.count_nonzero(came[here]))
        if not new:
            return 0
        came[here] = True
        arrays, band = self.arrays, part.band
        arrays[f"{band}.visibility"][here] = part.visibility
        if self._setup.flags:
            arrays[f"{band}.flag"][here] = 0 if part.flag is None else part.flag
        if self._setup.weights:
            arrays[f"{band}.weight"][here] = 1 if part.weight is None else part.weight
            arrays[f"{band}.scale"][part.channels] = 1 if part.scale is None else part.scale
        self._samples_came += new
        self._missing += part.missing
        return new

    def _take_uvw(self, part: Part) -> int:
        if part.uvw is None or not self._uvw_came.size:
            return 0
        here = slice(part.baseline, part.baseline + len(part.uvw))
        new = len(part.uvw) - int(np.count_nonzero(self._uvw_came[here]))
        if new:
            self.arrays["uvw"][here] = part.uvw
            self._uvw_came[here] = True
            self._baselines_came += new
        return new
