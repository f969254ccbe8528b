"""How the antennas did in the slices that were read recently. Pure, except that the caller gives the times."""

from collections import Counter, deque
from collections.abc import Mapping

from fip.data.antennas import IllAntenna, gathered
from fip.imaging.antennas import AntennaTally, health, together
from fip.wire.messages import LATELY
from fip.wire.status import AntennaHealth

ADDED_AT_ONCE = 32  # tallies of a piece, which is cheaper than one by one
PIECE = 1.0  # s; what was read in one is one tally, and the oldest pieces are forgotten


class Antennas:
    """The antennas of the run that is read; bounded, however many slices come a second."""

    def __init__(self) -> None:
        self._run = ""
        self._pieces: deque[tuple[float, list[AntennaTally]]] = deque()  # when each began, monotonic s
        self._told: AntennaHealth | None = None
        self._ill: dict[str, dict[str, tuple[int, float]]] = {}  # by run and number's name: how many, and their sum
        self._slices = Counter[str]()  # with samples, of each run

    def add(self, run: str, tally: AntennaTally, now: float) -> None:
        """Add what one more slice says of the antennas."""
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

    def note(self, run: str, ill: Mapping[str, float]) -> None:
        """Note the antennas to look at in one more slice of a run."""
        self._slices[run] += 1
        known = self._ill.setdefault(run, {})
        for name, value in ill.items():
            count, total = known.get(name, (0, 0.0))
            known[name] = count + 1, total + value

    def of_run(self, run: str) -> tuple[tuple[IllAntenna, ...], int]:
        """Return the antennas to look at in a run that is over, and the number of slices behind that; forget them."""
        noted = self._ill.pop(run, {})
        ill = gathered((name, count, total / count) for name, (count, total) in noted.items())
        return ill, self._slices.pop(run, 0)

    def health(self) -> AntennaHealth | None:
        """Return how the antennas did in the window; None if no slice was read yet."""
        if self._told is None and self._pieces:
            self._told = health(self._run, together(tally for _, piece in self._pieces for tally in piece))
        return self._told
