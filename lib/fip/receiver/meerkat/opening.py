"""Opens a stream of MeerKAT's L0, as `[receiver] format = "meerkat-l0"` asks for."""

from collections.abc import Sequence
from pathlib import Path

from fip.config import Receiver
from fip.data.errors import ConfigError
from fip.receiver.meerkat.products import Copier, folder_of_gains
from fip.receiver.meerkat.telstate import Telstate, observation_of, open_telstate, turns_of
from fip.receiver.part import Stream


def open_stream(receiver: Receiver) -> Stream:
    """A stream of L0 whose set-up is what telstate says. ConfigError or InputError in one line if it cannot be."""
    if not receiver.listen:
        raise ConfigError("receiver.listen: is empty; name the endpoints of the L0 stream, as udp://239.2.1.1:7148")
    telstate = open_telstate(receiver.setup)
    return open_with(telstate, receiver.listen, receiver.buffer, receiver.spool)


def open_with(telstate: Telstate, endpoints: Sequence[str], buffer: int, spools: Path) -> Stream:
    """The same with a telstate that is open already."""
    try:
        from fip.receiver.meerkat.stream import MeerkatStream
    except ImportError as error:
        raise ConfigError(f"receiver.format: meerkat-l0 needs spead2 ({error}): pip install 'fip[live]'") from None
    observation = observation_of(telstate)
    copier = Copier(telstate, spools / folder_of_gains(observation.setup.folder))

    def look() -> None:
        """What telstate says now: solutions are copied, and another target is heeded."""
        copier.copy()
        observation.turns = turns_of(telstate, observation.setup.targets)[1]

    observation.look = look
    return MeerkatStream(observation, endpoints, buffer)
