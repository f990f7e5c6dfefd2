"""Unit tests of programs that the model wrote, run in a sandbox."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, ClassVar

from guerdon.parsing import answer_text
from guerdon.parsing.fenced import FENCE, last_fenced
from guerdon.ranges import at_least, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.code_cases import CodeCase, passes, read_case
from guerdon.rewards.rows import Judged, Ungradable, gather
from guerdon.rewards.sandbox import Limits, SandboxError, run_sandboxed

MAX_SOURCE = 100_000
"""Longest program that is run, in characters."""


@dataclass(frozen=True)
class CodeReward:
    """Does the program in the completion pass the task's tests?

    The program is the last fenced block marked ``python``, ``py`` or not at all; without any
    fence, the answer section or the whole text. It runs in a sandbox of its own (no network,
    no writes but to a scratch folder, limits: ``docs/sandbox.md``) which gets the inputs and
    never the expected values: those are compared out here. A program that fails, runs over a
    limit, ends itself or tampers with its process fails the tests it has no right value for.

    Value and part "tests": 1 where all tests pass, else 0; with ``partial`` the share that
    passes. Invalid: a sandbox that could not be started. ``packages`` allows imports of
    installed packages. ``workers`` programs run at a time (0 = one per core).

    The tests are the task's ``column``, a list of what `read_case` takes. Raises ValueError
    naming the task for tests that can't be read, WeakIsolationError where the kernel isolates
    too little (unless ``trust_weak``).
    """

    partial: bool = False
    limits: Limits = Limits()
    packages: bool = False
    trust_weak: bool = False
    column: str = "tests"
    workers: Annotated[int, at_least(0, "0 is one per core")] = 0

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

    def _cases(self, task: Task) -> list[CodeCase]:
        tests = task.columns.get(self.column)
        try:
            if not isinstance(tests, Sequence) or isinstance(tests, str) or not tests:
                raise ValueError(f"{tests!r:.80} is no list of tests")
            return [read_case(test) for test in tests]
        except (ValueError, TypeError) as error:
            raise ValueError(f"task {task.id!r}: column {self.column!r}: {error}") from error

    def _judge(self, program: str | None, cases: Sequence[CodeCase]) -> Judged | Ungradable:
        if program is None or not program.strip() or len(program) > MAX_SOURCE:
            return Judged(0.0, {"tests": 0.0})
        try:
            outcome = run_sandboxed(
                program.encode("utf-8", "replace").decode(),
                [case.given for case in cases],
                self.limits,
                self.packages,
                self.trust_weak,
            )
        except SandboxError as error:
            return Ungradable(str(error))
        first: dict[int, object] = {}
        for line in outcome.lines:
            if isinstance(line, dict) and isinstance(line.get("case"), int):
                first.setdefault(line["case"], line)
        passed = sum(passes(case, first.get(index)) for index, case in enumerate(cases))
        share = passed / len(cases)
        value = share if self.partial else float(passed == len(cases))
        return Judged(value, {"tests": value})


def program_of(text: str) -> str | None:
    """The program in a completion; None where fences hold none."""
    if FENCE in text:
        return last_fenced(text, ("python", "py", "python3", ""))
    return answer_text(text)
