"""Where things are: boxes, points and intervals read from an answer."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from guerdon.examples import Example, Judges, probe
from guerdon.parsing import section_text
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.actions.boxes import (
    Numbers,
    Overlap,
    box_iou,
    inside,
    interval_iou,
    matched_overlap,
)
from guerdon.rewards.actions.places import read_boxes, read_interval, read_point
from guerdon.rewards.running.rows import Judged, gather

MAX_BOXES = 128
"""Most boxes of one answer that are matched."""

_SECONDS = r'"[\d.]{1,20}"'
_TIMES = re.compile(
    r"\A<think>.*?</think>\s*<answer>\s*"
    rf'\{{\s*"start_time"\s*:\s*{_SECONDS}\s*,\s*"end_time"\s*:\s*{_SECONDS}\s*\}}'
    r"\s*</answer>\s*",
    re.DOTALL,
)


_HERE, _FAR = (0.0, 0.0, 1.0, 1.0), (1e12, 1e12, 1e12 + 1, 1e12 + 1)


@dataclass(frozen=True)
class BoxReward:
    """Overlap of the answer's boxes with the reference's, optimally matched.

    Boxes are what `read_boxes` finds in the first ``section`` ("" = in the whole text):
    ``[x1, y1, x2, y2]``, ``(x1, y1), (x2, y2)``, named or bare numbers, in the reference's frame. A
    section that a stop string cut off runs to the end. Value and part "overlap": the summed
    ``overlap`` (`box_iou`, `box_giou`) of the best assignment over max(number of boxes, number of
    references): Mixed-R1, arXiv 2505.24164. The range's low end: no section, no box, a box without
    area, over `MAX_BOXES` boxes. Never invalid.

    The reference is the task's ``column``: one box or a list of boxes. Raises ValueError
    naming the task where it is missing or malformed.
    """

    name: ClassVar[str] = "box"

    overlap: Overlap = box_iou
    """How far two boxes agree."""
    section: str = "answer"
    """The section that is read; empty: the whole text."""
    column: str = "box"
    """The column of reference boxes."""

    scope: ClassVar[str] = "completion"

    @property
    def range(self) -> tuple[float, float]:
        """From the overlap of boxes far apart (0 for IoU, -1 for GIoU) to 1."""
        return round(self.overlap(_HERE, _FAR), 6), 1.0

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        golds = [_reference(task, self.column, 4, _is_box) for task in rollouts.tasks]
        low = self.range[0]

        def judge(text: str, gold: Sequence[Numbers]) -> float:
            found = read_boxes(_inside(text, self.section))
            if not found or len(found) > MAX_BOXES or not all(map(_is_box, found)):
                return low
            return max(matched_overlap(found, gold, self.overlap), low)

        return _by_row("overlap", rollouts, golds, judge)

    @classmethod
    def example(cls) -> Example:
        probes = (
            probe(
                *("box", "A box at (3,4) is 6 wide and 6 high.", "[3,4,9,10]"),
                ("[11,11,14,14]", "[0,0,1,1]", "[9,10,3,4]", "[3,4]"),
                ("[3.0, 4.0, 9.0, 10.0]",),
                box=(3, 4, 9, 10),
            ),
        )
        return Example(cls(), probes)


@dataclass(frozen=True)
class IntervalReward:
    """Temporal IoU of the answer's interval (Temporal-R1, arXiv 2506.01908).

    The interval is what `read_interval` finds in the first ``section``: its JSON object
    ``{"start_time", "end_time"}``, the last ``[start, end]``, or two bare times, in the reference's
    unit.
    Value and part "overlap": `interval_iou` in [0, 1]; 0 where nothing can be read or the end
    lies before the start. A time beyond the end of the video is not clipped. Never invalid.

    The reference is the task's ``column``, (start, end); with ``fraction_of`` naming a column
    that holds the duration, it is a share of that. Raises ValueError naming the task where a
    reference is missing or malformed.
    """

    name: ClassVar[str] = "interval"

    section: str = "answer"
    """The section that is read; empty: the whole text."""
    column: str = "interval"
    """The column of reference intervals."""
    fraction_of: str = ""
    """The column of the duration that references are shares of; empty: they are times."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        golds = [self._gold(task) for task in rollouts.tasks]

        def judge(text: str, gold: Numbers) -> float:
            found = read_interval(_inside(text, self.section))
            return 0.0 if found is None else interval_iou(found, gold)

        return _by_row("overlap", rollouts, golds, judge)

    def _gold(self, task: Task) -> Numbers:
        (start, end), *_ = _reference(task, self.column, 2, _is_interval)
        if not self.fraction_of:
            return start, end
        duration = task.columns.get(self.fraction_of)
        if not isinstance(duration, int | float) or not duration > 0:
            raise ValueError(
                f"task {task.id!r}: column {self.fraction_of!r} is {duration!r:.40}; "
                "give the duration that the interval is a share of"
            )
        return start * duration, end * duration

    @classmethod
    def example(cls) -> Example:
        probes = (
            probe(
                *("event", "It starts at 20 and lasts 15. When?", "[20,35]"),
                ("[60,80]", "[35,20]", "[0,99]", "20"),
                ("[20.0, 35.0]", "from [20, 35]", "(20, 35)"),
                interval=(20, 35),
            ),
        )
        return Example(cls(), probes)


@dataclass(frozen=True)
class IntervalFormat:
    """1 for Temporal-R1's template with both times as quoted digits and dots, else 0.

    ``<think>..</think><answer>{"start_time": "12.5", "end_time": "20"}</answer>``. "1.2.3"
    passes here, and is no number to `IntervalReward`. Part "format"; never invalid.
    """

    name: ClassVar[str] = "interval-format"

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        holds = [float(_in_template(text)) for text in rollouts.texts]
        return gather([Judged(value, {"format": value}) for value in holds])

    @classmethod
    def example(cls) -> Example:
        right = '<think>x</think><answer>{"start_time": "1", "end_time": "2.5"}</answer>'
        wrong = ("[1, 2.5]", right.replace('"1"', "1"), right.replace("end_time", "end"))
        probes = (probe("times", "When?", right, wrong, (right + "\n",), "{answer}", answer="x"),)
        return Example(cls(), probes, Judges.FORM)


def _in_template(text: str) -> bool:
    """One <answer> tag only, so that the pattern has one place to go on from: linear."""
    return text.count("<answer>") == 1 and _TIMES.fullmatch(text.strip()) is not None


@dataclass(frozen=True)
class PointReward:
    """1 where the answer's point lies in the reference box, borders included, else 0.

    The point is what `read_point` finds in the first ``section`` ("" = in the whole text): the
    last ``[x, y]`` or ``(x, y)``, or the only named or bare one. Several points are one answer's
    last word, not many chances. Part "inside"; never invalid. The reference is the task's
    ``column``: a box, or boxes of which any will do.
    """

    name: ClassVar[str] = "point"

    section: str = "answer"
    """The section that is read; empty: the whole text."""
    column: str = "box"
    """The column of reference boxes."""

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        golds = [_reference(task, self.column, 4, _is_box) for task in rollouts.tasks]

        def judge(text: str, gold: Sequence[Numbers]) -> float:
            point = read_point(_inside(text, self.section))
            return float(point is not None and any(inside(point, box) for box in gold))

        return _by_row("inside", rollouts, golds, judge)

    @classmethod
    def example(cls) -> Example:
        probes = (
            probe(
                *("box", "A box at (3,4) is 6 wide and 6 high.", "[6, 7]"),
                ("[12, 12]", "[0, 0]", "[3, 4, 9, 10]", "6"),
                ("[6.0,7.0]", "(6, 7)"),
                box=(3, 4, 9, 10),
            ),
        )
        return Example(cls(), probes)


def _by_row(
    name: str, rollouts: Rollouts, golds: Sequence[Any], judge: Callable[[str, Any], float]
) -> Scores:
    rows = zip(rollouts.texts, rollouts.group.tolist(), strict=True)
    values = [judge(text, golds[group]) for text, group in rows]
    return gather([Judged(value, {name: value}) for value in values])


def _inside(text: str, section: str) -> str:
    """The first section, to the end where a stop string cut it off; "" where it does not begin."""
    if not section:
        return text
    return (section_text(text, section) or "").strip()


def _reference(
    task: Task, column: str, count: int, good: Callable[[Numbers], bool]
) -> list[tuple[float, ...]]:
    """One list of numbers or several, as several."""
    given = task.columns.get(column)
    try:
        several = given if isinstance(given[0], list | tuple) else [given]  # type: ignore[index]
        read = [tuple(map(float, one)) for one in several]  # type: ignore[arg-type,union-attr]
    except (TypeError, ValueError, IndexError, KeyError, OverflowError):
        read = []
    fine = (len(one) == count and all(map(math.isfinite, one)) and good(one) for one in read)
    if not read or not all(fine):
        wanted = "[x1, y1, x2, y2] with x1 < x2 and y1 < y2" if count == 4 else "[start, end]"
        raise ValueError(
            f"task {task.id!r}: column {column!r} is {given!r:.80}; give {wanted}, one or several"
        )
    return read


def _is_box(box: Numbers) -> bool:
    return box[0] < box[2] and box[1] < box[3]


def _is_interval(interval: Numbers) -> bool:
    return interval[0] <= interval[1]
