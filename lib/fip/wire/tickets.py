"""Lease tickets: what shows the sink that an image comes from the worker to which its slice was leased. Pure.

The ventilator makes one for each slice that it sends, with a secret that it shares with the sink alone; the worker
returns it with the image. The secret follows from the ventilator's private key, so that tickets stay good when the
ventilator is started again. Without keys there is no secret, and no ticket.
"""

import hmac
from hashlib import sha256

from fip.data.names import RunId


def ticket_secret(private_key: str) -> bytes:
    """Return the secret that tickets are made with, of the ventilator's private key; b"" without one."""
    return hmac.digest(private_key.encode(), b"fip lease tickets", sha256) if private_key else b""


def ticket(secret: bytes, run: RunId, index: int, worker: str, key: str) -> bytes:
    """Return the ticket of a slice that is leased to a worker, HOST/NAME, which joined with the key of host `key`.

    `key` is "" if images are not encrypted: then the sink cannot know whose they are. b"" without a secret.
    """
    said = "\0".join((run, str(index), worker, key))  # none of them has a NUL: labels, a number, names of hosts
    return hmac.digest(secret, said.encode(), sha256) if secret else b""


def is_ticket(shown: bytes, secret: bytes, run: RunId, index: int, worker: str, key: str) -> bool:
    """Return whether an image of this slice, by this worker, over a connection with this key, has its ticket."""
    return hmac.compare_digest(shown, ticket(secret, run, index, worker, key))
