"""Every reward of the package on tasks that fit it."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Sequence
from dataclasses import replace

from guerdon import rewards
from guerdon.audit import probes
from guerdon.audit.cases import Judges, Subject
from guerdon.audit.modelled import MODELLED
from guerdon.audit.shipped import subjects
from guerdon.records import Rollouts, Task
from guerdon.rewards.actions.web_action import CallsAsActions
from guerdon.rewards.answers.extension import LabelAndExtension
from guerdon.rewards.answers.roles import DistinctRoles, RoleAccuracy, majority
from guerdon.rewards.models.spans import sentence_ends


def light() -> dict[str, Subject]:
    """All named rewards and compositions that need no model."""
    found = {name: one for name, one in subjects().items() if name not in MODELLED}
    for name in {"code", "sql", "sql-reward"} & set(found):
        # What recites the right rows or values knows the answer; the audit looks at those.
        asked = tuple(replace(one, wrong=_unaware(one.wrong)) for one in found[name].probes)
        found[name] = replace(found[name], probes=asked)
    return found | _more()


def modelled() -> dict[str, Subject]:
    """Those that need one, with the small model that ships with the package."""
    return {name: one for name, one in subjects().items() if name in MODELLED}


def missing() -> set[str]:
    """Named rewards that nothing here feeds."""
    unread = {"environment-return"}  # it reads the environment's rewards and no text
    if not importlib.util.find_spec("reasoning_gym"):
        unread.add("reasoning-gym")
    return (set(rewards.NAMES) | set(rewards.OPTIONAL)) - set(light()) - unread


def _unaware(wrong: Sequence[str]) -> tuple[str, ...]:
    return tuple(one for one in wrong if "bela" not in one and "(2, 3): 5" not in one)


def _more() -> dict[str, Subject]:
    kept = tempfile.mkdtemp(prefix="guerdon-hostile-")
    said = probes.probe("role", "Who?", "B", ("A", "C"), form="role: a\nanswer: {answer}")
    calls = probes.probe(
        *("call", "Is it wet in Oslo?", '{"name": "rain", "parameters": {"city": "Oslo"}}'),
        ('{"name": "sun", "parameters": {}}', "rain"),
        form="<tool>{answer}</tool>",
        calls=[{"name": "rain", "parameters": {"city": "Oslo"}}],
    )
    split = rewards.SpanReward(_ones, _ends, sentence_ends)
    found = {
        "cached": Subject(rewards.Cached(rewards.ListMatch(), kept), probes.lists()),
        "calls-as-actions": Subject(CallsAsActions(rewards.WebActionReward()), (calls,)),
        "distinct-roles": Subject(DistinctRoles(), (said,), Judges.STYLE),
        "roles": Subject(RoleAccuracy(majority), (said,)),
        "span": Subject(split, probes.sums(), Judges.STYLE),
        "label-and-extension": Subject(
            LabelAndExtension(_length, ("B", "C"), label="answer", extension="think"),
            (probes.probe("label", "Which?", "B", ("C", "D")),),
        ),
    }
    if importlib.util.find_spec("reasoning_gym"):
        found["reasoning-gym"] = _reasoning_gym()
    return found


def _reasoning_gym() -> Subject:
    from guerdon.tasks import ReasoningGym

    task = ReasoningGym("basic_arithmetic", train=1, test=1).load("train")[0]
    form = "<think>{think}</think><answer>{answer}</answer>"
    probe = probes.Probe(task, str(task.answer), ("none at all",), form=form)
    return Subject(rewards.ReasoningGymScore(), (probe,))


def _ones(task: Task, text: str, spans: Sequence[str]) -> list[float]:
    return [1.0] * len(spans)


def _ends(rollouts: Rollouts, row: int, ends: Sequence[int]) -> list[int]:
    return [min(end, int(rollouts.lengths[row]) - 1) for end in ends]


def _length(task: Task, label: str, extension: str) -> float:
    return len(extension) / 10
