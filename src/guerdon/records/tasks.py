"""What is asked, and how far the run is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Message = Mapping[str, Any]
"""One chat message: ``{"role": ..., "content": ...}``."""


@dataclass(frozen=True)
class Task:
    """One prompt and what is needed to judge an answer to it.

    ``id`` names the task; groups are made by id, never by prompt text, so that two tasks
    that happen to read alike stay apart. ``columns`` carries every further field of the data
    (choices, schema, gold tool calls, images...) to the rewards. ``link`` names the question
    of which this task is one view (linked groups share it). ``samples`` is how many completions of
    this task are drawn, where it is another number than of others. Rows of a ``probe`` are drawn,
    judged, observed and shown, and nothing is learned from them.
    """

    id: str
    prompt: str | Sequence[Message]
    answer: Any = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    link: str | None = None
    probe: bool = False
    samples: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.probe, bool):
            raise ValueError(f"task {self.id!r}: probe is {self.probe!r:.60}; give true or false")
        if self.samples is not None and (type(self.samples) is not int or self.samples < 1):
            raise ValueError(
                f"task {self.id!r}: samples is {self.samples!r:.60}; give a whole number of 1 or "
                "more, or nothing"
            )

    @property
    def text(self) -> str:
        """The prompt as plain text; chat messages are joined one per line, images are <image>."""
        if isinstance(self.prompt, str):
            return self.prompt
        return "\n".join(f"{m['role']}: {_said(m['content'])}" for m in self.prompt)


def questions(tasks: Sequence[Task]) -> list[list[int]]:
    """Places of the tasks, question by question: tasks of one ``link`` are views of one.

    Questions stand in the order of their first views; a task without a link is one by itself.
    """
    places: dict[str | int, list[int]] = {}
    for place, task in enumerate(tasks):
        places.setdefault(place if task.link is None else task.link, []).append(place)
    return list(places.values())


def first_views(tasks: Sequence[Task]) -> list[Task]:
    """One task of each question, the first that is no probe: what a question is graded by.

    Questions of probes alone are left out.
    """
    views = ([tasks[i] for i in places if not tasks[i].probe] for places in questions(tasks))
    return [some[0] for some in views if some]


def with_views(chosen: Sequence[Task], tasks: Sequence[Task]) -> list[Task]:
    """``chosen`` of the tasks, each with all other views of its question, in their order."""
    views = {tasks[i].id: [tasks[j] for j in places] for places in questions(tasks) for i in places}
    return [view for task in chosen for view in views[task.id]]


def _said(content: Any) -> Any:
    """A message's text, where its content is a list of parts."""
    if not isinstance(content, list | tuple):
        return content
    return " ".join(str(part.get("text", f"<{part.get('type')}>")) for part in content)


@dataclass(frozen=True)
class Progress:
    """Where the run stands: ``step`` counts from 0 up to ``total - 1``."""

    step: int = 0
    total: int = 1

    @property
    def fraction(self) -> float:
        """Share of the run that is done, in [0, 1)."""
        return self.step / max(self.total, 1)
