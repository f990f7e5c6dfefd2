"""What every buffer promises."""

from __future__ import annotations

import copy
import io
from typing import Any

import torch

from guerdon.contracts.made import GROUP, made_rollouts, made_scores
from guerdon.contracts.promises import calling, check_written_and_read_back, promise, same
from guerdon.records import Experience, Progress
from guerdon.stages import Buffer
from guerdon.traits import waits

STEPS = 5


def check_buffer(buffer: Buffer) -> None:
    """Raises AssertionError where a buffer breaks what every buffer promises.

    What was just sampled comes first and as it was; one that says that it ``waits`` may give no
    rows instead, but not for all of five steps of eight rows; rows that are added bring their
    advantage and the ids of tasks that there are; the state is written and read by a checkpoint,
    which executes nothing, and what is mixed after that is what is mixed without; no rows are no
    error; and it goes to a recipe's file and back. ``buffer`` itself is not changed.
    """
    check_written_and_read_back(buffer)
    unbroken, cut = copy.deepcopy(buffer), copy.deepcopy(buffer)
    given = 0
    for step in range(STEPS):
        fresh = made_experience(step)
        one = mixed_by(unbroken, fresh, step)
        other = mixed_by(cut, fresh, step)
        given += len(one)
        if len(one) or not waits(buffer):
            check_mixed(buffer, fresh, one, step)
        told = f"in step {step}, gone on with from its state, it mixes something else"
        promise(alike(one, other), buffer, told)
        state = read_back(buffer, cut.state_dict())
        cut = copy.deepcopy(buffer)
        cut.load_state_dict(state)
    promise(given > 0, buffer, f"in {STEPS} steps of 8 rows it gives none to learn from")
    none = made_experience(STEPS).select(torch.tensor([], dtype=torch.long))
    mixed_by(unbroken, none, STEPS)


def made_experience(step: int) -> Experience:
    """Eight rows in three groups, whose values differ from step to step."""
    rollouts = made_rollouts(acted=True)
    scores = made_scores([value + (row * step) % 3 for row, value in enumerate(GROUP)])
    use_NT = rollouts.mask & scores.valid[:, None]
    advantage = torch.where(use_NT, scores.value[:, None] - 1.5, 0.0)
    return Experience(rollouts, scores, advantage, Progress(step, STEPS + 1))


def mixed_by(buffer: Any, fresh: Experience, step: int) -> Experience:
    """What it mixes; AssertionError where it raises or gives something else."""
    tasks = made_rollouts(acted=True).tasks
    with calling(buffer, f"{len(fresh)} rows of step {step}"):
        made: Experience = buffer.mix(fresh, tasks, Progress(step, STEPS + 1))
    kind = type(made).__name__
    promise(isinstance(made, Experience), buffer, f"mix gives a {kind}, no Experience")
    return made


def check_mixed(buffer: Any, fresh: Experience, made: Experience, step: int) -> None:
    """The fresh rows first and as they were, the others of known tasks."""
    n, width = len(fresh), fresh.rollouts.mask.shape[1]
    first = made.select(torch.arange(min(n, len(made))))
    kept = len(made) >= n and same(first.advantage[:, :width], fresh.advantage)
    kept = kept and same(first.rollouts.logps[:, :width], fresh.rollouts.logps)
    kept = kept and first.rollouts.tasks == fresh.rollouts.tasks
    promise(kept, buffer, f"in step {step} what was just sampled does not come first, as it was")
    known = {task.id for task in made_rollouts(acted=True).tasks}
    strange = sorted({task.id for task in made.rollouts.tasks} - known)
    promise(not strange, buffer, f"in step {step} it adds rows of tasks {strange}, which are none")


def alike(one: Experience, other: Experience) -> bool:
    """Whether two experiences are the same rows, as far as is learned from them."""
    pairs = (
        (one.rollouts.ids, other.rollouts.ids),
        (one.rollouts.logps, other.rollouts.logps),
        (one.rollouts.group, other.rollouts.group),
        (one.scores.value, other.scores.value),
        (one.advantage, other.advantage),
    )
    tensors = all(same(first, second) for first, second in pairs)
    return tensors and one.rollouts.makers == other.rollouts.makers


def read_back(buffer: Any, state: Any) -> Any:
    """A state as a checkpoint holds it; AssertionError where one can't be read."""
    file = io.BytesIO()
    with calling(buffer, "its state, written and read as a checkpoint is"):
        torch.save(state, file)
        file.seek(0)
        return torch.load(file, weights_only=True)
