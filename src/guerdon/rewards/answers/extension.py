"""A label from a closed set, and an open extension that a judge rates where the label is right."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

from guerdon.examples import Example, probe
from guerdon.failures import told
from guerdon.parsing import last_boxed, parse_number, sections
from guerdon.ranges import NonNegative, PositiveInt, Share, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.running.rows import Judged, Ungradable, gather

ExtensionJudge = Callable[[Task, str, str], float]
"""Task, the label given and the extension to a score, cut to [0, 1]."""

_TAG = re.compile(r"</?\w{1,40}>")

STOCK = (
    "further tests",
    "further diagnostic tests",
    "clinical history",
    "physical examination",
    "refer to specialist",
    "confirm the diagnosis",
)


def bare_rating(reply: str) -> float:
    """The number that a reply is, and nothing else: see `parse_number`.

    Raises ValueError for any other reply, and for a number outside [0, 1].

    >>> bare_rating(" 0.625 ")
    0.625
    """
    number = parse_number(reply.strip())
    if number is None or not 0 <= number <= 1:
        raise ValueError(f"the judge replied {reply!r:.60}, and not a number from 0 to 1 alone")
    return float(number)


@dataclass(frozen=True)
class RepliedRating:
    """An `ExtensionJudge` that asks for a text and reads it: TimeMaster's (2506.13705).

    ``ask`` gets the task, the label and the extension. A reply that ``read`` refuses is asked for
    again, ``attempts`` times at most; the last refusal is raised. What ``ask`` itself raises is
    not asked again: how often to call a service is for its client to say.
    """

    ask: Callable[[Task, str, str], str]
    read: Callable[[str], float] = bare_rating
    attempts: PositiveInt = 3

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, task: Task, label: str, extension: str) -> float:
        for _ in range(self.attempts - 1):
            reply = self.ask(task, label, extension)
            with suppress(ValueError):
                return self.read(reply)
        return self.read(self.ask(task, label, extension))


@dataclass(frozen=True)
class LabelAndExtension:
    """``0.1 form + 0.9 right + 0.5 judge`` of a label and what is added to it (2506.13705).

    Part "form" is paid for a label of the closed set in the first ``label`` section (its last
    box, if it holds one; case and outer space do not count); with ``strict``, the
    paper's form, only where ``thinking``, label and extension are there in order and none is empty.
    Tags are read in any case. "right" is paid for the task's answer;
    "extension" for the first ``extension`` section, rated by ``judge`` and at most ``cap`` with
    one of the ``stock`` phrases in it. The judge is asked about right labels with an extension
    only, unless ``gated`` is off. Weights are given in that order.

    The set is ``labels``, or where that is empty the names in the task's column "choices". A
    judge that fails or gives no finite number makes the row invalid; with ``failed`` it counts as
    that rating instead (0 in the released code). A judge that replies in words is
    `RepliedRating`. Raises ValueError naming a task whose answer is not in its set.
    """

    name: ClassVar[str] = "label-and-extension"
    made_of: ClassVar[str] = "a judge of your own"

    judge: ExtensionJudge
    labels: tuple[str, ...] = ()
    label: str = "class"
    extension: str = "extension"
    weights: tuple[NonNegative, NonNegative, NonNegative] = (0.1, 0.9, 0.5)
    stock: tuple[str, ...] = STOCK
    cap: NonNegative = 0.4
    gated: bool = True
    strict: bool = False
    """Asks for thinking, label and extension, in order."""
    thinking: str = "think"
    """The section of the thinking, which the strict form asks for."""
    failed: Share | None = None
    """What a rating counts as that could not be had; null: its row is invalid."""

    scope: ClassVar[str] = "completion"

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def range(self) -> tuple[float, float]:
        return 0.0, sum(self.weights)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        sets = [self._labels(task) for task in rollouts.tasks]
        rows = zip(rollouts.texts, rollouts.group.tolist(), strict=True)
        return gather([self._row(text, rollouts.tasks[g], sets[g]) for text, g in rows])

    def _labels(self, task: Task) -> frozenset[str]:
        known = frozenset(str(x).lower() for x in self.labels or task.columns.get("choices", ()))
        if str(task.answer).lower() not in known:
            raise ValueError(
                f"task {task.id!r}: its answer {task.answer!r} is none of the labels "
                f"{', '.join(sorted(known)) or '(none given)'}"
            )
        return known

    def _row(self, text: str, task: Task, known: frozenset[str]) -> Judged | Ungradable:
        names = [self.thinking.lower(), self.label.lower(), self.extension.lower()]
        text = _TAG.sub(lambda tag: tag.group().lower(), text)
        # A task may use its thinking as the extension: its names are asked for once each.
        found = sections(text, list(dict.fromkeys(names)))
        inside = found.first(names[1]) or ""
        label = (last_boxed(inside) or inside).strip().lower()
        added = (found.first(names[2]) or "").strip()
        whole = found.ordered and all((found.first(name) or "").strip() for name in names)
        form = label in known and (whole or not self.strict)
        right = label == str(task.answer).lower()
        rated = 0.0
        if added and form and (right or not self.gated):
            try:
                rated = min(max(float(self.judge(task, label, added)), 0.0), 1.0)
            except Exception as error:
                if self.failed is None:
                    reason, trace = told(error)
                    return Ungradable(f"judge: {reason}", trace)
                rated = self.failed
            if any(phrase in added.lower() for phrase in self.stock):
                rated = min(rated, self.cap)
        pays = zip(self.weights, (form, right, rated), strict=True)
        parts = dict(zip(("form", "right", "extension"), (w * x for w, x in pays), strict=True))
        return Judged(sum(parts.values()), parts)

    @classmethod
    def example(cls) -> Example:
        form = "<class>{answer}</class><extension>{think}</extension>"
        probes = (probe("label", "Which of a, b and c is it?", "b", ("a", "c", "d"), form=form),)
        stays = {"changing-answers": "the first section is the label: what follows earns nothing"}
        return Example(cls(_content, ("a", "b", "c")), probes, stays=stays)


def _content(task: Task, label: str, extension: str) -> float:
    """The example's judge, content with any extension."""
    return 1.0
