"""Flags mark samples of a slice bad, before and after gains and models are applied."""

from dataclasses import dataclass

from fip.corrections.observed import Observed
from fip.corrections.predicted import Predicted


@dataclass(frozen=True, slots=True)
class Flags:
    """Marks samples bad; this class marks none, and subclasses replace one of its two methods."""

    digest: str  # of the file's content, or of the algorithm with its constants
    named: str  # for the header, as "auto" or "bands.txt@0123456789abcdef"
    notes: tuple[str, ...] = ()  # what the log should say, once

    def before(self, observed: Observed) -> Observed:
        """Mark samples that are known to be bad whatever was recorded; gains and models make no difference to these."""
        return observed

    def after(self, observed: Observed, predicted: Predicted | None = None) -> Observed:
        """Mark samples that residuals show to be bad, after gains and models; `predicted` is the model, if any."""
        return observed
