"""Values between two processes: whole, whatever their size; an end that is gone is seen."""

import socket
from pickle import PickleBuffer
from threading import Thread

import numpy as np
import pytest

from fip.source.pipe import Pipe


def test_values_and_buffers_go_through() -> None:
    """More than the socket holds at a time, buffers of no bytes, and several values one after the other."""
    large = np.arange(1_000_000.0)
    ours, theirs = map(Pipe, socket.socketpair())
    sender = Thread(target=ours.send, args=[[PickleBuffer(large.data), b"header", PickleBuffer(b"")]])
    ours.send((1, "a"))
    sender.start()
    assert theirs.receive() == (1, "a")
    array, header, nothing = theirs.receive()
    assert np.array_equal(np.frombuffer(array), large)
    assert (header, bytes(nothing)) == (b"header", b"")
    sender.join()
    ours.close()
    with pytest.raises(EOFError):
        theirs.receive()
    theirs.close()
