"""Contradictions in a recipe are said when it is built; others, before a model is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from guerdon.advantages import (
    GAE,
    GroupNormalised,
    LeaveOneOut,
    ReinforcePlusPlus,
    ReturnToGo,
    SingleRaw,
    TwoLevel,
    Whiten,
)
from guerdon.curriculum import Informative
from guerdon.objectives import DPO, KL, PPO, BradleyTerry, ClippedSurrogate, DisCO, StepwiseDPO
from guerdon.ranges import RangeError
from guerdon.records import Progress, Rollouts, Task
from guerdon.rewards import AnswerMatch, WeightedSum
from guerdon.rollout import Groups
from guerdon.schedules import Linear, Steps
from guerdon.shaping import Annealed, Chain, KLPenalty, NormalisedSum, Unlikeliness
from guerdon.stages import Policy, Sampling
from guerdon.tasks import RankingFile
from guerdon.training import (
    AdapterOffReference,
    FixedReference,
    Loop,
    Model,
    PolicyRecipe,
    PreferenceRecipe,
    RewardModelRecipe,
    check_start,
    train,
)

ONE, FOUR, FEW = Groups(1), Groups(4), Loop(groups=2)


def one_each(policy: Policy, tasks: Sequence[Task], progress: Progress, seed: int) -> Rollouts:
    """A sampler that says nothing of what it samples."""
    return policy.sample(tasks, 1, Sampling(), seed)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"sampler": ONE}, "sampler.size is 1, but GroupNormalised compares"),
        ({"sampler": ONE, "advantage": LeaveOneOut()}, "LeaveOneOut compares"),
        ({"sampler": ONE, "advantage": TwoLevel()}, "TwoLevel compares"),
        ({"sampler": ONE, "advantage": Whiten(LeaveOneOut())}, "LeaveOneOut compares"),
        (
            {"sampler": ONE, "advantage": ReturnToGo(), "shaping": (Unlikeliness(),)},
            "Unlikeliness compares",
        ),
        (
            {"sampler": ONE, "advantage": ReturnToGo(), "shaping": (Chain((NormalisedSum(),)),)},
            "NormalisedSum compares",
        ),
        ({"sampler": Groups(Steps((4, 1)))}, "sampler.size is 1 at times, but GroupNormalised"),
        (
            {"loop": replace(FEW, minibatch=9), "sampler": FOUR},
            "loop.minibatch is 9, but a step has 8 rows",
        ),
        (
            {"loop": replace(FEW, minibatch=9), "sampler": Groups(Linear(2, 4))},
            "loop.minibatch is 9, but a step has 8 rows",
        ),
        (
            {"loop": FEW, "sampler": Groups(4, portion=3)},
            "sampler.portion is 3, but a step has 2",
        ),
        ({"loop": Loop(resample=2)}, "loop.resample is 2, but there is no filter"),
        (
            {"objective": ClippedSurrogate(kl=KL())},
            "compares with a reference policy",
        ),
        (
            {"objective": StepwiseDPO(), "reference": FixedReference()},
            "StepwiseDPO learns from pairs, but nothing makes them",
        ),
        ({"shaping": (KLPenalty(),)}, "compares with a reference policy"),
        ({"shaping": (Annealed(KLPenalty()),)}, "compares with a reference policy"),
        ({"objective": PPO()}, "PPO learns values, but GroupNormalised gives it no returns"),
        ({"advantage": GAE()}, "GAE needs value estimates, but ClippedSurrogate learns none"),
        ({"advantage": Whiten(GAE())}, "Whiten needs value estimates"),
        ({"loop": Loop(steps=Steps((1, 2)))}, r"loop.steps is Steps.* but it is read once"),
    ],
)
def test_what_contradicts_is_said_when_the_recipe_is_built(
    settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        PolicyRecipe(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"sampler": ONE, "advantage": ReinforcePlusPlus()},
        {"sampler": ONE, "advantage": GroupNormalised(single=SingleRaw())},
        {"loop": replace(FEW, minibatch=8, microbatch=100), "sampler": Groups(4, portion=2)},
        {"loop": replace(FEW, minibatch=8), "sampler": Groups(Linear(2, 4))},
        {"loop": replace(FEW, minibatch=9), "sampler": one_each},
        {"loop": Loop(resample=2), "filter": Informative()},
        {"loop": Loop(resample=1)},
        {"loop": Loop(steps=0, evaluation_tasks=0)},
        {"objective": ClippedSurrogate(kl=KL()), "reference": FixedReference()},
        {"objective": PPO(), "advantage": GAE(), "model": Model(value_head=True)},
        {"reference": FixedReference()},
    ],
)
def test_what_agrees_is_built_and_may_start(settings: dict[str, Any]) -> None:
    check_start(PolicyRecipe(**settings))


@pytest.mark.parametrize(
    ("settings", "told", "of_the_model"),
    [
        (
            {"sampler": Groups(sampling=Sampling(temperature=0))},
            r"sampler\.sampling\.temperature is 0: a group's",
            False,
        ),
        ({"objective": PPO(), "advantage": GAE()}, "the model has no value head", True),
        ({"reference": AdapterOffReference()}, "needs a policy with an adapter", True),
    ],
)
def test_what_can_not_be_trained_is_said_before_anything_is_loaded_or_written(
    settings: dict[str, Any],
    told: str,
    of_the_model: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded: list[Any] = []
    monkeypatch.setattr(Model, "load", lambda *_: loaded.append("a model"))
    recipe = PolicyRecipe(**settings)
    with pytest.raises(ValueError, match=told):
        train(recipe, tmp_path / "run", quiet=True)
    assert not loaded
    assert not (tmp_path / "run").exists()
    if of_the_model:  # a policy that is given may have what the recipe's would lack
        check_start(recipe, loads_model=False)


@dataclass(frozen=True)
class Own:
    """A user's reward that knows nothing of ranges."""

    rate: float = 1.0
    steps: int = 3
    names: tuple[str, ...] = ("a",)
    scope: ClassVar[str] = "completion"

    def __call__(self, rollouts: Any, progress: Any) -> Any: ...


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (Own(rate=math.nan), "rate is nan; give a number that is finite"),
        (Own(rate="0.5"), "rate is '0.5'; give a number that is finite, not a text"),  # type: ignore[arg-type]
        (Own(steps=True), "steps is True; give a whole number, not true or false"),
        (Own(names="a"), "names is 'a'; give several values, each a text"),  # type: ignore[arg-type]
    ],
)
def test_a_users_own_part_is_checked_wherever_it_stands(own: Own, told: str) -> None:
    with pytest.raises(RangeError) as caught:
        PolicyRecipe(reward=WeightedSum({"own": own, "right": AnswerMatch()}))
    assert str(caught.value).startswith(f"reward.rewards.own.{told}")
    with pytest.raises(RangeError, match=r"^reward\."):
        PolicyRecipe(reward=own)


@dataclass(frozen=True)
class Bent:
    """A user's objective of pairs or rankings."""

    slope: float = field(default=math.inf)

    def __call__(self, *_: Any, **__: Any) -> Any: ...


def test_recipes_of_pairs_and_rankings_are_walked_too() -> None:
    with pytest.raises(RangeError, match=r"^objective\.slope is inf"):
        PreferenceRecipe(RankingFile("x.jsonl"), objective=Bent())
    with pytest.raises(RangeError, match=r"^objective\.slope is inf"):
        RewardModelRecipe(RankingFile("x.jsonl"), objective=Bent())
    with pytest.raises(RangeError, match=r"^epochs is 0; give a whole number of 1 or more"):
        PreferenceRecipe(RankingFile("x.jsonl"), epochs=0)
    assert PreferenceRecipe(RankingFile("x.jsonl"), objective=DPO()).batch == 16
    assert RewardModelRecipe(RankingFile("x.jsonl"), objective=BradleyTerry()).batch == 16


def test_a_constraint_that_could_never_act_is_refused_at_the_start() -> None:
    recipe = PolicyRecipe(loop=FEW, sampler=FOUR, objective=DisCO())
    with pytest.raises(
        ValueError, match=r"needs 2 updates per batch: give a loop\.minibatch of at"
    ):
        check_start(recipe)
    check_start(replace(recipe, loop=replace(FEW, minibatch=4)))
    check_start(replace(recipe, loop=replace(FEW, epochs=2)))
    check_start(replace(recipe, objective=DisCO(beta=0.0)))
    check_start(replace(recipe, sampler=one_each))
