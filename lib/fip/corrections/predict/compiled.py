"""The functions that predict, compiled, or plain if no machine code may be made here."""

import logging
from functools import cache
from types import ModuleType

from fip.imaging.machine_code import machine_code_allowed

log = logging.getLogger("fip.corrections.predict")


@cache
def functions() -> ModuleType:
    """Return `lanes.py`, or `plain.py` if no machine code may be made here; a line of the log then says so."""
    # Late: numba takes half a second to import.
    if machine_code_allowed():
        from fip.corrections.predict import lanes

        return lanes
    from fip.corrections.predict import plain

    log.warning("sky models are predicted without compiled code, up to thirty times slower: it may not be made here")
    return plain
