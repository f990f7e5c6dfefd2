"""Tool calls: reading them from a completion, and how much of the gold calls they get right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guerdon.parsing.fenced import unfenced
from guerdon.parsing.json_objects import json_values
from guerdon.parsing.thinking import after_thinking
from guerdon.rewards.actions.native_calls import function_calls, native_calls
from guerdon.rewards.actions.strict_json import read_json, same_json

MAX_CALLS = 64
"""Most calls of one completion that are read."""


@dataclass(frozen=True)
class ToolCall:
    """A tool's name and its parameters; ``further`` are other keys that it was written with.

    Two calls are equal by name and parameters: 5 = 5.0, but 5 is not "5" and true is not 1, as the
    tool would see them; texts are equal letter by letter; the order of keys does not count.
    """

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    further: Mapping[str, Any] = field(default_factory=dict)

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
    """The calls of all ``<tag>`` sections after the thinking, in order; see `call_sections`.

    A section holds JSON objects, or lists of them, in any layout and perhaps in a fence, or
    ``<function=name>``; what a call is says `as_call`. Without a section they may stand as the
    model's chat template has them (`native_calls`). None where there are neither, where one holds
    anything else, and for over `MAX_CALLS`. An empty section holds no calls.
    """
    found = call_sections(text, tag)
    calls: list[ToolCall] = []
    try:
        for inside in found:
            plain = unfenced(inside)
            if plain.startswith("<function="):
                calls += map(as_call, function_calls(plain))
                continue
            for value in json_values(plain):
                calls += map(as_call, value if isinstance(value, list) else [value])
        if not found:
            calls += map(as_call, native_calls(after_thinking(text)))
    except ValueError:
        return None
    return calls if (found or calls) and len(calls) <= MAX_CALLS else None


def call_sections(text: str, tag: str) -> list[str]:
    """The insides of ``<tag>`` sections after the thinking, `MAX_CALLS` and one more at most.

    One that is never closed, as where a stop string ended the text, runs to the end.
    """
    rest, opening, closing = after_thinking(text), f"<{tag}>", f"</{tag}>"
    found: list[str] = []
    start = rest.find(opening)
    while start >= 0 and len(found) <= MAX_CALLS:
        start += len(opening)
        end = rest.find(closing, start)
        end = end if end >= 0 else len(rest)
        found.append(rest[start:end])
        start = rest.find(opening, end)
    return found


def read_released_calls(text: str, tag: str = "tool_call") -> list[ToolCall] | None:
    """The calls as ToolRL's released code reads them.

    They stand between the first ``<tag>`` of the text and the next ``</tag>``, one JSON object a
    line, with ``name`` and ``parameters``. None where the tags are missing, a line is not JSON, or
    an object is no such call. Empty lines are not JSON, but an empty section holds no calls.
    """
    start = text.find(f"<{tag}>")
    end = text.find(f"</{tag}>", start) if start >= 0 else -1
    if end < 0:
        return None
    lines = text[start + len(tag) + 2 : end].strip().split("\n", MAX_CALLS)
    if lines == [""]:
        return []
    try:
        return [_named(read_json(line), "parameters") for line in lines]
    except ValueError:
        return None


def as_call(value: Any) -> ToolCall:
    """A call from ``{"name": str, "parameters": {..}}``; further keys do not count.

    ``arguments`` may stand for ``parameters`` and may be the text of a JSON object, and all may be
    the ``function`` of an object, as where tools are called through a server. Raises ValueError
    for anything else: no parameters, or two kinds that differ.
    """
    if isinstance(value, Mapping) and "name" not in value and "function" in value:
        value = value["function"]
    if not isinstance(value, Mapping):
        raise ValueError(f"a tool call is an object, not {value!r:.80}")
    kinds = [kind for kind in ("parameters", "arguments") if kind in value]
    if not kinds:
        raise ValueError(f"a tool call needs an object 'parameters': {value!r:.80}")
    first, *others = (_named(value, kind) for kind in kinds)
    if any(other != first for other in others):
        raise ValueError(f"its 'parameters' and its 'arguments' differ: {value!r:.80}")
    return first


def _named(value: Any, key: str) -> ToolCall:
    """The call of an object whose parameters stand under ``key``; ValueError where it is none."""
    name, parameters = (
        (value.get("name"), value.get(key)) if isinstance(value, Mapping) else (None, None)
    )
    if key == "arguments" and isinstance(parameters, str):
        parameters = read_json(parameters)
    if not isinstance(name, str) or not isinstance(parameters, Mapping):
        raise ValueError(f"a tool call needs a text 'name' and an object {key!r}: {value!r:.80}")
    return ToolCall(name, parameters, {k: v for k, v in value.items() if k not in ("name", key)})


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

    ToolRL's "intermediate" granularity: a predicted call serves one gold call, and is exact where
    its whole object is, further keys included. Equal lists give 1.
    """
    left = list(predicted)
    score = jaccard((c.name for c in gold), (c.name for c in predicted))
    for call in gold:
        place = next((k for k, one in enumerate(left) if _same_object(call, one)), None)
        if place is not None:
            left.pop(place)
            score += 1
    return score / (1 + len(gold))


def all_or_nothing(gold: Sequence[ToolCall], predicted: Sequence[ToolCall]) -> float:
    """1 for the gold calls in their order and none beside, else 0."""
    return float(list(gold) == list(predicted))


def released_all_or_nothing(gold: Sequence[ToolCall], predicted: Sequence[ToolCall]) -> float:
    """ToolRL's "coarse" granularity: `all_or_nothing`, further keys of an object included."""
    return float(len(gold) == len(predicted) and all(map(_same_object, gold, predicted)))


def _same_object(one: ToolCall, two: ToolCall) -> bool:
    return one == two and same_json(one.further, two.further)


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
