"""What is freed goes back to the system: a limit of memory can be kept only where it does."""

from __future__ import annotations

import ctypes
import os
from functools import cache

__all__ = ["return_freed_memory"]

_MMAP_THRESHOLD = -3  # its number among the parameters of mallopt
_RETURNED_BYTES = 2**22  # from which NumPy asks for huge pages, which are made quickly


@cache
def return_freed_memory() -> bool:
    """From now on, have the C library give arrays of at least 4 MiB back to the system as soon as
    they are freed.

    glibc does so for arrays of at least 128 KiB, but raises that size to the size of each larger
    array that is freed, up to 32 MiB. Pieces of rows, which several threads make and free again and
    again, then lie in the heaps of these threads and leave gaps there, which the process keeps: it
    grows from pass to pass. Here the size stays 4 MiB. Smaller arrays fill the gaps that others of
    their kind leave, and clearing pages for each of them would take a tenth of a pass.

    Nothing happens where the environment sets that size (`MALLOC_MMAP_THRESHOLD_`,
    `GLIBC_TUNABLES`), or where the C library is another one.

    Returns:
        Whether the C library took it.

    Example:
        >>> return_freed_memory() in (True, False)
        True

    Reference: the manual page of mallopt(3), M_MMAP_THRESHOLD.
    """
    chosen = "MALLOC_MMAP_THRESHOLD_" in os.environ or "mmap_threshold" in os.environ.get("GLIBC_TUNABLES", "")
    if chosen or os.name != "posix":
        return False
    set_parameter = getattr(ctypes.CDLL(None), "mallopt", None)
    return set_parameter is not None and set_parameter(_MMAP_THRESHOLD, _RETURNED_BYTES) == 1
