"""One step of an agent on a phone, verified against its label."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from guerdon.examples import Example, probe
from guerdon.parsing import sections
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.actions.boxes import inside, numbers_of
from guerdon.rewards.actions.strict_json import read_json, same_json
from guerdon.rewards.running.rows import Judged, gather

BLOCKS = ("think", "action", "tool_call")
_POINTS: Mapping[str, tuple[str, ...]] = {"click": ("x", "y"), "swipe": ("x1", "y1", "x2", "y2")}


@dataclass(frozen=True)
class MobileStepReward:
    """1 for the right action plus 1 for its form (stage 2 of Mobile-R1, arXiv 2506.20332).

    A step is ``<think>..</think><action>words</action><tool_call>{"name", "arguments"}
    </tool_call>``. Part "format": each block exactly once, in order, and the call parses.
    Part "action", wherever the call parses: a click inside the element's box (borders
    included); a swipe that begins inside it and goes the label's main direction (up, down,
    left or right, the horizontal one on a tie); any other action by name and arguments, texts
    stripped. Coordinates must be in the label's frame. Never invalid.

    The label is the task's ``column``, ``{"name", "arguments", "box"?}``; clicks and swipes
    need the box [x1, y1, x2, y2]. Raises ValueError naming the task where it does not hold.
    """

    name: ClassVar[str] = "mobile-step"

    column: str = "step"
    """The column of the right step."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 2.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        labels = [self._label(task) for task in rollouts.tasks]
        rows = zip(rollouts.texts, rollouts.group.tolist(), strict=True)
        return gather([_judge(text, labels[group]) for text, group in rows])

    def _label(self, task: Task) -> Mapping[str, Any]:
        label = task.columns.get(self.column)
        try:
            if not isinstance(label, Mapping):
                raise ValueError("it is no object")
            name, arguments = label["name"], label.get("arguments", {})
            if not isinstance(arguments, Mapping):
                raise ValueError("its arguments are no object")
            if name in _POINTS and len(numbers_of(label["box"]) or ()) != 4:
                raise ValueError("its box has not four numbers")
            if name == "swipe" and _named(arguments, _POINTS[name]) is None:
                raise ValueError("its arguments lack x1, y1, x2, y2")
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"task {task.id!r}: column {self.column!r} is no step label ({error}); give "
                '{"name": ..., "arguments": {...}}, and for click and swipe "box": [x1,y1,x2,y2]'
            ) from error
        return label

    @classmethod
    def example(cls) -> Example:
        def step(**arguments: Any) -> str:
            return json.dumps({"name": "click", "arguments": arguments})

        label = {"name": "click", "arguments": {"x": 5, "y": 5}, "box": [0, 0, 10, 10]}
        form = "<think>{think}</think><action>tap</action><tool_call>{answer}</tool_call>"
        probes = (
            probe(
                *("tap", "Open the mail.", step(x=5, y=5)),
                ('{"name": "wait"}', step(x=50, y=5), step(x="5", y="5"), step(x=True, y=True)),
                *((step(x=6.5, y=0), step(y=5, x=5)), form),
                step=label,
            ),
        )
        return Example(cls(), probes)


def _judge(text: str, label: Mapping[str, Any]) -> Judged:
    found = sections(text, BLOCKS)
    call = _call(found.last("tool_call"))
    if call is None:
        return Judged(0.0, {"format": 0.0, "action": 0.0})
    form = found.ordered and all(found.count(name) == 1 for name in BLOCKS)
    right = right_step(*call, label)
    return Judged(float(form) + float(right), {"format": float(form), "action": float(right)})


def _call(text: str | None) -> tuple[str, Mapping[str, Any]] | None:
    try:
        value = read_json((text or "").strip())
    except ValueError:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", {})
    return (value["name"], arguments) if isinstance(arguments, dict) else None


def right_step(name: str, arguments: Mapping[str, Any], label: Mapping[str, Any]) -> bool:
    """Whether an action is the labelled one; see `MobileStepReward`."""
    if name != label["name"]:
        return False
    if name not in _POINTS:
        wanted = label.get("arguments", {})
        return same_json(_stripped(arguments), _stripped(wanted))
    numbers = _named(arguments, _POINTS[name])
    if numbers is None or not inside((numbers[0], numbers[1]), label["box"]):
        return False
    wanted = _named(label.get("arguments", {}), _POINTS[name])
    return name == "click" or (wanted is not None and _direction(numbers) == _direction(wanted))


def _named(arguments: Mapping[str, Any], names: Sequence[str]) -> tuple[float, ...] | None:
    """The named arguments as numbers; None where one is missing or no number."""
    return numbers_of([arguments.get(name) for name in names])


def _direction(numbers: Sequence[float]) -> tuple[str, bool]:
    x1, y1, x2, y2 = numbers
    along, across = x2 - x1, y2 - y1
    return ("horizontal", along > 0) if abs(along) >= abs(across) else ("vertical", across > 0)


def _stripped(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.strip() if isinstance(v, str) else v for k, v in arguments.items()}
