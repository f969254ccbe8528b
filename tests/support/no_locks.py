"""Runs a command as if no file system had locks: `python no_locks.py COMMAND ...`

A filter of system calls (seccomp) answers fcntl(2) with "Operation not supported" if it is asked for a lock.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

_FCNTL = {"x86_64": 72, "aarch64": 25}
_GETLK, _SETLKW = 5, 7  # and F_SETLK between them
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _AT_LEAST, _GREATER, _RETURN = 0x20, 0x15, 0x35, 0x25, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_NUMBER, _SECOND = 0, 24  # the places of the call's number and of its second argument


def without_locks() -> None:
    """Take locks away from now on, for this process and its children."""
    program = b"".join(
        struct.pack("HBBI", *each)
        for each in (
            (_LOAD, 0, 0, _NUMBER),
            (_EQUAL, 0, 4, _FCNTL[platform.machine()]),
            (_LOAD, 0, 0, _SECOND),
            (_AT_LEAST, 0, 2, _GETLK),
            (_GREATER, 1, 0, _SETLKW),
            (_RETURN, 0, 0, _ERROR | errno.EOPNOTSUPP),
            (_RETURN, 0, 0, _ALLOW),
        )
    )
    code = ctypes.create_string_buffer(program, len(program))
    described = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    library = ctypes.CDLL(None, use_errno=True)
    for call in ((_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, ctypes.addressof(described), 0, 0)):
        if library.prctl(*(ctypes.c_ulong(each) for each in call)):
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    without_locks()
    os.execv(sys.argv[1], sys.argv[1:])
