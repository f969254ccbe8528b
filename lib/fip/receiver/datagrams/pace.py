"""How long packets may gather before they are read. Pure."""

_PAUSE = 0.02  # s in which packets gather, at most: a batch costs much the same for one and for a hundred
_PAUSES = 50  # of these in an integration, at least: it is not late by them
_SHARE = 4  # what comes meanwhile fills no more than this part of a buffer
_FASTEST = 1.25e9  # bytes a second that are reckoned with at first: a burst over 10 Gbit/s
_CALMER = 0.9  # of the fastest so far, that are reckoned with a batch later


class Pace:
    """How long packets may gather before they are read, from how fast they came."""

    def __init__(self, buffer: int, cadence: float, now: float) -> None:
        """`buffer` is the smallest socket's, bytes; `cadence` s; `now` s of the clock that `took` uses too."""
        self._room, self._most = buffer / _SHARE, min(_PAUSE, cadence / _PAUSES)
        self._fastest, self._last = _FASTEST, now

    @property
    def pause(self) -> int:
        """Return how long packets may gather now, ms."""
        return round(1000 * min(self._most, self._room / self._fastest))

    def took(self, size: int, now: float) -> None:
        """Note that so many bytes came since the last call."""
        self._fastest = max(size / max(now - self._last, 1e-6), _CALMER * self._fastest)
        self._last = now
