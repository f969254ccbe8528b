"""How the antennas did in the slices that were read of late. Pure but for the times that it is given."""

from collections import deque

from fip.imaging.antennas import AntennaTally, health, together
from fip.wire.messages import LATELY, AntennaHealth

ADDED_AT_ONCE = 32  # tallies of a piece, which is cheaper than one by one
PIECE = 1.0  # s; what was read in one is one tally, and the oldest pieces are forgotten


class Antennas:
    """Of the run that is read; bounded, however many slices come a second."""

    def __init__(self) -> None:
        self._run = ""
        self._pieces: deque[tuple[float, list[AntennaTally]]] = deque()  # when each began, monotonic s
        self._told: AntennaHealth | None = None

    def add(self, run: str, tally: AntennaTally, now: float) -> None:
        """One more slice was read."""
        if run != self._run or (self._pieces and self._pieces[-1][1][0].names != tally.names):
            self._run = run
            self._pieces.clear()
        if self._pieces and now - self._pieces[-1][0] < PIECE:
            piece = self._pieces[-1][1]
            piece.append(tally)
            if len(piece) >= ADDED_AT_ONCE:
                piece[:] = [together(piece)]
        else:
            self._pieces.append((now, [tally]))
        while now - self._pieces[0][0] > LATELY:
            self._pieces.popleft()
        self._told = None

    def health(self) -> AntennaHealth | None:
        """What is told; None where no slice was read yet."""
        if self._told is None and self._pieces:
            self._told = health(self._run, together(tally for _, piece in self._pieces for tally in piece))
        return self._told
