"""The name by which `ps` and `top` show a process."""

import ctypes
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_PR_SET_NAME = 15
_ARGUMENTS = slice(45, 47)  # of the fields of /proc/self/stat after the name: their begin and end in memory


def call_itself(words: Sequence[str]) -> None:
    """Show these words in `ps` and `top` in place of the command line of the process that was forked."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, words[0].encode())
    with suppress(OSError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        begin, end = map(int, fields[_ARGUMENTS])
        text = b"\0".join(word.encode() for word in words)[: end - begin - 1]
        ctypes.memmove(begin, text.ljust(end - begin, b"\0"), end - begin)
