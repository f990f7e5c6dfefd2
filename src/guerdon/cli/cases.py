"""Cases with known verdicts: what a grader must say of one completion, tried on it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from guerdon import rewards
from guerdon.cli.options import own_output
from guerdon.connectors.given import Given, rollouts_of, text_of
from guerdon.judging import judged
from guerdon.names import nearest
from guerdon.parsing.visible import visible
from guerdon.parts import PartError, build, name_of
from guerdon.records import Progress
from guerdon.stages import Reward
from guerdon.tasks import DataError, check_prompt, read_rows

INVALID = "invalid"
"""The verdict on a row that our side can't judge."""

_CLOSE = 1e-4
_FIELDS = frozenset(
    {"reward", "settings", "prompt", "completion", "answer", "columns", "verdict", "kind", "source"}
)
_KNOWN = ", ".join(sorted(_FIELDS))


@dataclass(frozen=True)
class Case:
    """One completion and what the reward must say of it.

    ``verdict`` is the value, or "invalid". ``reward`` None is the one that the run names; ``kind``
    says what the case is an example of, ``source`` where such a text was met.
    """

    place: str
    completion: str
    verdict: float | str
    reward: Reward | None = None
    name: str = ""
    answer: Any = None
    prompt: Any = ""
    columns: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""
    source: str = ""


@dataclass(frozen=True)
class Outcome:
    """A case and what was said of it: a value, or "invalid" with the reason."""

    case: Case
    said: float | str
    reason: str = ""

    @property
    def right(self) -> bool:
        """Whether it is the verdict, to four digits."""
        said, verdict = self.said, self.case.verdict
        if isinstance(said, str) or isinstance(verdict, str):
            return said == verdict
        return abs(said - verdict) <= _CLOSE


def read_cases(path: Path, trust: Sequence[str] = ()) -> list[Case]:
    """The cases of a JSONL file (see docs/graders.md). Raises DataError naming line and field."""
    cases = [_case(row, f"{path}, {where}", trust) for where, row in read_rows(path)]
    if not cases:
        raise DataError(f"{path} holds no cases")
    return cases


def try_cases(cases: Sequence[Case], reward: Reward) -> list[Outcome]:
    """Each case judged by its own reward, or by ``reward``; in their order.

    Cases of one reward are judged together, each with its own answer and columns.
    """
    together: dict[str, list[int]] = {}
    for place, case in enumerate(cases):
        together.setdefault(repr(case.reward), []).append(place)
    found: dict[int, Outcome] = {}
    for places in together.values():
        some = [cases[place] for place in places]
        rows = [
            Given(
                case.completion, case.prompt, case.answer, {**case.columns, "task_id": case.place}
            )
            for case in some
        ]
        scores = judged(
            some[0].reward or reward, rollouts_of(rows, "a file of cases", False), Progress()
        )
        for row, (place, case) in enumerate(zip(places, some, strict=True)):
            valid = bool(scores.valid[row])
            found[place] = Outcome(
                case,
                float(scores.value[row]) if valid else INVALID,
                "" if valid else str(scores.reasons[row]),
            )
    return [found[place] for place in range(len(cases))]


def run_cases(path: Path, reward: Reward, as_json: bool, trust: Sequence[str] = ()) -> int:
    """Try a file of cases and show what came of it; exit status 1 where a verdict is wrong."""
    cases = read_cases(path, trust)
    with own_output():
        outcomes = try_cases(cases, reward)
    wrong = [outcome for outcome in outcomes if not outcome.right]
    if as_json:
        print(json.dumps(_report(path, outcomes), allow_nan=False))
    else:
        _show(outcomes, wrong)
    return 1 if wrong else 0


def _case(row: Mapping[str, Any], where: str, trust: Sequence[str]) -> Case:
    if unknown := [name for name in row if name not in _FIELDS]:
        raise DataError(f"{where}, field {unknown[0]!r}: a case has the fields {_KNOWN}")
    completion = row.get("completion")
    if completion is None:
        raise DataError(f"{where}, field 'completion': missing; give the text to be judged")
    if not isinstance(completion, str):
        check_prompt(completion, f"{where}, field 'completion'")
        completion = text_of(completion)
    prompt, columns = row.get("prompt") or "", row.get("columns") or {}
    if prompt:
        check_prompt(prompt, f"{where}, field 'prompt'")
    if not isinstance(columns, Mapping):
        raise DataError(f"{where}, field 'columns': {columns!r:.80}; give an object")
    return Case(
        where,
        completion,
        _verdict(row.get("verdict"), where),
        _reward(row, where, trust),
        str(row.get("reward") or ""),
        row.get("answer"),
        prompt,
        columns,
        str(row.get("kind") or ""),
        str(row.get("source") or ""),
    )


def _verdict(given: Any, where: str) -> float | str:
    if given == INVALID or (isinstance(given, int | float) and not isinstance(given, bool)):
        return given if given == INVALID else float(given)
    raise DataError(f"{where}, field 'verdict': {given!r:.80}; give a number, or {INVALID!r}")


def _reward(row: Mapping[str, Any], where: str, trust: Sequence[str]) -> Reward | None:
    """The reward of a case: one of ours by name, with ``settings`` as in a recipe file."""
    name, settings = row.get("reward"), row.get("settings") or {}
    if name is None:
        if settings:
            raise DataError(f"{where}, field 'settings': of which reward? give 'reward' too")
        return None
    if not isinstance(name, str) or name not in rewards.NAMES:
        meant = nearest(str(name), rewards.NAMES) or "; guerdon rewards tells them"
        raise DataError(f"{where}, field 'reward': {name!r:.80} is none of ours{meant}")
    if not isinstance(settings, Mapping):
        raise DataError(f"{where}, field 'settings': {settings!r:.80}; give an object")
    try:
        made: Reward = build({"part": name_of(rewards.NAMES[name]), **settings}, where, trust)
    except (PartError, ValueError, TypeError) as error:
        raise DataError(f"{where}, field 'settings': {error}") from error
    return made


def by_kind(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, int, int, int]]:
    """Kind, number of cases, of wrong verdicts, and of those that pay too much."""
    counts: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        count = counts.setdefault(outcome.case.kind, Counter())
        count["cases"] += 1
        count["wrong"] += not outcome.right
        count["overpaid"] += _overpaid(outcome)
    for kind, count in sorted(counts.items()):
        yield kind, count["cases"], count["wrong"], count["overpaid"]


def _overpaid(outcome: Outcome) -> bool:
    said, verdict = outcome.said, outcome.case.verdict
    if outcome.right or isinstance(said, str):
        return False
    return isinstance(verdict, str) or said > verdict


def _report(path: Path, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "file": str(path),
        "cases": len(outcomes),
        "wrong": [
            {
                "place": outcome.case.place,
                "kind": outcome.case.kind,
                "completion": outcome.case.completion,
                "answer": str(outcome.case.answer),
                "verdict": outcome.case.verdict,
                "said": outcome.said,
                "reason": outcome.reason,
            }
            for outcome in outcomes
            if not outcome.right
        ],
        "kinds": {
            kind: {"cases": cases, "wrong": wrong, "overpaid": overpaid}
            for kind, cases, wrong, overpaid in by_kind(outcomes)
        },
    }


def _show(outcomes: Sequence[Outcome], wrong: Sequence[Outcome]) -> None:
    console = Console()
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("kind", "cases", "wrong", "overpaid"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for kind, *counts in by_kind(outcomes):
        table.add_row(Text(visible(kind) or "-"), *map(str, counts))
    console.print(table)
    for outcome in wrong:
        console.print(Text(told(outcome)))
    console.print(f"{len(outcomes) - len(wrong)} of {len(outcomes)} verdicts are right")


def told(outcome: Outcome) -> str:
    """A case whose verdict is wrong, in a line."""
    case = outcome.case
    reason = f" ({outcome.reason})" if outcome.reason else ""
    which = f"{case.name}: " if case.name else ""
    return visible(
        f"{case.place}: {which}{case.completion!r:.120} against {str(case.answer)!r:.80}: "
        f"{outcome.said}{reason}, not {case.verdict}"
    )
