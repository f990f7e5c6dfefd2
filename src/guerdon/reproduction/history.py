"""What git knows of results: the commit that one ran at, and whether its claim came before it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import guerdon
from guerdon.reproduction.claim import ClaimError
from guerdon.reproduction.code import digest
from guerdon.reproduction.versions import FOLDER

_PACKAGE = Path(guerdon.__file__).parent


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
    for module, known in code.items():
        if _digest_at(top, commit, inside, module) != known:
            raise ClaimError(f"{module} that runs is not the one in commit {commit[:12]}")
    return commit


def text_at(commit: str, path: Path, package: Path = _PACKAGE) -> str:
    """The text of a file of the package's repository in a commit; "" where it has none."""
    top = Path(_git(package, "rev-parse", "--show-toplevel").strip())
    return _text(top, commit, path.as_posix()) or ""


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
    system alone, both had these digests in its parent, and all code had them in the commit that
    the file names, which lies in the history before it.
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
    for name in own:
        if {path.as_posix() for path in _paths(inside, name)} & {*touched.split()}:
            yield f"the commit that adds it ({wrote[:12]}) changes {name}"
        if name not in code:
            yield f"it says no digest of {name}"
        elif _digest_at(root, f"{wrote}^", inside, name) != code[name]:
            yield f"{name} was another one before the commit that adds it ({wrote[:12]})"
    if not commit:
        yield "it says no commit"
    elif not _before(root, str(commit), wrote):
        yield (
            f"it ran at commit {str(commit)[:12]}, which does not lie before {wrote[:12]}, that "
            "adds it: a commit is shared before a result is recorded at it, and not rewritten after"
        )
    else:
        for name, known in code.items():
            if _digest_at(root, str(commit), inside, name) != known:
                yield f"{name} is another one in the commit that it names ({str(commit)[:12]})"


def _before(root: Path, commit: str, later: str) -> bool:
    """Whether ``commit`` is an ancestor of ``later``, and not it."""
    asked = ("merge-base", "--is-ancestor", commit, f"{later}^")
    return _ask(root, *asked).returncode == 0


def _digest_at(root: Path, commit: str, inside: Path, module: str) -> str | None:
    """The digest of a module in a commit, in the package at ``inside``; None without it."""
    texts = (_text(root, commit, path.as_posix()) for path in _paths(inside, module))
    source = next((text for text in texts if text is not None), None)
    return None if source is None else digest(source)


def _paths(inside: Path, module: str) -> tuple[Path, Path]:
    """Where a module of guerdon may lie: as a file, or as a package."""
    stem = inside.joinpath(*module.split(".")[1:])
    return stem.with_name(f"{stem.name}.py"), stem / "__init__.py"


def _text(root: Path, commit: str, path: str) -> str | None:
    done = _ask(root, "show", f"{commit}:{path}")
    return done.stdout if done.returncode == 0 else None


def _git(place: Path, *words: str) -> str:
    done = _ask(place, *words)
    done.check_returncode()
    return done.stdout


def _ask(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # Without optional locks: another git may be at work in the same clone.
    command = ("git", "--no-optional-locks", "-C", str(place), *words)
    return subprocess.run(command, capture_output=True, text=True, check=False)
