"""Compositions of our own rewards, audited as wholes: which part is paid for what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from guerdon import rewards
from guerdon.audit import probes
from guerdon.audit.cases import Probe, Subject
from guerdon.stages import Reward

_SQL_FORM = "<reasoning>{think}</reasoning>\n<answer>\n```sql\n{answer}\n```\n</answer>"


def _form_and_answer() -> dict[str, Reward]:
    return {"format": rewards.FormatReward(), "answer": rewards.AnswerMatch()}


def _strict_and_lenient() -> dict[str, Reward]:
    return {"match": rewards.TextMatch(), "overlap": rewards.TokenF1()}


def _weighted_sum() -> Subject:
    named = {**_form_and_answer(), "repetition": rewards.RepetitionPenalty()}
    return Subject(rewards.WeightedSum(named, {"format": 0.2, "repetition": 0.1}), probes.numbers())


def _router() -> Subject:
    routes: dict[str, Reward] = {"number": rewards.AnswerMatch(), "choice": rewards.ChoiceMatch()}
    tasks = {"number": probes.numbers()[:2], "choice": probes.choices(probes.BOXED)}
    routed = [_routed(probe, kind) for kind, made in tasks.items() for probe in made]
    return Subject(rewards.Router(routes), tuple(routed))


def _routed(probe: Probe, kind: str) -> Probe:
    columns = {**probe.task.columns, "task_type": kind}
    return replace(probe, task=replace(probe.task, columns=columns))


def _sql_reward() -> Subject:
    return Subject(
        rewards.SqlReward(), tuple(replace(one, form=_SQL_FORM) for one in probes.queries())
    )


def _on(make: Callable[[], Reward], made: Callable[[], tuple[Probe, ...]]) -> Callable[[], Subject]:
    return lambda: Subject(make(), made())


COMPOSED: Mapping[str, Callable[[], Subject]] = {
    "weighted-sum": _weighted_sum,
    "product": _on(lambda: rewards.Product(_form_and_answer()), probes.numbers),
    "gate": _on(
        lambda: rewards.Gate(rewards.FormatReward(), rewards.AnswerMatch(), otherwise=-1.0),
        probes.numbers,
    ),
    "only-if-wrong": _on(
        lambda: rewards.OnlyIfWrong(rewards.TextMatch(), rewards.TokenF1()),
        lambda: probes.sentences(short=True),
    ),
    "maximum": _on(
        lambda: rewards.Maximum(_strict_and_lenient()), lambda: probes.sentences(short=True)
    ),
    "router": _router,
    "group-z-average": _on(
        lambda: rewards.GroupZAverage(_strict_and_lenient()),
        lambda: probes.sentences(short=True)[:1],
    ),
    "sql-reward": _sql_reward,
}
"""Names of compositions in the audit; `sql-reward` needs the extra ``sql``."""
