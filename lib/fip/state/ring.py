"""How long it is until the ring of a spool takes what was not imaged, nor cut. Pure."""

from fip.wire.receiving import ReceiverBrief

SHORT = 0.25  # of what the ring holds: if less than that is left, somebody should look


def kept_for(brief: ReceiverBrief) -> float | None:
    """Seconds of its stream that the ring holds; None if that is not known."""
    return brief.ring // brief.size * brief.cadence if brief.size and brief.cadence > 0 else None


def bites_in(brief: ReceiverBrief, since: float | None) -> float | None:
    """Seconds until the ring takes the oldest integration that is needed, if nothing more is done meanwhile.

    `since` is when that was observed, s UTC, Unix; None if all that came is safe. None if it is not known, or never.
    Integrations that were lost are no files: then it is a little longer.
    """
    holds = kept_for(brief)
    if holds is None or brief.newest is None or brief.ended:
        return None
    return max(0.0, holds - (0.0 if since is None else max(0.0, brief.newest - since)))
