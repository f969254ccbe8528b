"""Opens a stream of MeerKAT's L0, as `[receiver] format = "meerkat-l0"` asks for."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import spead2  # noqa: F401 if it is not installed, that is said before telstate is waited for

from fip.config import Receiver
from fip.data.errors import ConfigError, InputError
from fip.imaging.machine_code import machine_code_allowed
from fip.receiver.meerkat.observation import Observation
from fip.receiver.meerkat.products import Copier, folder_of_gains
from fip.receiver.meerkat.telstate import Telstate, is_live, observation_of, open_telstate, turns_of
from fip.receiver.part import Stream
from fip.spool.layout import ENDED_FILE

log = logging.getLogger("fip.receiver.meerkat")

AGAIN = 2.0  # s until a telstate is asked again that does not say all that is needed


def open_stream(receiver: Receiver) -> Stream:
    """Return a stream of L0 whose set-up is what telstate says. ConfigError or InputError in one line if it cannot be.

    If a telstate does not answer, or does not say yet what is needed, or names a capture block whose spool has ended,
    wait for it without end: the log says for what. Do not wait for a file.
    """
    if not receiver.listen:
        raise ConfigError("receiver.listen: is empty; name the endpoints of the L0 stream, as udp://239.2.1.1:7148")
    said = ""
    while True:
        try:
            telstate = open_telstate(receiver.setup)
            observation = observation_of(telstate)
            if is_live(receiver.setup) and (receiver.spool / observation.setup.folder / ENDED_FILE).exists():
                raise InputError(
                    f"{telstate.label}: the capture block {telstate.block} has ended; another one has to begin"
                )
            return open_with(telstate, observation, receiver.listen, receiver.buffer, receiver.spool)
        except InputError as error:
            if not is_live(receiver.setup):
                raise
            if str(error) != said:
                log.warning("waiting for telstate: %s", error)
                said = str(error)
        time.sleep(AGAIN)


def open_with(
    telstate: Telstate, observation: Observation, endpoints: Sequence[str], buffer: int, spools: Path
) -> Stream:
    """Return the same for a telstate that is open already. ConfigError if an endpoint cannot be bound."""
    if not machine_code_allowed():
        raise ConfigError(
            "receiver.format: meerkat-l0 compiles what spead2 calls, and no machine code may be made here: the unit "
            "needs MemoryDenyWriteExecute=no"
        )
    from fip.receiver.meerkat.stream import MeerkatStream  # compiles as it is imported

    copier = Copier(telstate, spools / folder_of_gains(observation.setup.folder))

    def look() -> None:
        copier.copy()
        observation.turns = turns_of(telstate, observation.setup.targets)[1]

    observation.look = look
    return MeerkatStream(observation, endpoints, buffer)
