"""Images of any field on a GPU, term by term: the processor's plan, the stages in sky.cu. See docs/kernel.md.

What differs from the processor: a term's image is an array by itself, and a thread makes a pixel of it.
"""

from typing import Any

import numpy as np

from fip.imaging.cuda.rendering import Rendering
from fip.imaging.slant.sky_plan import SkyPlan


class SkyRendering(Rendering):
    """The stages beyond the terms, of any plane."""

    plan: SkyPlan

    def visibility(self, stokes: int) -> Any:
        """Do as Rendering says; what the interpolation will take away of each frequency is added here."""
        visibility, coefficients = super().visibility(stokes), self.constants.correction
        self.each(
            "emphasise", self.samples,
            [self.rows, self.frequency, self.table, np.int32(self.samples), self.slant, coefficients,
             np.int32(len(coefficients)), visibility],
        )  # fmt: skip
        return visibility

    def prepared(self, terms: Any) -> Any:
        """Return the corrected images of the terms, [term, column, sample]; if level, [term, column, eta pixel]."""
        corrected = self.corrected(terms)
        if not self.plan.level:
            return corrected
        lines = self.device.xp.empty((*terms.shape[:2], self.grid.width), np.float32)
        self.each("level_along_eta", lines.size, [corrected, self.slant, self.missing, lines])
        return lines

    def band(self, prepared: Any, first: int, count: int) -> Any:
        """Make rows as Rendering says; pixels beyond the horizon are NaN."""
        piece = self.device.xp.empty((count, self.grid.width), np.float32)
        name = "level_along_xi" if self.plan.level else "sky_pixels"
        rows = np.int32(first), np.int32(count)
        self.each(name, piece.size, [prepared, self.slant, self.in_q, *rows, self.missing, piece])
        return piece
