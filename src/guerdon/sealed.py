"""Folders that carry the digest of every file in them, so that damage is found before use.

The digests stand in the file ``SHA256SUMS``, which ``sha256sum -c`` reads.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

SUMS = "SHA256SUMS"


def seal(folder: Path, names: Iterable[str] | None = None) -> None:
    """Write the digests of ``names`` (None = all files at any depth); all is on disk on return.

    An older ``SHA256SUMS`` is replaced whole. Raises OSError where the disk does.
    """
    listed = sorted(_files(folder) if names is None else names)
    for name in listed:
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())
    part = folder / f"{SUMS}.writing"
    with part.open("w") as file:
        file.write("".join(_line(folder, name) for name in listed))
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / SUMS)
    sync_folder(folder)


def fault(folder: Path, *, alone: bool = True) -> str | None:
    """What is wrong with a sealed folder, in a few words; None where it is as it was sealed.

    With ``alone`` a file that was not sealed is a fault as well; names that begin with a dot,
    which file managers and network file systems leave, are not looked at.
    """
    found = faults(folder)
    if not found and alone and (extra := sorted(_files(folder) - _listed(folder).keys())):
        return f"{extra[0]!r} does not belong to it"
    return next(iter(found.values()), None)


def faults(folder: Path) -> dict[str, str]:
    """What is wrong with the sealed files of a folder, by their names; {} where nothing is."""
    sums = folder / SUMS
    if not sums.is_file():
        return {SUMS: f"{SUMS} is missing"}
    listed, found = _listed(folder), {}
    for name, digest in listed.items():
        if not _inside(folder, name):
            found[name] = f"{name!r} is missing"
        elif _digest(folder / name) != digest:
            found[name] = f"{name!r} is not what was written (its digest differs)"
    written = "".join(f"{listed[name]}  {name}\n" for name in sorted(listed))
    if written.encode() != sums.read_bytes():
        found[SUMS] = f"{SUMS} is not what was written"
    return found


def _listed(folder: Path) -> dict[str, str]:
    """The digest that each file had, by its name."""
    lines = (folder / SUMS).read_bytes().decode("utf-8", "replace").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def refuse_damaged(folder: Path) -> None:
    """Raises ValueError where a folder is sealed and not as it was; files that were added may be.

    A folder without digests, as most that hold models, passes.
    """
    wrong = fault(folder, alone=False) if (folder / SUMS).is_file() else None
    if wrong is not None:
        raise ValueError(
            f"{folder} is damaged: {wrong}; put it back from a copy, or, if it was changed on "
            f"purpose, delete {folder / SUMS}"
        )


def sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power cut (a no-op where unsupported)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not path.is_dir()
        and path.name not in (SUMS, f"{SUMS}.writing")
        and not path.name.startswith(".")
    }


def _inside(folder: Path, name: str) -> bool:
    """Whether ``name`` is a file in the folder: the list of a stranger must not lead out of it."""
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts and (folder / path).is_file()


def _line(folder: Path, name: str) -> str:
    return f"{_digest(folder / name)}  {name}\n"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
