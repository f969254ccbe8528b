"""How much of the expected data of a run's slices is there. Pure."""

from dataclasses import dataclass

from fip.data.names import Count, Share

COMPLETE = "complete"
"""The name of a slice's number in the ledger: the share of its expected samples that is there, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Complete:
    """Counts of some slices: how many there are, and which shares of their expected samples are there."""

    slices: Count
    lacking: Count  # how many of them lack something
    least: Share
    mean: Share

    def with_one(self, share: float) -> "Complete":
        """Return this with one slice more."""
        slices = self.slices + 1
        mean = min(1.0, max(0.0, self.mean + (share - self.mean) / slices))
        return Complete(slices, self.lacking + (share < 1), min(self.least, share), mean)

    @property
    def words(self) -> str:
        """In words, as "98.2% of the samples are there, 75.0% in the least of 10 slices; 3 lack some"."""
        if not self.lacking:
            return "all samples are there"
        shares = f"{share_words(self.mean)} of the samples are there, {share_words(self.least)} in the least"
        return f"{shares} of {self.slices} slices; {self.lacking} lack some"


NO_SLICES = Complete(0, 0, 1.0, 1.0)


def share_words(share: float) -> str:
    """Format a share as "98.2%"; "100%" only if it is all."""
    return "100%" if share == 1 else f"{min(99.9, 100 * share):.1f}%"
