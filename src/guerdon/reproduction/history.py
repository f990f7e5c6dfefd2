"""What git knows of results: the commit that one ran at, and whether its claim came before it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import guerdon
from guerdon.reproduction.claim import ClaimError
from guerdon.reproduction.code import digest
from guerdon.reproduction.versions import FOLDER

_PACKAGE = Path(guerdon.__file__).parent
_digest = lru_cache(maxsize=4096)(digest)


def commit_of(code: Mapping[str, str], package: Path = _PACKAGE) -> str:
    """The id of the commit that is checked out, which holds all of ``code``.

    Raises ClaimError where the package is not in a clone, or has changes that no commit holds.
    """
    try:
        top = Path(_git(package, "rev-parse", "--show-toplevel").strip())
        commit = _git(package, "rev-parse", "HEAD").strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise ClaimError(
            f"a result is recorded in a clone of the repository, with git, and {package} is in none"
        ) from error
    changed = _git(package, "status", "--porcelain", "--", ".").splitlines()
    if changed:
        told = ", ".join(line[3:] for line in changed[:4]) + (" …" if len(changed) > 4 else "")
        raise ClaimError(f"{commit[:12]}-dirty is no commit to record: commit first ({told})")
    inside = package.resolve().relative_to(top.resolve())
    there = _digests_at(top, commit, inside, code)
    for module, known in code.items():
        if there[module] != known:
            raise ClaimError(f"{module} that runs is not the one in commit {commit[:12]}")
    return commit


def text_at(commit: str, path: Path, package: Path = _PACKAGE) -> str:
    """The text of a file of the package's repository in a commit; "" where it has none."""
    top = Path(_git(package, "rev-parse", "--show-toplevel").strip())
    return _texts(top, commit, [path.as_posix()])[0] or ""


def whole(root: Path) -> bool:
    """Whether ``root`` is the top of a clone with its whole history."""
    if not (root / ".git").exists():
        return False
    try:
        return _git(root, "rev-parse", "--is-shallow-repository").strip() == "false"
    except (OSError, subprocess.CalledProcessError):
        return False


def doubts(root: Path, earlier: Collection[str] = ()) -> list[str]:
    """What git's history says against the results that its last commit holds, a sentence each.

    Every version was written by one commit and not touched since. But for ``earlier`` (paths below
    ``reproductions``, of before commits were written) that commit leaves recipe and claim of the
    system alone, and all code had these digests in the commit that the file names, which lies in
    the history before it. Somebody may have changed any of it since: the result is of what ran.
    """
    listed = _git(root, "ls-tree", "-r", "--name-only", "HEAD", "--", FOLDER.as_posix())
    found: list[str] = []
    for path in listed.splitlines():
        name = path.removeprefix(f"{FOLDER.as_posix()}/")
        if not Path(name).match("*/v*.json"):
            continue
        wrote = _git(root, "log", "--format=%H", "--no-renames", "--", path).split()
        if len(wrote) != 1:
            found.append(f"{path} was changed after it was written: {', '.join(wrote[:-1])}")
        if name not in earlier:
            data = json.loads(_git(root, "show", f"{wrote[-1]}:{path}"))
            found += [f"{path}: {told}" for told in _doubts_on(root, data, wrote[-1])]
    return found


def _doubts_on(root: Path, data: Mapping[str, Any], wrote: str) -> Iterator[str]:
    """What speaks against one recorded version that the commit ``wrote`` added."""
    module = str(data["slug"]).replace("-", "_")
    own = (f"guerdon.recipes.{module}", f"guerdon.claims.{module}")
    code, commit = data.get("code") or {}, data.get("commit")
    inside = Path("src", "guerdon")
    touched = _git(root, "diff-tree", "-r", "--no-commit-id", "--name-only", "-m", "--root", wrote)
    before = _digests_at(root, f"{wrote}^", inside, own)
    lies_before = bool(commit) and _before(root, str(commit), wrote)
    then = _digests_at(root, str(commit), inside, {*own, *code}) if lies_before else {}
    for name in own:
        if {path.as_posix() for path in _paths(inside, name)} & {*touched.split()}:
            yield f"the commit that adds it ({wrote[:12]}) changes {name}"
        if name not in code:
            yield f"it says no digest of {name}"
        elif code[name] not in (before[name], then.get(name)):
            yield f"{name} was another one before the commit that adds it ({wrote[:12]})"
    if not commit:
        yield "it says no commit"
    elif not lies_before:
        yield (
            f"it ran at commit {str(commit)[:12]}, which does not lie before {wrote[:12]}, that "
            "adds it: a commit is shared before a result is recorded at it, and not rewritten after"
        )
    else:
        for name, known in code.items():
            if then[name] != known:
                yield f"{name} is another one in the commit that it names ({str(commit)[:12]})"


def _before(root: Path, commit: str, later: str) -> bool:
    """Whether ``commit`` is an ancestor of ``later``, whose files can't name itself."""
    return _ask(root, "merge-base", "--is-ancestor", commit, later).returncode == 0


def _digests_at(
    root: Path, commit: str, inside: Path, modules: Iterable[str]
) -> dict[str, str | None]:
    """The digests of modules in a commit, in the package at ``inside``; None where it has none."""
    names = list(modules)
    paths = [path.as_posix() for name in names for path in _paths(inside, name)]
    texts = _texts(root, commit, paths)
    sources = [
        one if one is not None else other
        for one, other in zip(texts[::2], texts[1::2], strict=True)
    ]
    return {
        name: None if source is None else _digest(source)
        for name, source in zip(names, sources, strict=True)
    }


def _paths(inside: Path, module: str) -> tuple[Path, Path]:
    """Where a module of guerdon may lie: as a file, or as a package."""
    stem = inside.joinpath(*module.split(".")[1:])
    return stem.with_name(f"{stem.name}.py"), stem / "__init__.py"


def _texts(root: Path, commit: str, paths: Sequence[str]) -> list[str | None]:
    """The texts of files in a commit, by one call of git; None where there is none."""
    asked = "".join(f"{commit}:{path}\n" for path in paths)
    told = _ask(root, "cat-file", "--batch", given=asked.encode()).stdout
    found: list[str | None] = []
    for _ in paths:
        head, _, told = told.partition(b"\n")
        if head.endswith(b" missing"):
            found.append(None)
            continue
        size = int(head.split()[-1])
        found.append(told[:size].decode())
        told = told[size + 1 :]
    return found


def _git(place: Path, *words: str) -> str:
    done = _ask(place, *words)
    done.check_returncode()
    return done.stdout.decode()


def _ask(place: Path, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    # Without optional locks: another git may be at work in the same clone.
    command = ("git", "--no-optional-locks", "-C", str(place), *words)
    return subprocess.run(command, input=given, capture_output=True, check=False)
