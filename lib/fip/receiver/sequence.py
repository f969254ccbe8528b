"""Which numbers and times of parts are believed. Pure: nothing is sent to be confirmed, what comes must fit itself.

Whoever reaches the port may send anything, and a number that is far ahead would make all that follow late. So:

- A part fits if its time is that of the newest integration and as many cadences more as its number is, within half a
  cadence and a hundredth of what lies between, and if it is no more than `NEAR` integrations ahead, and those that had
  the time to come meanwhile, twice over. It is taken at once.
- Any other is a leap: as of a stream that stood still, or of the first part of all. It is taken once `LEAP` packets
  that fit each other have come, and no part that fits has for two cadences and the grace: as long as what is known goes
  on, nothing else is believed. Until then the parts wait in memory, which is bounded; what fits no other part is let go
  first.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from fip.receiver.part import Part

NEAR = 16  # integrations
LEAP = 4  # packets
GUESSES = 8  # places that a stream may be at now
LARGEST = 1 << 62  # of an integration's number


@dataclass(frozen=True)
class Place:
    """The place of a stream: its newest integration, and when that began to come."""

    dump: int
    time: float  # s UTC, Unix
    began: float  # monotonic s

    def fits(self, part: Part, cadence: float, now: float) -> bool:
        """Return whether a part may be of the same stream, near this place; `now` in monotonic s."""
        ahead = part.dump - self.dump
        if not 0 <= part.dump < LARGEST or ahead > NEAR + 2 * (now - self.began) / cadence:
            return False
        return abs(part.time - self.time - ahead * cadence) <= cadence * (0.5 + 0.01 * abs(ahead))


class Guess:
    """A place that a stream may be at now, and the parts that say so."""

    def __init__(self, place: Place) -> None:
        self.place, self.packets, self.held, self.nbytes = place, 0, list[Part](), 0


class Leaps:
    """Parts that fit nothing that is known, until enough of them fit each other."""

    def __init__(self, cadence: float, limit: int) -> None:
        """`limit` is the bytes of the parts that wait."""
        self._cadence, self._limit = cadence, limit
        self._guesses: list[Guess] = []

    def add(self, part: Part, now: float) -> int:
        """Hold a copy of a part, with those that it fits; return how many packets were let go for that."""
        fitting = (each for each in self._guesses if each.place.fits(part, self._cadence, now))
        guess = next(fitting, None) or Guess(Place(part.dump, part.time, now))
        let_go = 0
        if guess.packets == 0:
            let_go += self._make_room(lambda: len(self._guesses) < GUESSES, guess)
            self._guesses.append(guess)
        guess.packets += part.packets
        size = part.visibility.nbytes
        let_go += self._make_room(lambda: self._nbytes + size <= self._limit, guess)
        if self._nbytes + size > self._limit:
            return let_go + part.packets
        guess.held.append(_copy(part))
        guess.nbytes += size
        return let_go

    def taken(self, least: int = LEAP) -> list[Part]:
        """Return the parts of the guess with the most packets, by their numbers, if it has so many; let them go."""
        guess = max(self._guesses, key=lambda each: each.packets, default=None)
        if guess is None or guess.packets < least:
            return []
        self._guesses.remove(guess)
        return sorted(guess.held, key=lambda part: part.dump)

    def clear(self) -> int:
        """Let all parts go; return how many packets were held."""
        count = sum(map(_packets, self._guesses))
        self._guesses = []
        return count

    @property
    def _nbytes(self) -> int:
        return sum(each.nbytes for each in self._guesses)

    def _make_room(self, enough: Callable[[], bool], keep: Guess) -> int:
        """Let guesses go until there is enough room: those with the fewest packets first, and of these the oldest."""
        let_go = 0
        while not enough() and (others := [each for each in self._guesses if each is not keep]):
            fewest = min(others, key=lambda each: each.packets)
            self._guesses.remove(fewest)
            let_go += _packets(fewest)
        return let_go


def _packets(guess: Guess) -> int:
    return sum(part.packets for part in guess.held)


def _copy(part: Part) -> Part:
    """Return a part in memory of its own: that of the stream is used again."""
    arrays = {name: getattr(part, name) for name in ("visibility", "flag", "weight", "scale", "uvw")}
    return replace(part, **{name: array.copy() for name, array in arrays.items() if array is not None})
