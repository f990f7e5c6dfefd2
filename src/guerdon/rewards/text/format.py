"""Rewards for the form of a completion: its sections and what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from guerdon.examples import Example, Judges, probe, tagged
from guerdon.parsing import boxed_spans, sections
from guerdon.parsing.end_tokens import without_end_tokens
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.running.rows import single


@dataclass(frozen=True)
class FormatReward:
    """1 where a completion has its tagged sections, each exactly once and with something in it.

    Else 0. A section holds something where a sign in it can be seen; those of ``may_be_empty``
    need not. Where the prompt ends in the first section's tag, as chat templates have it that
    begin the thinking, the completion begins after that tag; ``prefilled`` says so where the
    prompt of the task does not show it.

    ``strict``: nothing but white space and end tokens stands outside them and they come in the
    given order. Without it, text outside is tolerated, and order too unless ``require_order``.
    ``box_in`` names a section that must hold a balanced box with something in it ("" = none need).

    Value and part "format": float[N] of 0 and 1; never invalid.
    """

    name: ClassVar[str] = "format"

    sections: tuple[str, ...] = ("think", "answer")
    """Names of the sections that are asked for, once each."""
    strict: bool = True
    """Forbids text outside of the sections."""
    require_order: bool = False
    """Asks for the sections in the order they are named in."""
    box_in: str = ""
    """A section that must hold a box; empty asks for none."""
    may_be_empty: tuple[str, ...] = ()
    """Sections that need hold nothing."""
    prefilled: str = ""
    """What the chat template has begun each completion with, such as <think>."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if self.box_in and self.box_in not in self.sections:
            raise ValueError(
                f"FormatReward: box_in is {self.box_in!r}, which is none of the sections "
                f"{', '.join(self.sections)}"
            )

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        texts = with_prefill(rollouts, self.prefilled, self.sections)
        return single("format", torch.tensor([float(self.holds(text)) for text in texts]))

    def holds(self, text: str) -> bool:
        """Whether one completion, with what its prompt began of it, has the form."""
        found = sections(without_end_tokens(text), self.sections)
        if any(found.count(name) != 1 for name in self.sections):
            return False
        if self.strict and not found.strict:
            return False
        if self.require_order and not found.ordered:
            return False
        filled = (name for name in self.sections if name not in self.may_be_empty)
        if not all(_something(found.once(name) or "") for name in filled):
            return False
        inside = found.once(self.box_in) or "" if self.box_in else ""
        return not self.box_in or any(_something(inside[a:b]) for a, b in boxed_spans(inside))

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), tagged(), Judges.FORM)


def with_prefill(rollouts: Rollouts, prefilled: str, names: Sequence[str] = ()) -> Sequence[str]:
    """The completions, each after what its prompt has begun of it, where it lacks that.

    That is ``prefilled``, or the first of the tags ``names`` where the task's prompt ends in it.
    """
    tag = f"<{names[0]}>" if names else ""
    begun = [prefilled or (tag if _ends_in(task, tag) else "") for task in rollouts.tasks]
    if not any(begun):
        return rollouts.texts
    rows = zip(rollouts.texts, rollouts.group.tolist(), strict=True)
    return [
        text if text.lstrip().startswith(begun[group].strip()) else begun[group] + text
        for text, group in rows
    ]


def _ends_in(task: Task, tag: str) -> bool:
    return bool(tag) and task.text.rstrip().endswith(tag)


def _something(inside: str) -> bool:
    return any(sign.isprintable() and not sign.isspace() for sign in inside)


@dataclass(frozen=True)
class TagShare:
    """The weak form: the share of the sections' tags that occur exactly once.

    Two sections have four tags, each worth 1/4; order and text outside do not matter. A tag
    that is missing or repeated earns nothing. Value and part "tags": float[N] in [0, 1].
    """

    name: ClassVar[str] = "tag-share"

    sections: tuple[str, ...] = ("think", "answer")
    """Names of the sections whose tags are counted."""
    prefilled: str = ""
    """What the chat template has begun each completion with, as `FormatReward` has it."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if not self.sections:
            raise ValueError("TagShare needs at least one section")

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        tags = [tag for name in self.sections for tag in (f"<{name}>", f"</{name}>")]
        texts = with_prefill(rollouts, self.prefilled, self.sections)
        once = [sum(text.count(tag) == 1 for tag in tags) for text in texts]
        return single("tags", torch.tensor(once) / len(tags))

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), tagged(), Judges.FORM)


CLINICAL_STAGES: Mapping[str, tuple[str, ...]] = {
    "findings": ("finding", "presents with", "symptom", "on examination"),
    "differential": ("differential", "possible diagnos", "could be"),
    "rejection": ("less likely", "rule out", "ruled out", "unlikely", "argues against"),
    "conclusion": ("conclusion", "therefore", "most likely", "thus"),
}


@dataclass(frozen=True)
class StageShare:
    """The share of the stages of reasoning that a section goes through.

    A stage is there if one of its phrases occurs, in any case. Only the ``section`` that occurs
    exactly once is read ("" = the whole text). Phrases, not patterns: no text can make this
    slow. The default stages are those that Gazal-R1 (arXiv 2506.21594) asks of clinical
    reasoning, in our wording. A model can name stages without going through them: pair this
    with an accuracy term. Value and part "stages": float[N] in [0, 1].
    """

    name: ClassVar[str] = "stage-share"

    stages: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(CLINICAL_STAGES))
    """Phrases by which each stage is known."""
    section: str = "think"
    """The section that is read; empty reads the whole text."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if not self.stages or not all(self.stages.values()):
            raise ValueError("StageShare needs stages, each with at least one phrase")

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        return single("stages", torch.tensor([self._share(text) for text in rollouts.texts]))

    def _share(self, text: str) -> float:
        inside = sections(text, (self.section,)).once(self.section) if self.section else text
        low = (inside or "").lower()
        there = [any(p.lower() in low for p in phrases) for phrases in self.stages.values()]
        return sum(there) / len(there)

    @classmethod
    def example(cls) -> Example:
        told = (
            "On examination there is fever. The differential includes flu and measles. Measles is "
            "less likely without a rash. Therefore it is flu."
        )
        right, wrong = f"<think>{told}</think>flu", ("<think>It is flu.</think>flu", told, "flu")
        probes = (probe("ward", "What is it?", right, wrong, (), "{answer}", answer="flu"),)
        return Example(cls(), probes, Judges.STYLE)
