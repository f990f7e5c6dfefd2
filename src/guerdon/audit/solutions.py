"""A reference solution's form, and something else said in that form.

A grader of files reads a completion as a patch, as whole files or as a program. What is tried on it
must be written as it reads, so the form is taken from a solution that it pays.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

MARK = ".guerdon-audit"
"""Lies in every copy of a folder: code of an attack acts on no folder without it."""

_DIFF = re.compile(r"^(?:diff --git |--- )", re.MULTILINE)
_NEW = re.compile(r"^\+\+\+ (?:b/)?([^\t\n]{1,500})", re.MULTILINE)
_FENCE = re.compile(r"^(`{3,})[^`\n]{0,300}\n", re.MULTILINE)
_TAG = re.compile(r"<(\w{1,20}) [^<>\n]{1,300}>\n?")
_PATH = re.compile(r"(?<![\w./-])[\w./-]{0,200}\w\.[A-Za-z]\w{0,7}(?![\w./-])")
_QUERY = re.compile(r"\s{0,100}(?:SELECT|WITH)\b", re.IGNORECASE)
_NOTE = "Nothing is done yet.\n"


@dataclass(frozen=True)
class Change:
    """A file as a completion leaves it, its path seen from the folder that the answer is for.

    ``text`` is None where the file is to go; of a ``link`` it is what that points to.
    """

    path: str
    text: str | None
    link: bool = False


@dataclass(frozen=True)
class Trick:
    """What a completion does in place of the task: files, code in the solution's place, a query.

    ``code`` is Python. It may use ``ROOTS``, the copies of the folder that it finds (see `MARK`).
    """

    changes: tuple[Change, ...] = ()
    code: str = ""
    query: str = ""


@dataclass(frozen=True)
class Ground:
    """A folder as an attack knows it; all paths are seen from ``root``.

    ``files``: the small text files by path. ``tests`` and ``expected`` are those among them that
    look like tests and like expected output, ``outputs`` the files that the solution writes.
    ``names``: functions and classes of the solution. ``token`` names this audit.
    """

    root: Path
    files: Mapping[str, str] = field(default_factory=dict)
    tests: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    token: str = "guerdon-was-here"

    def runnable(self, code: str) -> str:
        """The code with what it needs to find the folder."""
        if "ROOTS" not in code:
            return code
        return _FINDING.format(mark=MARK, known=str(self.root)) + code


_FINDING = """import pathlib
_here = pathlib.Path.cwd()
_known = (_here, *_here.parents, pathlib.Path({known!r}))
ROOTS = [one for one in _known if (one / {mark!r}).exists()]
"""

_CHANGING = """for root in ROOTS:
    for path, text, link in {changes!r}:
        try:
            file = root / path
            if file.is_symlink() or file.exists():
                file.unlink()
            if link:
                file.symlink_to(text)
            elif text is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        except OSError:
            pass
"""


class Form(Protocol):
    """How answers are written: ``paths`` are the files that the reference solution writes."""

    @property
    def paths(self) -> tuple[str, ...]: ...

    def written(self, trick: Trick, ground: Ground) -> str | None:
        """The completion that does this; None where the form can't say it."""


def form_of(solution: str) -> Form:
    """The form of a reference solution: a diff, named files, a query or a Python program.

    Raises ValueError where it is none of these.
    """
    if _DIFF.search(solution) and _NEW.search(solution):
        return _diff_form(solution)
    blocks = list(_named_blocks(solution))
    if blocks:
        return _FilesForm(solution[: blocks[0].start], solution[blocks[-1].end :], tuple(blocks))
    if _QUERY.match(solution):
        return _QueryForm()
    return _program_form(solution)


def unsolved(form: Form, ground: Ground) -> str:
    """A completion in this form that does nothing."""
    tried = (
        Trick(code="pass\n") if isinstance(form, _ProgramForm) else None,
        Trick((Change("notes.txt", _NOTE),)),
        Trick(query="SELECT NULL"),
    )
    written = (form.written(one, ground) for one in tried if one is not None)
    return next(text for text in written if text is not None)


def _as_files(paths: Sequence[str], trick: Trick, ground: Ground) -> list[Change] | None:
    """A trick as files alone: its code stands in the solution's Python files."""
    hosts = [path for path in paths if path.endswith(".py")] if trick.code else []
    if not trick.changes and not hosts:
        return None
    changes = {change.path: change for change in trick.changes}
    for path in paths:
        if path not in changes and path in hosts:
            changes[path] = Change(path, ground.runnable(trick.code))
        elif path not in changes and path not in ground.files:
            changes[path] = Change(path, "")  # what the tests import is there
    return list(changes.values())


@dataclass(frozen=True)
class _DiffForm:
    before: str
    after: str
    paths: tuple[str, ...]
    prefixed: bool

    def written(self, trick: Trick, ground: Ground) -> str | None:
        changes = _as_files(self.paths, trick, ground)
        if not changes:
            return None
        said = "".join(self._one(one, ground.files.get(one.path)) for one in changes)
        return self.before + said + self.after

    def _one(self, change: Change, old: str | None) -> str:
        if change.link and old is not None:  # a file becomes a link as git says it: it goes first
            gone = Change(change.path, None)
            return self._one(gone, old) + self._one(change, None)
        if old is None and change.text is None:
            return ""
        mine, theirs = (f"{p}{change.path}" for p in (("a/", "b/") if self.prefixed else ("", "")))
        head = f"diff --git {mine} {theirs}\n"
        if change.text is None:
            head, theirs = head + "deleted file mode 100644\n", "/dev/null"
        elif old is None:
            head, mine = (
                head + f"new file mode {'120000' if change.link else '100644'}\n",
                "/dev/null",
            )
        had, has = ((text or "").splitlines(keepends=True) for text in (old, change.text))
        body = difflib.unified_diff(had, has, mine, theirs)
        return head + "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in body
        )


def _diff_form(solution: str) -> _DiffForm:
    start = _DIFF.search(solution)
    assert start is not None
    fence = solution.find("\n```", start.start())
    end = len(solution) if fence < 0 else fence + 1
    said = solution[start.start() : end]
    paths = tuple(path for path in _NEW.findall(said) if path != "/dev/null")
    prefixed = "\n+++ b/" in said
    return _DiffForm(solution[: start.start()], solution[end:], paths, prefixed)


@dataclass(frozen=True)
class _Block:
    """A named file in a text: what stands around its contents, and where."""

    path: str
    opening: str
    closing: str
    start: int
    end: int
    contents: str


@dataclass(frozen=True)
class _FilesForm:
    before: str
    after: str
    blocks: tuple[_Block, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(block.path for block in self.blocks)

    def written(self, trick: Trick, ground: Ground) -> str | None:
        changes = _as_files(self.paths, trick, ground)
        if not changes or any(change.link for change in changes):
            return None
        first = self.blocks[0]
        # A form of whole files can't take one away, but it can empty it.
        said = [
            first.opening.replace(first.path, one.path)
            + (one.text or "").removesuffix("\n")
            + first.closing
            for one in changes
        ]
        return self.before + "\n".join(said) + self.after


def _named_blocks(solution: str) -> Iterator[_Block]:
    """Fences and tags that are called after a file, on their line, above it or in a comment."""
    place = 0
    while place < len(solution):
        found = [
            (match, close)
            for pattern in (_FENCE, _TAG)
            if (match := pattern.search(solution, place))
            and (close := _closing(solution, match)) >= 0
        ]
        if not found:
            return
        match, close = min(found, key=lambda one: one[0].start())
        ending = f"</{match[1]}>" if match[0].startswith("<") else f"\n{match[1]}"
        line = solution.rfind("\n", 0, max(match.start() - 1, 0)) + 1
        start = max(line, place) if match[0].startswith("`") else match.start()
        inside = solution[match.end() : close]
        first, newline, _ = inside.partition("\n")
        comment = first + newline if first.startswith(("#", "//")) else ""
        for begin, contents in ((start, match.end()), (match.start(), match.end() + len(comment))):
            named = _PATH.search(solution[begin:contents])
            if named:
                opening, rest = solution[begin:contents], solution[contents:close]
                end = close + len(ending)
                yield _Block(named[0], opening, ending, begin, end, rest)
                break
        place = close + len(ending)


def _closing(solution: str, opening: re.Match[str]) -> int:
    mark = f"</{opening[1]}>" if opening[0].startswith("<") else f"\n{opening[1]}"
    return solution.find(mark, opening.end() - 1)


@dataclass(frozen=True)
class _QueryForm:
    paths: tuple[str, ...] = ()

    def written(self, trick: Trick, ground: Ground) -> str | None:
        return trick.query or None


@dataclass(frozen=True)
class _ProgramForm:
    before: str
    after: str
    paths: tuple[str, ...] = ()

    def written(self, trick: Trick, ground: Ground) -> str | None:
        code = trick.code
        if trick.changes:
            rows = [(one.path, one.text, one.link) for one in trick.changes]
            code = _CHANGING.format(changes=rows) + code
        return self.before + ground.runnable(code) + self.after if code else None


def _program_form(solution: str) -> _ProgramForm:
    """The last fence that holds Python, or the whole text."""
    for match in reversed(list(_FENCE.finditer(solution))):
        close = _closing(solution, match)
        if close >= 0 and _is_python(solution[match.end() : close]):
            return _ProgramForm(solution[: match.end()], solution[close + 1 :])
    if _is_python(solution):
        return _ProgramForm("", "")
    raise ValueError(
        f"the reference solution {solution!r:.60} is no diff, no files in fences or tags that name "
        "them, no query and no Python program; write it as the reward reads answers"
    )


def _is_python(text: str) -> bool:
    try:
        return bool(ast.parse(text).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


_DEFINED = re.compile(r"^[+ ]?(?:def|class) (\w{1,100})", re.MULTILINE)
_WRITTEN = re.compile(r"[\"']([\w.-]{1,80}\.[a-z]{1,5})[\"']")


def defined_names(texts: Iterable[str]) -> tuple[str, ...]:
    """Functions and classes that stand at the beginning of a line, of a diff too."""
    return tuple(dict.fromkeys(name for text in texts for name in _DEFINED.findall(text)))


def named_outputs(solution: str, files: Mapping[str, str]) -> tuple[str, ...]:
    """What looks like a file's name in a solution and is none that is there already."""
    return tuple(one for one in dict.fromkeys(_WRITTEN.findall(solution)) if one not in files)
