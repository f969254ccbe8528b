"""Whether machine code may be made here. numba is not imported for it."""

import mmap


def machine_code_allowed() -> bool:
    """Whether memory may be written and then run: not in a unit with MemoryDenyWriteExecute.

    LLVM does not raise where it may not: it ends the process. So we ask for such a page before it does.
    """
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    except OSError:
        return False
    return True
