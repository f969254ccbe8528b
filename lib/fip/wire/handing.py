"""How a worker asks the sink of its own host for files to write an image into, and what it is answered. Pure.

Over a Unix socket that keeps messages apart (SOCK_SEQPACKET): one question, one answer, with which the descriptors come
(SCM_RIGHTS). What became of them is said by the image's usual message, which names the tokens.
"""

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Interval, Len

from fip.data.names import Count, Label, Line, Number, PathName, RunId, Text
from fip.data.values import MOST_KINDS

LONGEST_MESSAGE = 16384  # bytes


@dataclass(frozen=True)
class Files:
    """The place at which workers on the sink's own host get files to write large images into."""

    socket: PathName  # of a Unix socket
    boot: Line  # the sink's: another host may have a socket of this path, and be another's
    least: Count  # bytes of an image, from which on it is written so


@dataclass(frozen=True)
class Wanted:
    """Worker to sink: files for the images of a slice that is leased to it."""

    boot: Line  # of the sink that is meant
    run: RunId
    index: Number
    worker: Line  # HOST/NAME
    files: Annotated[int, Interval(ge=1, le=MOST_KINDS)]  # how many
    key: Line = ""  # the host whose key its ticket was made for; "" if images are not encrypted
    ticket: bytes = field(default=b"", repr=False)  # of the slice


@dataclass(frozen=True)
class Given:
    """Sink to worker: as many descriptors as tokens come with this; none, with a reason, if there are none for it."""

    tokens: Annotated[tuple[Label, ...], Len(0, MOST_KINDS)] = ()
    direct: bool = True  # whether they are to be written past the page cache, as nobody reads them soon
    reason: Text = ""
