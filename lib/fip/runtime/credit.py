"""How many slices a worker may have at a time: ventilator and worker go by the same. Pure."""

from math import ceil

from fip.wire.status import Status

AHEAD = 0.2  # s of work that a worker is given at a time, if that is more than `lane_depth` slices
MOST_AHEAD = 16  # slices that it is given at a time
SHORTEST = 1e-3  # s of an image; what is said may be 0


def depth(least: int, worker: Status) -> int:
    """Return how many slices a worker may have: work for a while, so that it need not report each before the next."""
    took = worker.latencies.get("image")
    return max(least, min(MOST_AHEAD, ceil(AHEAD / max(took.p50, SHORTEST)))) if took else least
