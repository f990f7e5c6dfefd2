"""Freed memory stays with the process, unless its environment says otherwise."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, torch
from guerdon.training.allocator import keep_freed_memory
print(keep_freed_memory())
for step in range(24):
    if step == 12:  # by then the heap has its full size
        start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(20 << 20, dtype=torch.uint8), torch.ones(60 << 20, dtype=torch.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc's setting")
def test_pages_are_not_asked_for_again():
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    found = []
    for more in ({}, {"MALLOC_ARENA_MAX": "4"}):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=clean | more,
            capture_output=True,
            text=True,
            check=True,
        )
        arranged, faults = done.stdout.split()
        found.append((arranged, int(faults)))
    (kept, few), (left, many) = found
    assert (kept, left) == ("True", "False")
    assert few < many / 4
