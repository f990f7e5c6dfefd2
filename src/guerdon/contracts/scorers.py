"""What every scorer promises."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from guerdon.contracts.promises import calling, check_written_and_read_back, promise, same
from guerdon.records import Task
from guerdon.stages import Scorer

TASKS = (Task("one", "Which letter?", "B"), Task("two", "Say 7.", "7"))
RESPONSES = (("B", "", "the letter is B, as told"), ("7", "é漢字🙂\u202e"))


def check_scorer(
    scorer: Scorer,
    tasks: Sequence[Task] = TASKS,
    responses: Sequence[Sequence[str]] = RESPONSES,
) -> None:
    """Raises AssertionError where a scorer breaks what every scorer promises.

    It gives one finite number a response, all of the first task first, the same when asked
    again, for any number of responses to a task, none included, and for no task at all; a
    response is worth the same alone as beside others (within 1e-4); it goes to a recipe's file
    and back.
    """
    several = [list(texts) for texts in responses]
    n = sum(map(len, several))
    with torch.no_grad():
        score_N = scored(scorer, tasks, several)
        promise(
            score_N.shape == (n,),
            scorer,
            f"{n} responses get scores of shape {tuple(score_N.shape)}, not ({n},)",
        )
        promise(torch.isfinite(score_N.float()).all(), scorer, "a score is not finite")
        again_N = scored(scorer, tasks, several)
        promise(same(again_N, score_N), scorer, "asked again, it gives other scores")
        alone = [
            scored(scorer, [task], [[text]]).reshape(-1)
            for task, texts in zip(tasks, several, strict=True)
            for text in texts
        ]
        near = same(torch.cat(alone), score_N, 1e-4)
        promise(near, scorer, "a response is worth something else beside others than alone")
        uneven = scored(scorer, tasks, [several[0], *([] for _ in several[1:])])
        near = same(uneven, score_N[: len(several[0])], 1e-4)
        promise(near, scorer, "a task without responses changes the scores of the others")
        promise(len(scored(scorer, [], [])) == 0, scorer, "no tasks get scores")
    check_written_and_read_back(scorer)


def scored(scorer: Scorer, tasks: Sequence[Task], responses: Sequence[Sequence[str]]) -> Tensor:
    """What the scorer says; AssertionError where it raises or gives something else."""
    with calling(scorer, f"{[len(texts) for texts in responses]} responses to {len(tasks)} tasks"):
        score_N = scorer.score(tasks, responses)
    kind = type(score_N).__name__
    promise(isinstance(score_N, Tensor), scorer, f"it returns a {kind}, no tensor")
    return score_N
