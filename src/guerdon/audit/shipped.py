"""The rewards of this library with the tasks they are audited on: the examples that they bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from guerdon.audit.folders import folder_probes
from guerdon.composition import parts_in
from guerdon.examples import Example
from guerdon.extras import missing
from guerdon.records import Task
from guerdon.rewards import (
    NAMES,
    Certainty,
    CodeReward,
    DuckDb,
    SqlExecution,
    Sqlite,
    WeightedSum,
    entropy,
)
from guerdon.rewards.programs.sandbox import Limits, isolation_in_force
from guerdon.stages import Reward


@cache
def left_out() -> Mapping[str, str]:
    """Rewards that are not audited, and why."""
    reasons = {name: getattr(kind, "no_example", None) for name, kind in NAMES.items()}
    return MappingProxyType({name: why for name, why in reasons.items() if why is not None})


def subjects() -> dict[str, Example]:
    """Every reward on the command line's list that reads text, with its example.

    Those whose extra is missing, and those that run programs where the system can't confine
    them, are left away.
    """
    found = {
        name: kind.example()
        for name, kind in NAMES.items()
        if name not in left_out() and not missing(getattr(kind, "extra", None))
    }
    found["entropy"] = _uncertainty()
    if not isolation_in_force()["kernel"]:
        found = {name: one for name, one in found.items() if not _holds(one, Limits)}
    return dict(sorted(found.items()))


def reads_a_model(example: Example) -> bool:
    """Whether a language model judges: such an audit is about the rule, and a small model."""
    return any(hasattr(part, "model") for _, part in parts_in(example.reward))


def beside_files(folder: Path) -> dict[str, Example]:
    """The rewards that run what a completion says, with tests and expected output lying about.

    The files are made in ``folder``. The rewards get their tests from the task and never look
    there, so nothing that a completion does to these files may be paid.
    """
    (folder / "exercise").mkdir()
    (folder / "exercise" / "test_main.py").write_text(
        "from main import add\nassert add(1, 4) == 5\n"
    )
    (folder / "expected.txt").write_text("5\n")
    named = {
        "workdir": str(folder / "exercise"),
        "expected_output": str(folder / "expected.txt"),
        "schema": "CREATE TABLE squares (n INTEGER, square INTEGER);"
        "INSERT INTO squares VALUES (2, 4), (3, 9);",
    }
    asked = ["assert add(1, 4) == 5", "assert add(2, 2) == 4"]
    printed = [{"stdin": "1 4", "stdout": "5"}, {"stdin": "2 2", "stdout": "4"}]
    run: Reward = CodeReward()
    adds = "```python\ndef add(a, b):\n    return a + b\n```"
    prints = "```python\nprint(sum(map(int, input().split())))\n```"
    query = "SELECT square FROM squares WHERE n = 2"
    rows: dict[str, tuple[Reward, str, dict[str, Any]]] = {
        "code, by assertions": (run, adds, {"tests": asked}),
        "code, by what is printed": (run, prints, {"tests": printed}),
        "sql, on SQLite": (SqlExecution(engine=Sqlite()), query, {}),
        "sql, on DuckDB": (SqlExecution(engine=DuckDb()), query, {}),
    }
    return {
        name: Example(judge, tuple(folder_probes([Task(name, "?", right, {**named, **columns})])))
        for name, (judge, right, columns) in rows.items()
    }


def _holds(example: Example, kind: type) -> bool:
    return any(isinstance(part, kind) for _, part in parts_in(example.reward))


def _uncertainty() -> Example:
    """Entropy is Certainty's other statistic, and counts with -1."""
    certain = Certainty.example()
    assert isinstance(certain.reward, Certainty)
    uncertain = {"entropy": replace(certain.reward, statistic=entropy)}
    return replace(certain, reward=WeightedSum(uncertain, {"entropy": -1.0}))
