"""A process that belongs to another: how it is started, and that it does not outlive it."""

import ctypes
import os
import signal
import socket
import sys

_PR_SET_PDEATHSIG = 1


def start_python(program: str, *, session: bool = False) -> tuple[int, socket.socket]:
    """Start Python with `program`, in which {descriptor} is its end of a socket pair; return its process id, and our
    end.

    With `session` it has one of its own, and no Ctrl-C of the terminal reaches it. Raises OSError.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.set_inheritable(True)
        no_input = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        command = [sys.executable, "-c", program.format(descriptor=theirs.fileno())]
        pid = os.posix_spawn(sys.executable, command, os.environ, file_actions=[no_input], setsid=session)
    return pid, ours


def end_with_parent(how: signal.Signals) -> None:
    """Let the kernel signal this process when the thread that started it is gone: prctl(2), PR_SET_PDEATHSIG."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, how)


def belong_to(parent: int) -> None:
    """Let the kernel kill this process when `parent`, which started it, is gone; at once if that is so already.

    Call this first of all: other imports take seconds, in which the parent may end.
    """
    end_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
