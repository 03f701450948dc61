"""Keeping a process's memory, so that the system need not clear the same pages at every step.

glibc gives each large block back to the system when it is freed and asks for a new one, whose pages the system clears
and maps one by one: millions of page faults, and a quarter to two fifths of a step of EG3D-FFHQ on two cores. Kept in
the heap, blocks are used again, at the price of gaps between them (mallopt(3); docs/performance.md, "The heap").
Light: never imports torch.
"""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's malloc.h."""
LARGEST = 2**31 - 1
"""Bytes; the most that mallopt's int holds."""


def keep_heap() -> bool:
    """Lets this process keep what it frees, until it ends; False where the C library is not glibc: nothing changes."""
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST)) and bool(mallopt(M_TRIM_THRESHOLD, -1))
