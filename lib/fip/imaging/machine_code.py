"""The test of whether machine code may be made here. It does not import numba."""

import mmap


def machine_code_allowed() -> bool:
    """Return whether memory may be written and then run: not in a unit with MemoryDenyWriteExecute.

    If it may not, LLVM does not raise: it ends the process. So we ask for such a page before it does.
    """
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    except OSError:
        return False
    return True
