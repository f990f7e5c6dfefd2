"""From tasks to credited rollouts: sample, score, filter, shape, select, credit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from guerdon.composition import needs_of, places
from guerdon.failures import Tally, tally
from guerdon.keyed import mixed
from guerdon.records import (
    Experience,
    Progress,
    Rollouts,
    Scores,
    Task,
    concat_rollouts,
    concat_scores,
)
from guerdon.schedules import at
from guerdon.stages import Observer, Policy, ValueTargets
from guerdon.training.dealing import sampled_and_scored
from guerdon.training.recipe import PolicyRecipe
from guerdon.training.recording import check_sampler_known, recorded
from guerdon.training.reference import LACKING, RunningReference, compares_with_reference
from guerdon.training.stopping import naming
from guerdon.training.update import Shard


@dataclass(frozen=True)
class Batch:
    """What a step learns from, sampled and scored, the same on every process.

    ``raw`` are the reward's own scores; ``sampled`` counts groups before the filter, ``judged``
    their rows, ``seconds`` the time spent sampling and scoring. ``staleness`` is how many steps
    the weights that sampled are behind those that will learn; None where they are always the same.
    ``seen`` are all groups that were sampled, those too that the filter dropped, and ``probes``
    the rows of probes among them, which are nowhere else: nothing is learned from them.
    """

    rollouts: Rollouts
    raw: Scores
    sampled: int
    seconds: dict[str, float]
    staleness: int | None = None
    judged: Tally = Tally()
    seen: tuple[tuple[Rollouts, Scores], ...] = ()
    probes: tuple[Rollouts, Scores] | None = None

    @property
    def tally(self) -> Tally:
        """Every row that was judged, those that the filter dropped too."""
        return self.judged if self.judged.rows else tally(self.rollouts, self.raw)


@dataclass(frozen=True, kw_only=True)
class Collected(Batch):
    """A batch, what shaping made of its ``scores``, and what the step learns from.

    ``experience`` is of the rows ``chosen`` long[R] among the batch's: all, unless a selection
    chose.
    """

    scores: Scores
    experience: Experience
    chosen: Tensor

    @property
    def advantage(self) -> Tensor:
        """float[N, T] of all rows: 0 on those that were not chosen."""
        advantage_NT = torch.zeros(self.rollouts.mask.shape)
        advantage_NT[self.chosen, : self.experience.advantage.shape[1]] = self.experience.advantage
        return advantage_NT


def collect(
    recipe: PolicyRecipe,
    policy: Policy,
    tasks: Sequence[Task],
    progress: Progress,
    shard: Shard,
    clock: Callable[[], float],
) -> Batch:
    """Sample until ``recipe.loop.groups`` groups pass the filter, at most ``resample`` times.

    Probes are none of these groups.

    Each process samples and scores its share of the tasks; the whole is then gathered, so
    that statistics over the batch do not depend on the number of processes.
    """
    recipe = at(recipe, progress)
    wanted = recipe.loop.groups
    kept: list[tuple[Rollouts, Scores]] = []
    seconds = {"sampling": 0.0, "scoring": 0.0}
    seen: list[tuple[Rollouts, Scores]] = []
    probes: list[tuple[Rollouts, Scores]] = []
    sampled = have = 0
    judgements = Tally()
    for attempt in range(max(recipe.loop.resample, 1)):
        missing = wanted - have if recipe.filter is not None else wanted
        with naming("the curriculum", recipe.curriculum):
            drawn = recipe.curriculum.next(tasks, missing, progress)
        seed = mixed(recipe.loop.seed, progress.step, attempt)
        rollouts, scores = sampled_and_scored(
            recipe, policy, drawn, seed, progress, shard, clock, seconds
        )
        judgements += tally(rollouts, scores)
        seen.append((rollouts, scores))
        if any(task.probe for task in rollouts.tasks):
            probe_N = _of_probes(rollouts)
            probes.append((rollouts.select(probe_N), scores.select(probe_N)))
            rollouts, scores = rollouts.select(~probe_N), scores.select(~probe_N)
        sampled += len(rollouts.tasks)
        if recipe.filter is not None:
            rows = _kept(recipe, rollouts, scores, progress)
            rollouts, scores = rollouts.select(rows), scores.select(rows)
        have += len(rollouts.tasks)
        kept.append((rollouts, scores))
        if have >= wanted:
            break
    return Batch(
        *_joined(kept),
        sampled,
        seconds,
        judged=judgements,
        seen=tuple(seen),
        probes=_joined(probes) if probes else None,
    )


def _joined(some: Sequence[tuple[Rollouts, Scores]]) -> tuple[Rollouts, Scores]:
    return concat_rollouts([r for r, _ in some]), concat_scores([s for _, s in some])


def _of_probes(rollouts: Rollouts) -> Tensor:
    """bool[N]: rows from which nothing is learned."""
    return torch.tensor([task.probe for task in rollouts.tasks])[rollouts.group]


def _kept(recipe: PolicyRecipe, rollouts: Rollouts, scores: Scores, progress: Progress) -> Tensor:
    """bool[N]: rows of the groups that pass the filter; none where nothing could be judged."""
    assert recipe.filter is not None
    if not bool(scores.valid.any()):
        return torch.zeros(len(rollouts), dtype=torch.bool)
    with naming("the filter", recipe.filter):
        return recipe.filter(Experience(rollouts, scores, progress=progress))[rollouts.group]


def observe(recipe: PolicyRecipe, batch: Batch) -> None:
    """Every part that observes sees every group that was sampled, before it is learned from."""
    for name in OBSERVED:
        for _, part in places(getattr(recipe, name)):
            if isinstance(part, Observer):
                with naming(f"the {name}", part):
                    for rollouts, scores in batch.seen:
                        part.observe(rollouts, scores)


OBSERVED = ("curriculum", "sampler", "reward", "filter", "shaping", "advantage", "monitors")
"""Where in a recipe parts may observe."""


def credit(
    recipe: PolicyRecipe,
    policy: Policy,
    batch: Batch,
    progress: Progress,
    reference: RunningReference | None,
) -> Collected:
    """Shaped scores and advantage float[N, T]; in the rollouts what the parts need.

    Where older weights may have sampled, ``old_logps`` become those of ``policy``: clipping is
    then around the weights that learn, and the objective's truncated importance weight leads
    from the sampler's to these (the decoupled objective of 2110.00641 and 2505.24298).
    """
    recipe, rollouts = at(recipe, progress), batch.rollouts
    if batch.staleness is not None and len(rollouts):
        with torch.no_grad():
            now_NT = policy.forward(rollouts).logps
        # Who else made a row is no more known than before.
        old_NT = now_NT.masked_fill(rollouts.logps.isnan(), torch.nan)
        rollouts = replace(rollouts, old_logps=old_NT)
    needs = recipe.objective.needs & {"values"} | needs_of(credited(recipe))
    rollouts = recorded(policy, rollouts, needs, recipe.loop.microbatch)
    if len(rollouts) and compares_with_reference(recipe):
        if reference is None:
            raise ValueError(LACKING)
        rollouts = replace(rollouts, reference_logps=reference.logps(rollouts))
    check_sampler_known((recipe.shaping, recipe.advantage), rollouts, batch.raw.valid)
    scores = _shaped(recipe, batch.raw, rollouts, progress)
    experience, rows = _selected(recipe, Experience(rollouts, scores, progress=progress))
    check_sampler_known(recipe.objective, experience.rollouts, experience.scores.valid)
    with naming("the advantage", recipe.advantage):
        if bool(experience.scores.valid.any()):
            experience = replace(experience, advantage=recipe.advantage(experience))
        if isinstance(recipe.advantage, ValueTargets) and "values" in recipe.objective.needs:
            returns = recipe.advantage.returns(experience)
            learned = replace(experience.rollouts, returns=returns)
            experience = replace(experience, rollouts=learned)
    whole = {**vars(batch), "rollouts": rollouts}
    return Collected(**whole, scores=scores, experience=experience, chosen=rows)


def credited(recipe: PolicyRecipe) -> tuple[object, ...]:
    """The parts that are called once rows are judged, and may need what a reference says."""
    return recipe.shaping, recipe.advantage, recipe.monitors, recipe.buffer


def _selected(recipe: PolicyRecipe, known: Experience) -> tuple[Experience, Tensor]:
    """What is known of the rows that are learned from, and their places long[R] among all."""
    if recipe.selection is None or not bool(known.scores.valid.any()):
        return known, torch.arange(len(known))
    with naming("the selection", recipe.selection):
        chosen = recipe.selection(known.scores, known.rollouts, known.progress)
        return replace(known.select(chosen.rows), pairs=chosen.pairs), chosen.rows


def _shaped(recipe: PolicyRecipe, raw: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
    """The scores after all shapers; as they came where no row could be judged."""
    if not bool(raw.valid.any()):
        return raw
    scores = raw
    for shaper in recipe.shaping:
        with naming("the shaper", shaper):
            scores = shaper(scores, rollouts, progress)
    return scores
