"""Tool use as a reward: form, and graded correctness of the calls."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from guerdon.examples import Example, probe
from guerdon.parsing import read_json, sections
from guerdon.parsing.end_tokens import END_TOKEN
from guerdon.ranges import Positive, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.actions.tool_calls import (
    MAX_CALLS,
    Credit,
    ToolCall,
    as_call,
    call_sections,
    partial_credit,
    read_calls,
    read_released_calls,
)
from guerdon.rewards.composing.levels import Scale
from guerdon.rewards.running.rows import Judged, gather
from guerdon.schedules import Linear, Steps, at

_BLANK = re.compile(r"\s*+")
_ENDS = re.compile(rf"(?:\s|{END_TOKEN})*+")
"""What a completion may end in: the end tokens that chat models write, kept by some decoders."""


@dataclass(frozen=True)
class ThinkLength:
    """``min(1, round(words / most, 2))`` of the first ``<think>`` section; 0 without one.

    ToolRL's length reward, which its authors advise against. ``most`` 512, or
    ``Linear(384, 640, steps=105)`` for their dynamic form.
    """

    most: Positive = 512.0

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, text: str, progress: Progress) -> float:
        inside = sections(text, ("think",)).first("think")
        if inside is None:
            return 0.0
        return min(1.0, round(len(inside.split()) / at(self.most, progress), 2))


@dataclass(frozen=True)
class GoldTools:
    """What a right completion does: its calls, and whether it also answers in words."""

    calls: tuple[ToolCall, ...]
    response: bool


@dataclass(frozen=True)
class ToolReward:
    """Form plus graded correctness of tool calls (ToolRL, arXiv 2504.13958).

    A completion reads ``<think>..</think>``, ``<tool_call>``, JSON objects ``{"name",
    "parameters"}``, ``</tool_call>``, and / or ``<response>..</response>``: which of them, the
    gold says. Each section holds something; calls may stand in several, one after the other; white
    space and end tokens (``<|im_end|>``) around do not count. ``think`` False leaves the first
    section out. Calls are read by `read_calls`, in all their usual forms.

    ``released`` is ToolRL's own rule: a newline between sections and at both ends of the calls'
    and nothing else, one section of calls, an object a line (`read_released_calls`); without
    ``think`` the newlines around the calls are optional.

    Parts, summing to the value: "format" is ``form.high`` where the form holds, else
    ``form.low``; "calls" is ``credit(gold, predicted)`` in [0, 1] on the scale ``calls``
    (missing tags, bad JSON or a missing key: its low end), and 0 where the gold has no call,
    except with ``penalise_spurious``: then a section of calls costs the low end. ``length``
    adds a part, see `ThinkLength`. Never invalid.

    The gold: column ``calls`` (list of name and parameters, or its JSON) with column ``response``
    (does it answer in words too? by default only where there is no call); without ``calls``, the
    answer in the form above. Raises ValueError naming the task where neither can be read.
    """

    name: ClassVar[str] = "tools"

    form: Scale = Scale(0.0, 1.0)
    """What the form is worth, where it fails and where it holds."""
    calls: Scale = Scale(-3.0, 3.0)
    """What no and full credit for the calls are worth."""
    credit: Credit = partial_credit
    """How predicted calls are graded."""
    length: ThinkLength | None = None
    """A part for the length of the thinking; null: none."""
    tag: str = "tool_call"
    """The section of calls."""
    think: bool = True
    """Whether a thinking section is asked for."""
    penalise_spurious: bool = False
    """Whether calls that were not asked for cost."""
    released: bool = False
    """Whether calls and form are read as ToolRL's released code reads them."""

    scope: ClassVar[str] = "completion"

    @property
    def range(self) -> tuple[float, float]:
        """What form, calls and length can reach at any step; a gold without calls gives 0."""
        (f_low, f_high), (c_low, c_high) = self.form.range, self.calls.range
        extra = 0.0 if self.length is None else 1.0
        return f_low + min(c_low, 0.0), f_high + max(c_high, 0.0) + extra

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        golds = [self.gold(task) for task in rollouts.tasks]
        rows = zip(rollouts.texts, rollouts.group.tolist(), strict=True)
        form, calls = self.form.now(progress), self.calls.now(progress)
        judged = []
        for text, group in rows:
            gold = golds[group]
            parts = {"format": form(float(self.holds(text, gold)))}
            credit = self._credit(text, gold)
            parts["calls"] = 0.0 if credit is None else calls(credit)
            if self.length is not None:
                parts["length"] = self.length(text, progress)
            judged.append(Judged(sum(parts.values()), parts))
        return gather(judged)

    def gold(self, task: Task) -> GoldTools:
        """The task's gold calls; see the class for where they stand."""
        given = task.columns.get("calls")
        try:
            if given is not None:
                listed = read_json(given) if isinstance(given, str) else given
                calls = tuple(as_call(call) for call in listed)
                return GoldTools(calls, bool(task.columns.get("response", not calls)))
            answer = str(task.answer or "")
            has_calls, response = f"<{self.tag}>" in answer, "<response>" in answer
            read = read_calls(answer, self.tag) if has_calls else []
            if read is None or not (has_calls or response):
                raise ValueError(f"its answer {answer!r:.80} holds neither calls nor a response")
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"task {task.id!r}: {error}; give the column 'calls', a list of "
                f'{{"name": ..., "parameters": {{...}}}}, or an answer with <{self.tag}> tags'
            ) from error
        return GoldTools(tuple(read), response)

    def _credit(self, text: str, gold: GoldTools) -> float | None:
        """What the calls are worth in [0, 1]; None where there are none to be made."""
        if not gold.calls:
            if self.released:
                made = f"<{self.tag}>" in text
            else:
                made = bool(call_sections(text, self.tag) or read_calls(text, self.tag))
            return 0.0 if self.penalise_spurious and made else None
        read = (read_released_calls if self.released else read_calls)(text, self.tag)
        return 0.0 if read is None else self.credit(gold.calls, read)

    def holds(self, text: str, gold: GoldTools) -> bool:
        """Whether a completion has the form that its gold asks for."""
        blocks = ["think"] if self.think else []
        blocks += [self.tag] if gold.calls else []
        blocks += ["response"] if gold.response else []
        if self.released:
            return _in_released_form(text, blocks, self.tag, newlines=self.think)
        return _in_form(text, blocks, self.tag)

    @classmethod
    def example(cls) -> Example:
        call = {"name": "weather", "parameters": {"city": "Oslo", "day": "today"}}
        other = {"name": "alarm", "parameters": {"hour": 7}}
        turned = {"parameters": {"day": "today", "city": "Oslo"}, "name": "weather"}
        spaced = json.dumps(call).replace(":", " :").replace("{", "{ ")
        probes = (
            probe(
                *("rain", "Tools: weather(city,day) alarm(hour)\nWill it rain in Oslo today?"),
                json.dumps(call),
                (json.dumps(other), "{}", '{"name": "weather"}', "weather(Oslo)"),
                (json.dumps(turned), spaced),
                "<think>{think}</think>\n<tool_call>\n{answer}\n</tool_call>",
                calls=[call],
            ),
        )
        return Example(cls(), probes)


def _in_form(text: str, blocks: Sequence[str], tag: str) -> bool:
    """The blocks in order, each with something in it, and nothing else but white space and end
    tokens. Those of calls may be several; but for the thinking none holds a block's tag."""
    place, marks = 0, [mark for name in blocks for mark in (f"<{name}>", f"</{name}>")]
    for name in blocks:
        opening, closing, count = f"<{name}>", f"</{name}>", 0
        while text.startswith(opening, begin := _blank_to(text, place)):
            end = text.find(closing, begin)
            inside = text[begin + len(opening) : max(end, 0)]
            if end < 0 or not inside.strip():
                return False
            if name != "think" and any(mark in inside for mark in marks):
                return False
            place, count = end + len(closing), count + 1
            if name != tag or count > MAX_CALLS:
                break
        if not count:
            return False
    return _ENDS.fullmatch(text, place) is not None


def _blank_to(text: str, place: int) -> int:
    """Where white space that begins at ``place`` ends."""
    found = _BLANK.match(text, place)
    return found.end() if found else place


def _in_released_form(text: str, blocks: Sequence[str], tag: str, newlines: bool) -> bool:
    """The blocks in order and nothing else; each but "think" exactly once."""
    for name in blocks:
        if name != "think" and (text.count(f"<{name}>"), text.count(f"</{name}>")) != (1, 1):
            return False
    inner = {name: r"\n.*?\n" if name == tag and newlines else ".*?" for name in blocks}
    # Every block but the first occurs once, so the lazy runs have one place to end: linear.
    pattern = r"\n".join(f"<{re.escape(n)}>{inner[n]}</{re.escape(n)}>" for n in blocks)
    return re.fullmatch(pattern + r"\n?", text, re.DOTALL) is not None


def two_stage(**settings: object) -> ToolReward:
    """ToolRL's abrupt schedule: correctness in +-1 for 30 steps, then +-3 and form worth 0.5."""
    return ToolReward(
        form=Scale(0.0, Steps((1.0, 0.5), at=(30,))),
        calls=Scale(Steps((-1.0, -3.0), at=(30,)), Steps((1.0, 3.0), at=(30,))),
        **settings,  # type: ignore[arg-type]
    )


def smooth(**settings: object) -> ToolReward:
    """ToolRL's released smooth schedule over 150 steps: correctness from +-2 to +-3.

    Form falls from +-2 to +-1; its minimum is there after 75 steps, as released.
    """
    return ToolReward(
        form=Scale(Linear(-2.0, -1.0, steps=75), Linear(2.0, 1.0, steps=150)),
        calls=Scale(Linear(-2.0, -3.0, steps=150), Linear(2.0, 3.0, steps=150)),
        **settings,  # type: ignore[arg-type]
    )
