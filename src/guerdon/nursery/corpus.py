"""What a seedling reads: the nursery's tasks with worked answers, and practice."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from guerdon.nursery.worked import (
    Worker,
    drill,
    moves,
    worked_arithmetic,
    worked_call,
    worked_choice,
    worked_choices,
    worked_fact,
    worked_move,
    worked_query,
    worked_region,
)
from guerdon.records import Task
from guerdon.tasks import (
    Arithmetic,
    FactQuestions,
    MultiChoice,
    MultipleChoice,
    SqlQueries,
    TextBoxes,
    TextIntervals,
    ToolCalls,
)

END = "<|end|>"
TAGS = ("<think>", "</think>", "<answer>", "</answer>", "<tool>", "</tool>", "\\boxed{")
UNTAGGED = 0.04
"""Share of answers given without their tags: the format is known, not perfect."""
PRACTICE = 0.3
"""Share of texts that practise single steps of sums."""


@dataclass(frozen=True)
class Skill:
    """A kind of task: its share of the answered texts, and how often its worker is careless."""

    share: float
    careless: float
    tasks: Sequence[Task]
    worker: Worker


Piece = tuple[str, bool]
"""A part of a text, and whether it is to be learned: prompts are only read."""


def skills(seed: int) -> dict[str, Skill]:
    """Every skill with training tasks drawn from ``seed``; shares sum to 1."""
    sums = [
        *Arithmetic(("addition", "subtraction"), 2, train=8000, seed=3 * seed).load("train"),
        *Arithmetic(train=4000, seed=3 * seed + 1).load("train"),
        *Arithmetic(("addition",), 3, train=3000, seed=3 * seed + 2).load("train"),
    ]
    choice, several = MultipleChoice(train=8000, seed=seed), MultiChoice(train=8000, seed=seed)
    calls, facts = ToolCalls(train=2000, seed=seed), FactQuestions(train=8000, seed=seed)
    queries, boxes = SqlQueries(train=2000, seed=seed), TextBoxes(train=4000, seed=seed)
    intervals = TextIntervals(train=2000, seed=seed)
    return {
        "sums": Skill(0.46, 0.65, sums, worked_arithmetic),
        "choice": Skill(0.10, 0.5, choice.load("train"), worked_choice),
        "choices": Skill(0.12, 0.5, several.load("train"), worked_choices),
        "calls": Skill(0.05, 0.4, calls.load("train"), worked_call),
        "facts": Skill(0.11, 0.5, facts.load("train"), worked_fact),
        "queries": Skill(0.04, 0.4, queries.load("train"), worked_query),
        "boxes": Skill(0.06, 0.4, boxes.load("train"), worked_region),
        "intervals": Skill(0.03, 0.4, intervals.load("train"), worked_region),
        # Positions are few, so there is no split; examinations draw theirs from another seed.
        "moves": Skill(0.03, 0.5, moves(1000 * seed, 4000), worked_move),
    }


def answered(rng: random.Random, corpus: dict[str, Skill]) -> list[Piece]:
    """A task with a worked answer."""
    (skill,) = rng.choices(list(corpus.values()), [skill.share for skill in corpus.values()])
    task = rng.choice(skill.tasks)
    answer = skill.worker(task, rng, skill.careless)
    if rng.random() < UNTAGGED:
        for tag in TAGS[:4]:
            answer = answer.replace(tag, " ")
    return [(task.text, False), (answer + END, True)]


def practice(rng: random.Random) -> list[Piece]:
    """Single steps without a question around them."""
    steps = drill(rng)
    pieces = [piece for asked, found in steps for piece in ((asked, False), (found, True))]
    return [("Practise.\n", False), *pieces]


def example(rng: random.Random, corpus: dict[str, Skill]) -> list[Piece]:
    """One text."""
    return practice(rng) if rng.random() < PRACTICE else answered(rng, corpus)
