"""What the C library does with memory that tensors give back."""

from __future__ import annotations

import ctypes
import os
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of the settings in glibc's ``malloc.h``."""

KEPT_BYTES = 1 << 30


def keep_freed_memory() -> bool:
    """Let this process keep up to 1 GiB that it frees; returns whether that was arranged.

    A step frees and asks for the same large tensors again and again. By default glibc hands
    them back to the system, which has to clear every page that is asked for next: a twelfth of
    a short training step. It holds for the whole process from then on. Nothing is done
    outside glibc, or where the environment has ``MALLOC_`` settings of its own.
    """
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return all(mallopt(name, KEPT_BYTES) for name in (TRIM_THRESHOLD, MMAP_THRESHOLD))
