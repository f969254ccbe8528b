"""How a worker, or the sink, and the ventilator keep each other informed: one control connection, and what it says."""

import time
from collections.abc import Callable

import zmq

from fip.data.errors import ConfigError, WireError
from fip.runtime.gate import Gate
from fip.runtime.service import Loop
from fip.runtime.sockets import CONTROL_LINGER, control_socket, waits
from fip.runtime.vitals import Vitals
from fip.wire.codec import decode_control, encode_control
from fip.wire.messages import BRIEF_INTERVAL, STATE_INTERVAL, Control, Refused

AT_ONCE = 100  # messages
REFUSED_FOR = 5.0  # s for which a peer that was refused says nothing: it may be one too many for long


class Link:
    """A peer's connection to the ventilator, in the peer's loop.

    It sends its whole state twice a second, and a brief of it soon after a change.
    """

    def __init__(
        self,
        loop: Loop,
        gate: Gate,
        vitals: Vitals,
        address: str,
        hear: Callable[[Control], None],
        state: Callable[[], Control],
        brief: Callable[[], Control],
    ) -> None:
        """Connect to `address`; `hear` gets what comes from there, except refusals, which are logged.

        Raises ConfigError.
        """
        self._vitals, self._hear, self._state = vitals, hear, state
        self._briefs = Briefs(loop, lambda: self._tell(brief()))
        self.changed = self._briefs.changed
        self.heard = float("-inf")  # monotonic s, of the ventilator
        self._silent_until = 0.0  # monotonic s
        self._socket = control_socket(loop.context, zmq.DEALER)
        vitals.watch("control", self._socket)
        try:
            gate.connect(self._socket, address, gate.ventilator)
        except WireError as error:
            raise ConfigError(f"ventilator.control: {error}") from None
        loop.on(self._socket, self.hear_all)
        loop.every(STATE_INTERVAL, self.say)

    def say(self) -> None:
        """Send the whole state now; if it cannot be sent, the next one is half a second later."""
        self._tell(self._state())
        self._briefs.said()

    def hear_all(self) -> None:
        """Take what has come from the ventilator."""
        for _ in range(AT_ONCE):
            if not waits(self._socket):
                break
            self._on_message()

    def close(self) -> None:
        """Close the socket; what it has not sent is dropped."""
        self._socket.close(0)

    def leave(self) -> None:
        """Send the whole state for the last time, and close the socket once that is sent, or soon."""
        self.say()
        self._socket.close(CONTROL_LINGER)

    def _tell(self, message: Control) -> None:
        if time.monotonic() < self._silent_until:
            return
        try:
            self._socket.send(encode_control(message), zmq.NOBLOCK)
        except zmq.Again:
            pass
        except WireError as error:
            self._vitals.warnings.warning(f"the ventilator cannot be told of this {self._vitals.role}: {error}")

    def _on_message(self) -> None:
        try:
            message = decode_control(self._socket.recv())
            self.heard = time.monotonic()
            if isinstance(message, Refused):
                self._silent_until = time.monotonic() + REFUSED_FOR
                self._vitals.warnings.warning(f"the ventilator refuses this {self._vitals.role}: {message.reason}")
            else:
                self._hear(message)
        except WireError as error:
            self._vitals.bad_message("the ventilator", error)


class Briefs:
    """Sends a peer's brief after a change: at once if others wait for it, else soon, with what changes meanwhile."""

    def __init__(self, loop: Loop, say: Callable[[], None]) -> None:
        self._loop, self._say = loop, say
        self._changed = False  # since all was said
        self._waking = False  # a call of the loop is under way; one at a time

    def changed(self, waited_for: bool = False) -> None:
        """Send a change soon, or at once if the other side waits for it."""
        self._changed = True
        if waited_for:
            self._say_now()
        elif not self._waking:
            self._waking = True
            self._loop.at(time.monotonic() + BRIEF_INTERVAL, self._wake)

    def said(self) -> None:
        """Note that all was sent just now, in this message or another."""
        self._changed = False

    def _wake(self) -> None:
        self._waking = False
        if self._changed:
            self._say_now()

    def _say_now(self) -> None:
        self.said()
        self._say()
