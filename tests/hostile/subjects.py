"""Every reward of the package on tasks that fit it."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Sequence
from dataclasses import replace

from guerdon import rewards
from guerdon.audit.shipped import reads_a_model, subjects
from guerdon.examples import Example, Judges, Probe, sums
from guerdon.records import Rollouts, Task
from guerdon.rewards.models.spans import sentence_ends

UNREAD = {
    "environment-return": "the environment's rewards",
    "well-formed-turns": "which turns the environment could read",
    "policy-entropy": "the policy's distributions",
    "policy-confidence": "the policy's distributions",
    "scorer": "what a reward model says",
    "function": "what a user's function says",
}
"""Rewards that read no text themselves, and what they read."""


def light() -> dict[str, Example]:
    """All named rewards that need no model."""
    found = {name: one for name, one in subjects().items() if not reads_a_model(one)}
    for name in {"code", "sql", "sql-reward"} & set(found):
        # What recites the right rows or values knows the answer; the audit looks at those.
        asked = tuple(replace(one, wrong=_unaware(one.wrong)) for one in found[name].probes)
        found[name] = replace(found[name], probes=asked)
    return found | _more()


def modelled() -> dict[str, Example]:
    """Those that need one, with the small model that ships with the package."""
    return {name: one for name, one in subjects().items() if reads_a_model(one)}


def missing() -> set[str]:
    """Named rewards that nothing here feeds."""
    unread = set(UNREAD)
    if not importlib.util.find_spec("reasoning_gym"):
        unread.add("reasoning-gym")
    return set(rewards.NAMES) - set(light()) - set(modelled()) - unread


def _unaware(wrong: Sequence[str]) -> tuple[str, ...]:
    return tuple(one for one in wrong if "bela" not in one and "(2, 3): 5" not in one)


def _more() -> dict[str, Example]:
    kept = tempfile.mkdtemp(prefix="guerdon-hostile-")
    split = rewards.SpanReward(_ones, _ends, sentence_ends)
    lists = rewards.ListMatch.example()
    found = {
        "cached": replace(lists, reward=rewards.Cached(lists.reward, kept)),
        "span": Example(split, sums(), Judges.STYLE),
    }
    if importlib.util.find_spec("reasoning_gym"):
        found["reasoning-gym"] = _reasoning_gym()
    return found


def _reasoning_gym() -> Example:
    from guerdon.tasks import ReasoningGym

    task = ReasoningGym("basic_arithmetic", train=1, test=1).load("train")[0]
    form = "<think>{think}</think><answer>{answer}</answer>"
    probe = Probe(task, str(task.answer), ("none at all",), form=form)
    return Example(rewards.ReasoningGymScore(), (probe,))


def _ones(task: Task, text: str, spans: Sequence[str]) -> list[float]:
    return [1.0] * len(spans)


def _ends(rollouts: Rollouts, row: int, ends: Sequence[int]) -> list[int]:
    return [min(end, int(rollouts.lengths[row]) - 1) for end in ends]
