"""What the launcher looks after itself where no part of the kernel adds it up: tree and folder.

Runs in the launcher of a sandbox and therefore imports the standard library only.
"""

from __future__ import annotations

import os

_MAX_FILES = 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")


def descendants(process: int) -> list[int]:
    """A process and all that it and its descendants started, as far as the kernel lists them."""
    found, left = [], [process]
    while left:
        one = left.pop()
        found.append(one)
        try:
            threads = os.listdir(f"/proc/{one}/task")
        except OSError:
            continue
        for thread in threads:
            left += map(int, _words(f"/proc/{one}/task/{thread}/children"))
    return found


def resident_bytes(processes: list[int]) -> int:
    """Memory in use by processes together; what they share counts for each."""
    pages = (_words(f"/proc/{one}/statm") for one in processes)
    return sum(int(words[1]) for words in pages if len(words) > 1) * _PAGE


def folder_bytes(folder: str, processes: list[int]) -> int:
    """Space taken by the files of a flat folder, also of those removed that are still open."""
    total = 0
    try:
        names = os.listdir(folder)
    except OSError:
        return 0
    if len(names) > _MAX_FILES:
        return 1 << 62
    for name in names:
        total += _space(os.path.join(folder, name), False)
    for process in processes:
        opened = f"/proc/{process}/fd"
        try:
            numbers = os.listdir(opened)
        except OSError:
            continue
        total += sum(_space(f"{opened}/{number}", True) for number in numbers)
    return total


def remove_folder(folder: str) -> None:
    """Remove a flat folder, as far as that is possible."""
    try:
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
    except OSError:
        return


def _space(path: str, removed: bool) -> int:
    try:
        found = os.stat(path)
    except OSError:
        return 0
    return 512 * found.st_blocks if not (removed and found.st_nlink) else 0


def _words(path: str) -> list[str]:
    try:
        with open(path) as file:
            return file.read().split()
    except OSError:
        return []
