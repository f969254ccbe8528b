"""Whether machine code may be made here; and the functions that predict, compiled or plain."""

import logging
import mmap
from functools import cache
from types import ModuleType

log = logging.getLogger("fip.corrections.predict")


def machine_code_allowed() -> bool:
    """Whether memory may be written and then run: not in a unit with MemoryDenyWriteExecute.

    LLVM does not raise where it may not: it ends the process. So we ask for such a page before it does.
    """
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    except OSError:
        return False
    return True


@cache
def functions() -> ModuleType:
    """`lanes.py`, or `plain.py` if no machine code may be made here, which a line of the log then says."""
    # Late: numba takes half a second to import.
    if machine_code_allowed():
        from fip.corrections.predict import lanes

        return lanes
    from fip.corrections.predict import plain

    log.warning("sky models are predicted without compiled code, up to thirty times slower: it may not be made here")
    return plain
