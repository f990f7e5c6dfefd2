"""Compositions by the names that people use: ``guerdon train --recipe dr-grpo``.

None of them is a system of the table; each is other parts in the default recipe (see ``grpo.py``),
with the settings that its paper gives for the method: clipping, averaging, divergence, group,
updates for each batch. What a paper gives for its model (rate, batch, length) is for billions of
parameters: those stay the seedling's, and are what to set for another model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from guerdon.advantages import GAE, GroupNormalised, LeaveOneOut, NoScale, ReinforcePlusPlus
from guerdon.curriculum import Informative
from guerdon.objectives import (
    CISPO,
    DPO,
    GSPO,
    PPO,
    ClippedSurrogate,
    ConstantLength,
    PolicyGradient,
    SequenceSumMean,
    TokenMean,
)
from guerdon.rankings import RankingSource
from guerdon.recipes.grpo import build
from guerdon.rollout import Groups
from guerdon.shaping import KLPenalty, OverlongPenalty
from guerdon.stages import TaskSource
from guerdon.tasks import RankingFile
from guerdon.training import (
    FixedReference,
    Model,
    PolicyRecipe,
    PreferenceRecipe,
    RewardModelRecipe,
    SupervisedRecipe,
)
from guerdon.training.demonstrations import shown_in

_LENGTH = Groups().sampling.max_tokens


def dr_grpo(**overrides: Any) -> PolicyRecipe:
    """Dr. GRPO (2503.20783): no division by the group's spread, nor by a completion's length.

    Rewards less the group's mean; every token weighs the same whatever it stands in, a row's sum
    divided by the longest completion there can be. One without the other is a hybrid.
    """
    return _made(
        "dr-grpo",
        overrides,
        advantage=GroupNormalised(scale=NoScale()),
        objective=ClippedSurrogate(aggregation=ConstantLength(_LENGTH)),
    )


def dapo(**overrides: Any) -> PolicyRecipe:
    """DAPO (2503.14476): a higher upper clip, groups that differ, a mean over all tokens.

    Clipped at 0.2 and 0.28, which acts from the second of a batch's 16 updates on; 16 completions
    a group; groups whose completions are all right or all wrong are drawn again, at most 10 times;
    a penalty over the last fifth of the length (of 20480 tokens, 4096 there). No divergence.
    """
    return _made(
        "dapo",
        overrides,
        objective=ClippedSurrogate(clip_low=0.2, clip_high=0.28, aggregation=TokenMean()),
        filter=Informative(),
        shaping=(OverlongPenalty(limit=_LENGTH, buffer=_LENGTH // 5),),
        sampler=Groups(16),
        loop=replace(build().loop, groups=16, minibatch=16, resample=10),
    )


def rloo(**overrides: Any) -> PolicyRecipe:
    """RLOO (2402.14740): a completion's reward less the mean of the others', and no clipping.

    REINFORCE on whole completions, four a group; the divergence (k1, 0.05) is in the reward.
    """
    return _made(
        "rloo",
        overrides,
        shaping=(KLPenalty(0.05),),
        reference=FixedReference(),
        advantage=LeaveOneOut(),
        objective=PolicyGradient(aggregation=SequenceSumMean()),
        sampler=Groups(4),
        loop=replace(build().loop, groups=32),
    )


def gspo(**overrides: Any) -> PolicyRecipe:
    """GSPO (2507.18071): the ratio of a whole completion is clipped, at 3e-4 and 4e-4.

    Averaged over completions; four updates a batch; no divergence.
    """
    return _made(
        "gspo",
        overrides,
        objective=GSPO(clip_low=3e-4, clip_high=4e-4),
        loop=replace(build().loop, minibatch=32),
    )


def cispo(**overrides: Any) -> PolicyRecipe:
    """CISPO (2506.13585): the weight of a token is clipped, and none loses its gradient.

    Only the upper bound acts; a mean over all tokens; four updates a batch; no divergence.
    """
    return _made(
        "cispo",
        overrides,
        objective=CISPO(clip_low=10.0, clip_high=0.2, aggregation=TokenMean()),
        loop=replace(build().loop, minibatch=32),
    )


def reinforce_plus_plus(**overrides: Any) -> PolicyRecipe:
    """REINFORCE++ (2501.03262): one completion a task, returns whitened over the whole batch.

    No group and no value model; the divergence (k1, 0.001) is in the reward; clipped at 0.2.
    """
    return _made(
        "reinforce++",
        overrides,
        shaping=(KLPenalty(0.001),),
        reference=FixedReference(),
        advantage=ReinforcePlusPlus(discount=1.0),
        objective=ClippedSurrogate(clip_low=0.2, clip_high=0.2),
        sampler=Groups(1),
        loop=replace(build().loop, groups=128),
    )


def ppo(**overrides: Any) -> PolicyRecipe:
    """PPO (1707.06347) with GAE (1506.02438): a value head, and one completion a task.

    Clipped at 0.2, discount 1, lambda 0.95, four passes over a batch, value loss 0.1; the
    divergence (k1, 0.05) is in the reward, as is usual for language models.
    """
    return _made(
        "ppo",
        overrides,
        model=Model(value_head=True),
        shaping=(KLPenalty(0.05),),
        reference=FixedReference(),
        advantage=GAE(discount=1.0, lam=0.95),
        objective=PPO(clip_low=0.2, clip_high=0.2, value_weight=0.1, value_clip=0.2),
        sampler=Groups(1),
        loop=replace(build().loop, groups=128, epochs=4),
    )


def dpo(pairs: str | RankingSource = "", **overrides: Any) -> PreferenceRecipe:
    """DPO (2305.18290), beta 0.1: no sampling, it learns from --pairs FILE."""
    made = PreferenceRecipe(_given("dpo", pairs, RankingFile), objective=DPO(beta=0.1))
    return replace(made, **overrides)


def reward_model(pairs: str | RankingSource = "", **overrides: Any) -> RewardModelRecipe:
    """A reward model by Bradley-Terry (2203.02155): it learns from --pairs or --rankings FILE."""
    return RewardModelRecipe(_given("reward-model", pairs, RankingFile), **overrides)


def sft(demonstrations: str | TaskSource = "", **overrides: Any) -> SupervisedRecipe:
    """Supervised fine-tuning: no sampling, it learns to write the --demonstrations FILE."""
    return SupervisedRecipe(_given("sft", demonstrations, shown_in, "demonstrations"), **overrides)


def _given(name: str, source: Any, read: Callable[[str], Any], field: str = "pairs") -> Any:
    """What a recipe learns from. Raises ValueError where nothing is given."""
    if source == "":
        raise ValueError(
            f"{name} learns from {field}: give --{field} FILE, or in a recipe file {field}: FILE"
        )
    return read(source) if isinstance(source, str) else source


def _made(name: str, overrides: Mapping[str, Any], **parts: Any) -> PolicyRecipe:
    return build(name=name, **{**parts, **overrides})


NAMED: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "dr-grpo": dr_grpo,
        "dapo": dapo,
        "rloo": rloo,
        "gspo": gspo,
        "cispo": cispo,
        "reinforce++": reinforce_plus_plus,
        "ppo": ppo,
        "dpo": dpo,
        "reward-model": reward_model,
        "sft": sft,
    }
)
