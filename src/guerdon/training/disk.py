"""Files that are whole or absent, and errors that say what the disk lacked."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from guerdon.sealed import sync_folder

_OS_ERROR = re.compile(r"\(os error (\d+)\)")


class DiskError(OSError):
    """A run's file could not be written or read; one sentence with the mend."""


@contextmanager
def writing_to(what: Path, needed: int | None = None) -> Iterator[None]:
    """Turn what the disk refuses inside into a `DiskError` that names it.

    ``what`` is the file or folder being written and ``needed`` its bytes, if known.
    """
    try:
        yield
    except DiskError as error:
        refused = error.__cause__
        if not isinstance(refused, OSError):  # it says all there is to say
            raise
        raise DiskError(_told(what, needed, refused)) from refused  # what is larger says more
    except OSError as error:
        raise DiskError(_told(what, needed, error)) from error
    except Exception as error:
        # What is written in Rust (safetensors, tokenizers) raises errors of its own.
        number = _OS_ERROR.search(str(error))
        if number is None:
            raise
        refused = OSError(int(number[1]), os.strerror(int(number[1])))
        raise DiskError(_told(what, needed, refused)) from error


@contextmanager
def whole_file(path: Path, needed: int | None = None) -> Iterator[IO[bytes]]:
    """A file to write to, which takes ``path`` over when all is on disk, else leaves no trace.

    Whoever looks sees the old file or the new one. Raises `DiskError`.
    """
    part = path.with_name(path.name + ".writing")
    with writing_to(path, needed):
        try:
            part.unlink(missing_ok=True)  # a link of this name would be followed
            with part.open("wb") as file:
                kept = _FirstError(file)
                try:
                    yield kept  # type: ignore[misc]
                finally:
                    kept.tell_error()
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            sync_folder(path.parent)
        except BaseException:
            # What a full disk could not take must not keep the disk full.
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is the old one or the new one, never part of either."""
    data = text.encode()
    with whole_file(path, len(data)) as file:
        file.write(data)


def append_line(path: Path, line: str) -> None:
    """Add a line; it is on disk when this returns. Raises `DiskError`, maybe with part written."""
    data = line.encode()
    new = not path.exists()
    with writing_to(path, len(data)):
        with path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync_folder(path.parent)


def remove_folder(folder: Path) -> None:
    """Delete a folder that counts as whole, by a name that does not first."""
    if folder.exists():
        gone = folder.with_name(f"deleting-{folder.name}")
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what writes that were cut short left in ``folder``: no reader counts it."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name.endswith(".writing") or path.name.startswith(("writing-", "deleting-")):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


class _FirstError:
    """A file that keeps its first error: some writers lose it and report one of their own."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._error: OSError | None = None

    def write(self, data: Any) -> int:
        if self._error is None:
            try:
                return self._file.write(data)
            except OSError as error:
                self._error = error
        return len(data)

    def flush(self) -> None:
        if self._error is None:
            try:
                self._file.flush()
            except OSError as error:
                self._error = error

    def tell_error(self) -> None:
        """Raise what went wrong, if anything did."""
        if self._error is not None:
            raise self._error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _told(what: Path, needed: int | None, error: OSError) -> str:
    """One sentence: what could not be done, what it needed, what there was, and the mend."""
    folder = what.parent
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        wanted = "" if needed is None else f", which needs {size(needed)}"
        short = "quota" if error.errno == errno.EDQUOT else "disk"
        return (
            f"the {short} is full: there is no room for {what}{wanted} ({_free(folder)}); make room"
        )
    if isinstance(error, FileNotFoundError) and not folder.exists():
        return f"{what} can't be written: the folder {folder} is gone; put it back"
    reason = error.strerror or str(error)
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"{what} can't be written ({reason}): a file stands there; name another place"
    return f"{what} can't be written ({reason}); make {folder} writable"


def _free(folder: Path) -> str:
    """What is free, and on which disk."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return "how much is free can't be read"
    mount = folder.resolve()
    while not mount.is_mount() and mount != mount.parent:
        mount = mount.parent
    return f"{size(free)} free on the disk at {mount}"


def size(count: int) -> str:
    """Bytes as people read them: powers of 1000."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
