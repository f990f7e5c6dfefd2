"""Unit tests of programs that the model wrote, run in a sandbox."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from guerdon.examples import Example, probe
from guerdon.failures import told
from guerdon.parsing import answer_text
from guerdon.parsing.fenced import fenced_blocks
from guerdon.parsing.thinking import after_thinking
from guerdon.ranges import at_least, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.programs.code_cases import CodeCase, passes, read_case
from guerdon.rewards.programs.sandbox import Limits, SandboxError, WeakIsolationError, run_sandboxed
from guerdon.rewards.running.rows import Judged, Ungradable, gather, refuse_ungradable

MAX_SOURCE = 100_000
"""Longest program that is run, in characters."""

_PYTHON = re.compile(r"(?:i?python|py)[\d.]{0,6}")
_SHOWS = re.compile(r"\b(?:outputs?|prints?|usage|use|run|result)\b[^.!?\n]{0,60}\Z", re.IGNORECASE)


@dataclass(frozen=True)
class CodeReward:
    """Does the program in the completion pass the task's tests?

    The program is the last fenced block marked as Python (``python``, ``py3`` and the like), else
    the last without a mark, after the thinking and inside the answer section where that has one.
    A block under a line on output or use ("Output:", "Usage:") counts only where there is no
    other; one that the text ends in counts as any. Without any fence it is the answer section or
    what stands after the thinking. It runs in a sandbox of its own (no network,
    no writes but to a scratch folder, limits: ``docs/sandbox.md``) which gets the inputs and
    never the expected values: those are compared out here, by type and value. A program that
    fails, runs over a limit, ends itself or tampers with its process fails the tests it has no
    right value for.

    Value and part "tests": 1 where all tests pass, else 0; with ``partial`` the share that
    passes. Failed, with ``Scores.errors``: all rows where the kernel isolates too little (unless
    ``trust_weak``), and those whose sandbox could not be started. Invalid: every row of a task
    whose tests can't be read or could be passed for nothing; the reason names task and test.
    `check_tasks` says all that beforehand. ``packages`` allows imports of installed packages.
    ``workers`` programs run at a time (0 = one per core).

    The tests are the task's ``column``, a list of what `read_case` takes.
    """

    name: ClassVar[str] = "code"

    partial: bool = False
    """Whether the share of passed tests is paid, and not only all of them."""
    limits: Limits = Limits()
    """What a program may use."""
    packages: bool = False
    """Whether installed packages may be imported."""
    trust_weak: bool = False
    """Whether programs run where the kernel isolates too little."""
    column: str = "tests"
    """The column of tests."""
    workers: Annotated[int, at_least(0, "0 is one per core")] = 0
    """Programs that run at a time."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        cases = [self._cases(task) for task in rollouts.tasks]
        groups = rollouts.group.tolist()
        asked = [(program_of(text), g) for text, g in zip(rollouts.texts, groups, strict=True)]
        once = list(dict.fromkeys(asked))
        with ThreadPoolExecutor(self.workers or os.cpu_count() or 1) as threads:
            judged = threads.map(lambda pair: self._judge(pair[0], cases[pair[1]]), once)
            verdicts = dict(zip(once, judged, strict=True))
        return gather([verdicts[pair] for pair in asked])

    def check_tasks(self, tasks: Sequence[Task]) -> None:
        """Raise ValueError naming each task and test that can't be graded; call it before a run.

        Also where no sandbox can be started here, or the kernel isolates too little.
        """
        found = [self._cases(task) for task in tasks]
        refuse_ungradable([one.reason for one in found if isinstance(one, Ungradable)])
        try:
            run_sandboxed("", [], self.limits, self.packages, self.trust_weak)
        except (SandboxError, WeakIsolationError) as error:
            raise ValueError(str(error)) from error

    def _cases(self, task: Task) -> list[CodeCase] | Ungradable:
        tests = task.columns.get(self.column)
        where = f"task {task.id!r}: column {self.column!r}"
        if not isinstance(tests, Sequence) or isinstance(tests, str | bytes) or not tests:
            return Ungradable(f"{where}: {tests!r:.80} is no list of tests")
        cases = []
        for number, test in enumerate(tests, 1):
            try:
                cases.append(read_case(test))
            except (ValueError, TypeError) as error:
                return Ungradable(f"{where}, test {number}: {error}")
        return cases

    def _judge(
        self, program: str | None, cases: Sequence[CodeCase] | Ungradable
    ) -> Judged | Ungradable:
        if isinstance(cases, Ungradable):
            return cases
        if program is None or not program.strip() or len(program) > MAX_SOURCE:
            return Judged(0.0, {"tests": 0.0})
        given = [one for case in cases for one in case.given]
        try:
            outcome = run_sandboxed(
                program.encode("utf-8", "replace").decode(),
                given,
                self.limits,
                self.packages,
                self.trust_weak,
            )
        except (SandboxError, WeakIsolationError) as error:
            return Ungradable(str(error), told(error)[1])
        lines = _first_lines(outcome.lines, len(given))
        passed, begun = 0, 0
        for case in cases:
            passed += passes(case, lines[begun : begun + len(case.given)])
            begun += len(case.given)
        share = passed / len(cases)
        value = share if self.partial else float(passed == len(cases))
        return Judged(value, {"tests": value})

    @classmethod
    def example(cls) -> Example:
        trick = "class Same:\n    def __eq__(self, other):\n        return True\n"
        probes = (
            probe(
                *("add", "Write add(a, b).", "def add(a, b):\n    return a + b"),
                (
                    "def add(a, b):\n    return a - b",
                    f"{trick}def add(a, b):\n    return Same()",
                    "def add(a, b):\n    raise SystemExit(0)",
                    "import os\nos._exit(0)",
                    "def add(a, b):\n    while True:\n        pass",
                    "print(5)\nprint(0)",
                    "def add(a, b):\n    return {(2, 3): 5, (-1, 1): 0}[(a, b)]",
                ),
                ("add = lambda a, b: a + b", "from operator import add"),
                "{think}\n```python\n{answer}\n```",
                answer="",
                tests=["assert add(2, 3) == 5", "assert add(-1, 1) == 0"],
            ),
        )
        return Example(cls(limits=Limits(wall_seconds=4)), probes)


def _first_lines(written: Sequence[Any], count: int) -> list[Any]:
    """The first line that each of ``count`` calls wrote; None where there is none."""
    first: list[Any] = [None] * count
    for line in written:
        number = line.get("case") if isinstance(line, dict) else None
        if type(number) is int and 0 <= number < count and first[number] is None:
            first[number] = line
    return first


def program_of(text: str) -> str | None:
    """The program in a completion, see `CodeReward`; None where fences hold none."""
    said = after_thinking(text)
    answer = answer_text(said)
    blocks = fenced_blocks(answer) or (fenced_blocks(said) if "```" in said else [])
    if not blocks:
        return answer
    marked = [block for block in blocks if _PYTHON.fullmatch(block.language)]
    programs = marked or [block for block in blocks if not block.language]
    # What shows how the program is used, or what it prints, is not the program.
    chosen = [block for block in programs if not _SHOWS.search(block.before)] or programs
    if not chosen:
        return None
    return chosen[-1].inside or chosen[-1].rest
