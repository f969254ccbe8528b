"""The addresses of lanes: which are free, taken, or in another program's hands."""

from collections.abc import Iterator

from fip.runtime.sockets import lane_addresses

TRY_AGAIN = 2.0  # s after which an address is tried again that another program had


class Places:
    """The addresses that lanes may have. Which are taken is known, so a worker too many is refused without a search."""

    def __init__(self, lanes: str) -> None:
        """`lanes` is as `lane_addresses` takes it."""
        self._lanes = lanes
        ports = dict.fromkeys(lane_addresses(lanes, 0))
        self._free = ports if len(ports) > 1 else None  # in the order of their use; None: as many as one likes
        self._taken: dict[str, str] = {}  # as workers see it -> address
        self._foreign: dict[str, float] = {}  # that another program has, and until when it is not tried again
        self.why = f"all of {lanes} are taken, give more ports"

    def free(self, number: int, now: float) -> Iterator[str]:
        """Return the addresses to try for lane `number`, the next first."""
        if self._free is None:
            return iter(lane_addresses(self._lanes, number))
        for address in [each for each, until in self._foreign.items() if until <= now]:
            del self._foreign[address]
            self._free[address] = None
        return iter(tuple(self._free))

    def take(self, told: str, address: str) -> None:
        """Note that a lane has this address; `told` is the same address as workers see it."""
        if self._free is not None:
            del self._free[address]
            self._taken[told] = address

    def cannot_be_had(self, address: str, why: str, now: float) -> None:
        """Leave out this address for a while: another program has it now."""
        self.why = why
        if self._free is not None:
            del self._free[address]
            self._foreign[address] = now + TRY_AGAIN

    def give_back(self, told: str) -> None:
        """Take back the address of a closed lane; it is used again after all others."""
        address = self._taken.pop(told, None)
        if address is not None and self._free is not None:
            self._free[address] = None
