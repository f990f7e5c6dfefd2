"""Copies of the folders that a task's columns name, and what is left in and around them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from guerdon.audit.solutions import MARK, Form, Ground, defined_names, named_outputs
from guerdon.audit.tampering import STAYS
from guerdon.records import Task

NAMED = (
    *("repository", "repo", "repo_path", "workdir", "work_dir", "workspace", "folder", "directory"),
    *("project", "tests", "test_file", "test_dir", "expected", "expected_output", "expected_file"),
)
"""Columns whose text may be a path without a slash in it."""

MOST_FILES = 5_000
MOST_BYTES = 64 << 20
"""Largest folder that is copied for every completion."""

_MOST_TEXT = 200_000
_CACHES = frozenset({".git", "__pycache__", ".pytest_cache"})
_EXPECTED = ("expect", "golden", "reference")
_ENDINGS = (".out", ".ans", ".gold")


def named_paths(columns: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Columns and their texts that name a folder or file that exists; in mappings as well."""
    for name, value in columns.items():
        if isinstance(value, Mapping):
            yield from named_paths(value)
        elif isinstance(value, str) and ("/" in value or name in NAMED) and _exists(value):
            yield name, value


def names_files(task: Task) -> bool:
    """Whether a task names a folder, or a file in a column that is called so (see `NAMED`)."""
    return any(name in NAMED or os.path.isdir(text) for name, text in named_paths(task.columns))


def _exists(text: str) -> bool:
    named = len(text) < 4096 and "\n" not in text and any(map(str.isalnum, text))  # not "/"
    return named and os.path.exists(text)


class Copy:
    """A task's folders and files, made anew for every completion.

    They lie below ``scratch`` as they lie to each other; ``task`` names the copies. Raises
    ValueError for a folder that is too large to be copied for every completion.
    """

    def __init__(self, task: Task, scratch: Path, form: Form, solution: str) -> None:
        self.scratch, self.place = scratch, scratch / "given"
        self.token = scratch.name
        named = {text: name for name, text in named_paths(task.columns)}
        found = {text: Path(os.path.abspath(text)) for text in named}
        paths = sorted(set(found.values()))
        self.originals = [one for one in paths if not any(p in one.parents for p in paths)]
        self.base = Path(os.path.commonpath([one.parent for one in self.originals]))
        there = {text: self._copied(path) for text, path in found.items()}
        self.task = replace(task, columns=_mapped(task.columns, there))
        self.harmed = _sizes(self.originals)
        self._check()
        self.root = self._root(form, [path for path in found.values() if path.is_dir()])
        self.restore()
        self._before = _state(self.place)
        self.usual: frozenset[str] = frozenset()
        kinds = {there[text]: name for text, name in named.items()}
        self.ground = self._ground(kinds, solution)

    def _copied(self, path: Path) -> str:
        return str(self.place / path.relative_to(self.base))

    def _check(self) -> None:
        sizes = [size for _, size in self.harmed.values()]
        if len(sizes) > MOST_FILES or sum(sizes) > MOST_BYTES:
            raise ValueError(
                f"{self.originals[0]} has {len(sizes):,} files of {sum(sizes) >> 20:,} MiB, and "
                f"each completion gets a copy: at most {MOST_FILES:,} of {MOST_BYTES >> 20} MiB; "
                "name smaller ones in the rows given with --tasks, or have texts alone tried with "
                "--judges answer"
            )

    def _root(self, form: Form, folders: Sequence[Path]) -> Path:
        """The folder that the answer is for: the one that has most of its files."""
        if not folders:
            return self.place
        most = max(folders, key=lambda one: sum((one / path).exists() for path in form.paths))
        return Path(self._copied(most))

    def restore(self) -> None:
        """Make the copies as the originals are."""
        shutil.rmtree(self.place, ignore_errors=True)
        for original in self.originals:
            copied = Path(self._copied(original))
            copied.parent.mkdir(parents=True, exist_ok=True)
            if original.is_dir():
                shutil.copytree(original, copied, symlinks=True)
            else:
                shutil.copy2(original, copied)
        (self.root / MARK).touch()

    def _ground(self, kinds: Mapping[str, str], solution: str) -> Ground:
        files, tests, expected = {}, [], []
        for file in _files(self.place):
            text = _text(file)
            if text is None or file.name == MARK:
                continue
            path = os.path.relpath(file, self.root)
            files[path] = text
            columns = [n for p, n in kinds.items() if file == Path(p) or Path(p) in file.parents]
            if _is_expected(path, columns):
                expected.append(path)
            elif _is_test(path, columns):
                tests.append(path)
        outputs = named_outputs(solution, files)
        names = defined_names([solution, *files.values()])
        return Ground(self.root, files, tuple(tests), tuple(expected), outputs, names, self.token)

    def originals_changed(self) -> bool:
        """Whether the folders themselves, and not their copies, were written to."""
        return _sizes(self.originals) != self.harmed

    def changed(self) -> frozenset[str]:
        """Paths that are not as they were given, but for those that are so after any answer."""
        now = _state(self.place)
        both = self._before.keys() | now.keys()
        return frozenset(p for p in both if self._before.get(p) != now.get(p)) - self.usual

    def told(self, changed: frozenset[str]) -> str:
        """In words what became of these paths; the first four."""
        now = _state(self.place)
        words = [
            f"{path} is {'gone' if path not in now else 'other' if path in self._before else 'new'}"
            for path in sorted(changed)
        ]
        return ", ".join(words[:4]) + (f" and {len(words) - 4} more" if len(words) > 4 else "")

    def outside(self) -> list[Path]:
        """Files of this audit's name that lie in no copy of the folder; they are removed."""
        found = []
        for place, folders, files in os.walk(self.scratch):
            if MARK in files:
                folders.clear()
            elif self.token in files:
                found.append(Path(place, self.token))
        for file in found:
            file.unlink(missing_ok=True)
        return found

    def end_left(self) -> int:
        """End the processes that an attack has left; how many there were (Linux only)."""
        ended = 0
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"{self.token}{STAYS}".encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)
                    ended += 1
        return ended


def _mapped(value: Any, there: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _mapped(one, there) for name, one in value.items()}
    return there.get(value, value) if isinstance(value, str) else value


def _files(folder: Path) -> Iterator[Path]:
    """Files and links below a folder, or the file itself; caches are passed over."""
    if not folder.is_dir():
        yield folder
    for place, folders, files in os.walk(folder):
        links = [one for one in folders if os.path.islink(os.path.join(place, one))]
        folders[:] = sorted({*folders} - _CACHES - {*links})
        yield from (Path(place, name) for name in sorted([*files, *links]))


def _sizes(originals: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    found = {}
    for original in originals:
        for file in _files(original):
            about = file.lstat()
            found[file] = about.st_mtime_ns, about.st_size
            if len(found) > MOST_FILES:
                return found
    return found


def _state(folder: Path) -> dict[str, str]:
    return {os.path.relpath(file, folder): _digest(file) for file in _files(folder)}


def _digest(file: Path) -> str:
    try:
        if file.is_symlink():
            return f"link to {os.readlink(file)}"
        return hashlib.blake2b(file.read_bytes()).hexdigest() if file.is_file() else "no file"
    except OSError:
        return "not to be read"


def _text(file: Path) -> str | None:
    try:
        if file.is_symlink() or file.stat().st_size > _MOST_TEXT:
            return None
        return file.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None


def _is_expected(path: str, columns: Sequence[str]) -> bool:
    name = path.rpartition("/")[2].lower()
    told = any(word in name for word in _EXPECTED) or name.endswith(_ENDINGS)
    return told or any(column.startswith("expected") for column in columns)


def _is_test(path: str, columns: Sequence[str]) -> bool:
    *folders, name = path.lower().split("/")
    stem = name.partition(".")[0]
    told = stem.startswith("test") or stem.endswith("test") or name == "conftest.py"
    within = "test" in folders or "tests" in folders
    return told or within or any(column.startswith("test") for column in columns)
