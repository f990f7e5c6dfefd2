"""Tool calls: reading them from a completion, and how much of the gold calls they get right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guerdon.rewards.actions.strict_json import read_json, same_json

MAX_CALLS = 64
"""Most calls of one completion that are read."""


@dataclass(frozen=True)
class ToolCall:
    """A tool's name and its parameters."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ToolCall)
            and self.name == other.name
            and same_json(self.parameters, other.parameters)
        )

    __hash__ = None  # type: ignore[assignment]  # parameters are no key


Credit = Callable[[Sequence[ToolCall], Sequence[ToolCall]], float]
"""Gold calls and predicted calls to a credit in [0, 1]."""


def read_calls(text: str, tag: str = "tool_call") -> list[ToolCall] | None:
    """The calls between the first ``<tag>`` and the next ``</tag>``, one JSON object a line.

    None where the tags are missing, a line is not JSON, or an object is not a call (see
    `as_call`). Empty lines are not JSON, but an empty section holds no calls.
    """
    start = text.find(f"<{tag}>")
    end = text.find(f"</{tag}>", start) if start >= 0 else -1
    if end < 0:
        return None
    lines = text[start + len(tag) + 2 : end].strip().split("\n", MAX_CALLS)
    if lines == [""]:
        return []
    try:
        return [as_call(read_json(line)) for line in lines]
    except ValueError:
        return None


def as_call(value: Any) -> ToolCall:
    """A call from ``{"name": str, "parameters": {...}}``; further keys are ignored.

    Raises ValueError for anything else (``arguments`` is not accepted for ``parameters``).
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"a tool call is an object, not {value!r:.80}")
    name, parameters = value.get("name"), value.get("parameters")
    if not isinstance(name, str) or not isinstance(parameters, Mapping):
        raise ValueError(
            f"a tool call needs a text 'name' and an object 'parameters': {value!r:.80}"
        )
    return ToolCall(name, parameters)


def jaccard(one: Iterable[Hashable], two: Iterable[Hashable]) -> float:
    """Jaccard index of two multisets; 1 where both are empty.

    I / (|a| + |b| - I), where I sums the smaller counts.

    >>> jaccard("aab", "abc"), jaccard("", "")
    (0.5, 1.0)
    """
    a, b = Counter(one), Counter(two)
    common = (a & b).total()
    union = a.total() + b.total() - common
    return common / union if union else 1.0


def partial_credit(gold: Sequence[ToolCall], predicted: Sequence[ToolCall]) -> float:
    """Credit for tool names, parameter names and parameter values (ToolRL, 2504.13958).

    ``(J(names) + sum_g best match of g) / (1 + sum_g (1 + |parameters of g|))``. A predicted
    call matches a gold call of its name by J(parameter names) plus 1 for each parameter of
    equal value. Gold calls choose in order, each the best call left (ties: the first), which
    with repeated names need not be the best assignment. Equal lists give 1.
    """
    return _graded(gold, predicted, jaccard)


def exact_names_credit(gold: Sequence[ToolCall], predicted: Sequence[ToolCall]) -> float:
    """`partial_credit`, but tool names and parameter names are all right or worth nothing.

    ToolRL's "finegrained" switch, in fact the stricter one. Tool names compare as lists,
    parameter names as sets (an object has no order).
    """
    return _graded(gold, predicted, _all_or_none)


def whole_call_credit(gold: Sequence[ToolCall], predicted: Sequence[ToolCall]) -> float:
    """``(J(names) + number of gold calls made exactly) / (1 + number of gold calls)``.

    ToolRL's "intermediate" granularity. A predicted call serves one gold call.
    """
    left = list(predicted)
    score = jaccard((c.name for c in gold), (c.name for c in predicted))
    for call in gold:
        if call in left:
            left.remove(call)
            score += 1
    return score / (1 + len(gold))


def all_or_nothing(gold: Sequence[ToolCall], predicted: Sequence[ToolCall]) -> float:
    """1 for the gold calls in their order, else 0: ToolRL's "coarse" granularity."""
    return float(list(gold) == list(predicted))


def _graded(
    gold: Sequence[ToolCall],
    predicted: Sequence[ToolCall],
    alike: Callable[[Iterable[Hashable], Iterable[Hashable]], float],
) -> float:
    if list(gold) == list(predicted):
        return 1.0
    unused = list(predicted)
    score = alike([c.name for c in gold], [c.name for c in predicted])
    for call in gold:
        worths = [_worth(call, one, alike) for one in unused]
        best = max(worths, default=0.0)
        if best > 0:
            score += best
            unused.pop(worths.index(best))
    return score / (1 + sum(1 + len(call.parameters) for call in gold))


def _worth(
    gold: ToolCall,
    predicted: ToolCall,
    alike: Callable[[Iterable[Hashable], Iterable[Hashable]], float],
) -> float:
    if gold.name != predicted.name:
        return 0.0
    values = sum(
        name in predicted.parameters and same_json(value, predicted.parameters[name])
        for name, value in gold.parameters.items()
    )
    return alike(sorted(gold.parameters), sorted(predicted.parameters)) + values


def _all_or_none(one: Iterable[Hashable], two: Iterable[Hashable]) -> float:
    return float(list(one) == list(two))
