"""What was drawn becomes judged rows: dealt to processes, sampled by portions, scored meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch

from guerdon.composition import needs_of
from guerdon.judging import judged
from guerdon.keyed import mixed
from guerdon.records import (
    Progress,
    Rollouts,
    Scores,
    Task,
    check_answered,
    concat_rollouts,
    concat_scores,
    questions,
)
from guerdon.rollout import Groups
from guerdon.stages import Policy, Sampler
from guerdon.training.recording import recorded
from guerdon.training.stopping import naming
from guerdon.training.update import Shard
from guerdon.traits import portion_of

if TYPE_CHECKING:
    from guerdon.training.recipe import PolicyRecipe


def sampled_and_scored(
    recipe: PolicyRecipe,
    policy: Policy,
    drawn: Sequence[Task],
    seed: int,
    progress: Progress,
    shard: Shard,
    clock: Callable[[], float],
    seconds: dict[str, float],
) -> tuple[Rollouts, Scores]:
    """A group of each task ``drawn``, and the reward's own scores; the same on every process.

    ``seconds["sampling"]`` and ``["scoring"]`` count on; scoring is only the time in which nothing
    was left to sample.
    """
    repeats = _repeats(drawn)
    mine = [(drawn[i], repeats[i]) for i in _dealt(drawn, shard.rank, shard.world)]
    needs = needs_of((recipe.reward, recipe.filter))
    sampled: list[Rollouts] = []
    judging: list[Future[Scores]] = []
    started = clock()
    # One judge, so that a reward with memory sees the groups in their order.
    with ThreadPoolExecutor(max_workers=1) as judge:
        for some in _portions(mine, portion_of(recipe.sampler)):
            made = _sampled(recipe.sampler, policy, some, progress, seed)
            sampled.append(recorded(policy, made, needs, recipe.loop.microbatch))
            judging.append(judge.submit(judged, recipe.reward, sampled[-1], progress))
        ended = clock()
        scores = [done.result() for done in judging]
    seconds["sampling"] += ended - started
    seconds["scoring"] += clock() - ended
    share = (concat_rollouts(sampled), concat_scores(scores)) if mine else None
    return _gathered(drawn, share, shard)


Drawn = tuple[Task, int]
"""A task, and how many times it was drawn before in the same batch."""


def _repeats(drawn: Sequence[Task]) -> list[int]:
    """How many times each task was drawn before, in this very batch."""
    seen: Counter[str] = Counter()
    found = []
    for task in drawn:
        found.append(seen[task.id])
        seen[task.id] += 1
    return found


def _sampled(
    sampler: Sampler, policy: Policy, some: Sequence[Drawn], progress: Progress, seed: int
) -> Rollouts:
    """One group of each task. A row's draws follow from seed, task and member, so a task that
    is drawn again needs another seed: its groups would else be copies of each other."""
    made, order = [], list[int]()
    for repeat in sorted({repeat for _, repeat in some}):
        places = [i for i, (_, r) in enumerate(some) if r == repeat]
        tasks, own = [some[i][0] for i in places], mixed(seed, repeat) if repeat else seed
        # What a policy raises is its own to tell, and `Groups` does nothing else.
        told = nullcontext() if isinstance(sampler, Groups) else naming("the sampler", sampler)
        with torch.no_grad(), told:
            made.append(check_answered(tasks, sampler(policy, tasks, progress, own)))
        order += places
    return made[0] if len(made) == 1 else concat_rollouts(made).arranged(torch.tensor(order))


def _portions(drawn: Sequence[Drawn], size: int) -> Iterable[list[Drawn]]:
    """Runs of at least ``size`` tasks (0 = all); views of one question are never parted."""
    last_view = {task.link: i for i, (task, _) in enumerate(drawn) if task.link is not None}
    portion: list[Drawn] = []
    whole_from = 0
    for i, (task, repeat) in enumerate(drawn):
        if size and len(portion) >= size and i >= whole_from:
            yield portion
            portion = []
        portion.append((task, repeat))
        if task.link is not None:
            whole_from = max(whole_from, last_view[task.link] + 1)
    if portion:
        yield portion


def _dealt(drawn: Sequence[Task], rank: int, world: int) -> list[int]:
    """Places of what one process samples: whole questions, all their views, one after another."""
    return sorted(place for places in questions(drawn)[rank::world] for place in places)


def _gathered(
    drawn: Sequence[Task], share: tuple[Rollouts, Scores] | None, shard: Shard
) -> tuple[Rollouts, Scores]:
    """All processes' rows in the order one process would have sampled them."""
    shares = enumerate(shard.gather(share))
    present = [(rank, *share) for rank, share in shares if share is not None]
    rollouts = concat_rollouts([r for _, r, _ in present])
    scores = concat_scores([s for _, _, s in present])
    if len(present) == 1:
        return rollouts, scores
    place_B = torch.tensor([i for rank, *_ in present for i in _dealt(drawn, rank, shard.world)])
    return rollouts.arranged(place_B), scores.select(rollouts.row_order(place_B))
