"""The unit checks of every system, each beside the tests that make it.

``tests/unit_checks/<slug>.toml`` holds one ``[[check]]`` for each worked number and property that
a system's specification asks for, in its order. ``says`` is the check in short words, ``tests``
the ids of the tests that make it (``tests/advantages/test_gpg.py::test_name``). A check that no
test makes says why: ``missing`` stands in place of ``tests``. The mark *parts* is read from here.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("tests", "unit_checks")


@dataclass(frozen=True)
class UnitCheck:
    """One check: ``tests`` are pytest ids without parameters; empty if it is ``missing``."""

    says: str
    tests: tuple[str, ...] = ()
    missing: str = ""


def read_checks(path: Path) -> tuple[UnitCheck, ...]:
    """The checks of one file, in its order.

    Raises ValueError, naming file and check, for anything but a list of ``[[check]]``, each with
    the text ``says`` and either the list of texts ``tests`` or the text ``missing``.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    rows = data.get("check")
    if set(data) != {"check"} or not isinstance(rows, list):
        raise ValueError(f"{path}: a file of checks holds [[check]] entries and nothing else")
    return tuple(_check(row, f"{path}, check {place}") for place, row in enumerate(rows, 1))


def _check(row: object, where: str) -> UnitCheck:
    if not isinstance(row, dict) or set(row) not in ({"says", "tests"}, {"says", "missing"}):
        raise ValueError(f"{where}: give says, and either tests or missing")
    tests = row.get("tests", [])
    texts = [row["says"], row.get("missing", "a test"), *(tests if isinstance(tests, list) else ())]
    if not isinstance(tests, list) or not all(isinstance(one, str) and one for one in texts):
        raise ValueError(f"{where}: says and missing are texts, tests is a list of texts")
    if "tests" in row and not tests:
        raise ValueError(
            f"{where}: tests is empty; name one, or say under missing why there is none"
        )
    return UnitCheck(row["says"], tuple(tests), row.get("missing", ""))


def share_tested(slug: str, root: Path) -> str:
    """``yes`` if every check of a system has a test, else how many have: ``6 of 8``.

    ``no`` for a system that has no file of checks, or an empty one.
    """
    path = root / FOLDER / f"{slug}.toml"
    checks = read_checks(path) if path.is_file() else ()
    done = sum(bool(check.tests) for check in checks)
    if not checks:
        return "no"
    return "yes" if done == len(checks) else f"{done} of {len(checks)}"
