"""Which workers have the stages and kernels of users that a job asks for. Pure.

A job gives NAMES; which code that is, is settled once, before a run of it has its id, by the first worker that has the
NAME. From then on slices go to workers with code of that digest, and to no others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fip.data.needs import codes, with_codes
from fip.data.settings import Asked
from fip.data.user_code import Code, CodeKind, is_settled, name_of

Workers = Mapping[str, Sequence[Code]]
"""What each worker has, by HOST/NAME, in the order in which they joined."""


def is_all_settled(asked: Asked) -> bool:
    """Return whether it is known of all code of users which it is."""
    return all(is_settled(written) for _, written in codes(asked.imaging))


def settled(asked: Asked, workers: Workers) -> Asked:
    """Return the same request, with each NAME settled that a worker has."""

    def settle(kind: CodeKind, written: str) -> str:
        found = (code for has in workers.values() for code in has if code.is_asked(kind, written))
        return next((code.settled for code in found), written)

    return replace(asked, imaging=with_codes(asked.imaging, settle))


def fits(asked: Asked, has: Sequence[Code]) -> bool:
    """Return whether a worker has all code of users that is asked for."""
    return all(any(code.is_asked(kind, written) for code in has) for kind, written in codes(asked.imaging))


def lack(asked: Asked, workers: Workers) -> str:
    """Return what no worker has, in words; "" if one has all."""
    if any(fits(asked, has) for has in workers.values()):
        return ""
    for kind, written in codes(asked.imaging):
        if not any(code.is_asked(kind, written) for has in workers.values() for code in has):
            return f"no worker has {kind} {written}{_others(kind, written, workers)}"
    named = ", ".join(f"{kind} {written}" for kind, written in codes(asked.imaging))
    return f"no one worker has all of {named}"


def _others(kind: CodeKind, written: str, workers: Workers) -> str:
    """Return, in words, who has other code of the same name."""
    for worker, has in workers.items():
        for code in has:
            if (code.kind, code.name) == (kind, name_of(written)):
                return f": {worker} has {code.settled}, of version {code.version or 'unknown'}"
    names = sorted({code.name for has in workers.values() for code in has if code.kind == kind})
    return f": there are {', '.join(names)}" if names else ""
