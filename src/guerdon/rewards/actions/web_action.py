"""The next action of a web user, scored level by level: type, attributes, text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from guerdon.examples import Example, probe
from guerdon.parsing import json_object, sections
from guerdon.ranges import NonNegative, Share, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.actions.boxes import inside, numbers_of
from guerdon.rewards.actions.strict_json import read_json
from guerdon.rewards.running.rows import Judged, gather
from guerdon.rewards.text.overlap import harmonic_mean, lcs_length

TYPES = ("click", "type_and_submit", "terminate")
_WORD = re.compile(r"[^\W_]+")
_MAX_WORDS = 200


@dataclass(frozen=True)
class WebAction:
    """One action: its type, the element's name, the text typed into it, a point on the screen."""

    type: str
    name: str = ""
    text: str = ""
    point: tuple[float, float] | None = None


@dataclass(frozen=True)
class WebActionReward:
    """Hierarchical reward of ``{"rationale": .., "action": {..}}`` (Shop-R1, arXiv 2507.17842).

    Parts, summing to the value:

    - "format" 0.5 where the completion parses (see `read_web_action`), else every part is 0;
    - "type" 0.3 where the type is the gold type; the later parts need that;
    - "attributes": click 0.2 for any name; type_and_submit 0.1 for any name, 0.1 for any text
      and ``0.1 sim(name)``;
    - "content": ``difficulty * sim``, of the name for click and of the text for
      type_and_submit. A click whose gold has a ``box`` [x1, y1, x2, y2] counts 1 for a
      ``point`` inside (borders included) in place of the name's similarity.

    ``sim`` is ROUGE-L F1 over lower-case words, 0 below ``threshold``. The multiplier makes
    the rare right text outweigh the easy "terminate", but dividing advantages by the group's
    standard deviation cancels most of it: use mean-centred ones. Never invalid.

    The gold is the task's ``column``, ``{"type", "name"?, "text"?, "box"?}``. Raises
    ValueError naming the task where it is missing or of no known type.
    """

    name: ClassVar[str] = "web-action"

    difficulty: NonNegative = 1000.0
    """What the right text counts beside the action's type."""
    threshold: Share = 0.75
    """The likeness below which a text counts as another."""
    strict: bool = False
    """Whether text around the object, and keys that are not known, are refused."""
    column: str = "action"
    """The column of the right action."""

    scope: ClassVar[str] = "completion"

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def range(self) -> tuple[float, float]:
        """0 to what the right text into the right field is worth."""
        return 0.0, 1.1 + self.difficulty

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        golds = [self._gold(task) for task in rollouts.tasks]
        rows = zip(rollouts.texts, rollouts.group.tolist(), strict=True)
        return gather([self._judge(text, golds[group]) for text, group in rows])

    def _gold(self, task: Task) -> tuple[WebAction, tuple[float, ...] | None]:
        given = task.columns.get(self.column)
        if not isinstance(given, Mapping) or given.get("type") not in TYPES:
            raise ValueError(
                f"task {task.id!r}: column {self.column!r} is {given!r:.80}; give the right "
                f'action as {{"type": one of {", ".join(TYPES)}, "name": ..., "text": ...}}'
            )
        # An optional field that a file fills with null is one that it lacks.
        gold = WebAction(given["type"], str(given.get("name") or ""), str(given.get("text") or ""))
        box = given.get("box")
        if box is None:
            return gold, None
        numbers = numbers_of(box)
        if numbers is None or len(numbers) != 4:
            raise ValueError(
                f"task {task.id!r}: column {self.column!r} has the box {box!r:.40}; give "
                "[x1, y1, x2, y2]"
            )
        return gold, numbers

    def _judge(self, text: str, gold: tuple[WebAction, tuple[float, ...] | None]) -> Judged:
        action = read_web_action(text, self.strict)
        names = ("format", "type", "attributes", "content")
        levels = (0.0,) * 4 if action is None else (0.5, *self._levels(action, *gold))
        return Judged(sum(levels), dict(zip(names, levels, strict=True)))

    def _levels(
        self, action: WebAction, gold: WebAction, box: tuple[float, ...] | None
    ) -> tuple[float, float, float]:
        if action.type != gold.type:
            return 0.0, 0.0, 0.0
        named = bool(action.name.strip())
        if gold.type == "terminate":
            return 0.3, 0.0, 0.0
        if gold.type == "click":
            hit = self._similarity(action.name, gold.name) if box is None else 0.0
            if box is not None and action.point is not None:
                hit = float(inside(action.point, box))
            return 0.3, 0.2 * named, self.difficulty * hit
        attributes = 0.1 * named + 0.1 * bool(action.text.strip())
        attributes += 0.1 * self._similarity(action.name, gold.name)
        return 0.3, attributes, self.difficulty * self._similarity(action.text, gold.text)

    def _similarity(self, one: str, two: str) -> float:
        value = rouge_l_f1(one, two)
        return value if value >= self.threshold else 0.0

    @classmethod
    def example(cls) -> Example:
        def action(**fields: Any) -> str:
            return json.dumps({"rationale": "because", "action": fields})

        click = {"type": "click", "name": "add to cart"}
        typed = {"type": "type_and_submit", "name": "search", "text": "red running shoes"}
        others = (action(type="terminate"), action(type="click", name="log out"), "{}")
        spaced = action(**click).replace(":", " : ")
        probes = (
            probe(
                *("cart", "Buy it.", action(**click), others, (spaced,)),
                "{answer}",
                action=click,
            ),
            probe(
                *("search", "Look for red running shoes.", action(**typed)),
                (*others, action(type="type_and_submit", name="search", text="blue")),
                (action(type="type_and_submit", name="search", text="Red running shoes"),),
                "{answer}",
                action=typed,
            ),
        )
        return Example(cls(), probes)


@dataclass(frozen=True)
class CallsAsActions:
    """A `WebActionReward` of ``<tool>`` calls, read as forms that are filled in and submitted.

    The tool is the form's name and the parameters' values, in their order, its text. The gold
    is the first call of the task's column "calls". No readable call is no action. Stands for
    browsing where a policy knows only tool calls.
    """

    name: ClassVar[str] = "calls-as-actions"
    made_of: ClassVar[str] = "another reward"

    reward: WebActionReward

    scope: ClassVar[str] = "completion"

    @property
    def range(self) -> tuple[float, float]:
        return self.reward.range

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        tasks, texts = map(self.asked, rollouts.tasks), map(self.rewritten, rollouts.texts)
        changed = replace(rollouts, tasks=tuple(tasks), texts=tuple(texts))
        return self.reward(changed, progress)

    def asked(self, task: Task) -> Task:
        """The task with its gold action. Raises ValueError naming it where it has no call."""
        calls = task.columns.get("calls")
        if not calls:
            raise ValueError(f"task {task.id!r} has no column 'calls' with the right tool call")
        return replace(task, columns={self.reward.column: submitted(calls[0])})

    def rewritten(self, text: str) -> str:
        """The action's JSON; empty, which is no action, where there is no readable call."""
        call = json_object(sections(text, ("tool",)).last("tool") or "") or {}
        if not isinstance(call.get("name"), str) or not isinstance(call.get("parameters"), dict):
            return ""
        return json.dumps({"rationale": "", "action": submitted(call)})

    @classmethod
    def example(cls) -> Example:
        call = {"name": "rain", "parameters": {"city": "Oslo"}}
        probes = (
            probe(
                *("call", "Is it wet in Oslo?", json.dumps(call)),
                ('{"name": "sun", "parameters": {}}', "rain"),
                form="<tool>{answer}</tool>",
                calls=[call],
            ),
        )
        last = "the last call of the section is the action; those before it are not made"
        attacks = ("many-answers", "repeated-answer", "odd-tags")
        return Example(cls(WebActionReward()), probes, stays=dict.fromkeys(attacks, last))


def submitted(call: Mapping[str, Any]) -> dict[str, str]:
    """A tool call as a form filled in and submitted."""
    text = " ".join(map(str, call["parameters"].values()))
    return {"type": "type_and_submit", "name": call["name"], "text": text}


def read_web_action(text: str, strict: bool = False) -> WebAction | None:
    """The action of the JSON object from the first ``{`` to the last ``}``.

    It needs a text ``rationale`` and an object ``action`` with a text ``type``. ``strict``
    forbids text around the object, unknown keys, and ``value`` for ``text``. None otherwise.
    """
    start, end = text.find("{"), text.rfind("}") + 1
    if start < 0 or (strict and (text[:start].strip() or text[end:].strip())):
        return None
    try:
        whole = read_json(text[start:end])
    except ValueError:
        return None
    action = whole.get("action") if isinstance(whole, dict) else None
    if not isinstance(action, dict) or not isinstance(whole.get("rationale"), str):
        return None
    known = {"type", "name", "text", "point"}
    if strict and (whole.keys() != {"rationale", "action"} or not action.keys() <= known):
        return None
    # An optional field that is null is one that is not there.
    given = {key: value for key, value in action.items() if value is not None}
    name, typed = given.get("name", ""), given.get("text", given.get("value", ""))
    kind = given.get("type")
    if not all(isinstance(one, str) for one in (kind, name, typed)):
        return None
    return WebAction(str(kind), str(name), str(typed), _point(action.get("point")))


def rouge_l_f1(one: str, two: str) -> float:
    """F1 of the longest common subsequence of lower-case words; 0 where a text has none.

    Texts are read to their 200th word.
    """
    a, b = (_WORD.findall(text.lower())[:_MAX_WORDS] for text in (one, two))
    common = lcs_length(a, b)
    return harmonic_mean(common / len(a), common / len(b)) if common else 0.0


def _point(value: Any) -> tuple[float, float] | None:
    numbers = numbers_of(value)
    return (numbers[0], numbers[1]) if numbers is not None and len(numbers) == 2 else None
