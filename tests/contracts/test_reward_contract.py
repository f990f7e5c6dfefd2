"""What every reward promises, checked for every reward on the command line's list."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from toy_predictor import ToyPredictor, ToyScorer, count_vectors, letter_vectors

from guerdon.audit.shipped import subjects
from guerdon.composition import places
from guerdon.parts import describe, rebuild
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards import (
    NAMES,
    Certainty,
    EnvironmentReturn,
    FrozenModel,
    FunctionReward,
    MeanPooled,
    OptionProbability,
    Router,
    ScorerReward,
    StaticEmbeddings,
    entropy,
)

TEXTS = (
    "",
    " \n\t",
    "<think>x</think><answer>\\boxed{B}</answer>",
    "<think>x</think><answer>B</answer>",
    "<answer>",
    "</answer><answer>",
    "B 7 \\boxed{",
    "\\boxed{\\frac{1}{0}}",
    "1e999999 nan inf -inf",
    '{"a": [1, {"b": ',
    "é漢字🙂\u202e\x00\ud800",
    "٣²½",
    "word " * 20_000,
    "<answer>" * 12_500,
    "\\boxed{" * 14_000,
    "9" * 100_000,
    "a{b}\\" * 20_000,
)
COLUMNS: dict[str, Any] = {
    "calls": [{"name": "w", "parameters": {"city": "P"}}],
    "action": {"type": "click", "name": "add to cart"},
    "step": {"name": "click", "arguments": {"x": 1, "y": 2}, "box": [0, 0, 3, 3]},
    "box": [0, 0, 2, 2],
    "interval": (1, 2),
    "count": 7,
    "schema": "CREATE TABLE B (B)",
    "query": "SELECT B FROM B",
    "tests": ["assert f(1) == 2"],
    "options": ["B", "C"],
    "task_type": "number",
}
"""What rewards read of a task beside its answer."""


async def asynchronous(completion: str, answer: str) -> float:
    return float(answer in completion)


TOYS = {FrozenModel: ToyPredictor(), MeanPooled: count_vectors, StaticEmbeddings: letter_vectors}
"""What stands for a language model here: the contract is about the rewards' own rules."""
LABELS = ("B", "B, C", str(["2 December 2024", "5 km"]))
FITTED = {
    "label-and-extension": {"labels": LABELS, "label": "answer", "extension": "think"},
    "overlong": {"limit": 4, "buffer": 2},
}
"""Settings that suit the rollouts below."""


def with_toys(part: Any) -> Any:
    """The example's reward without its language model."""
    held = {place: TOYS[type(one)] for place, one in places(part) if type(one) in TOYS}
    return replace(part, **held)


REWARDS: dict[str, Any] = {
    name: replace(with_toys(example.reward), **FITTED.get(name, {}))
    for name, example in subjects().items()
    if name in NAMES
}
REWARDS |= {
    "asynchronous": FunctionReward(asynchronous),
    "entropy": Certainty(ToyPredictor(), entropy),
    "environment-return": EnvironmentReturn(),
    "function": FunctionReward(lambda completion, answer: float(answer in completion)),
    "given options": OptionProbability(ToyPredictor(), ("B", "B, C")),
    "other routes": Router({"a": NAMES["bleu"](), "b": NAMES["length"]()}, by="kind"),
    "scorer": ScorerReward(ToyScorer(), batch=4),
}


def rollouts() -> Rollouts:
    """Three groups, rows alternating between them, odd lengths, an episode's rewards."""
    n = len(TEXTS)
    mask = torch.arange(6) < torch.arange(n)[:, None].remainder(6) + 1
    tasks = (
        Task("a", "one", "B", {**COLUMNS, "kind": "a"}),
        Task("b", "two", "B, C", {**COLUMNS, "references": ["a word", "B"], "kind": "b"}),
        Task("c", "three", ["2 December 2024", "5 km"], COLUMNS),
    )
    return Rollouts(
        tasks=tasks,
        group=torch.arange(n).remainder(3),
        prompts=(torch.zeros(1).long(),) * 3,
        ids=torch.zeros(n, 6).long(),
        mask=mask,
        lengths=mask.sum(1),
        logps=torch.zeros(n, 6),
        texts=TEXTS,
        turn=torch.arange(6).div(2, rounding_mode="floor").expand(n, 6),
        turn_rewards=torch.arange(3.0 * n).reshape(n, 3).remainder(5),
    )


@pytest.fixture(scope="module", params=REWARDS)
def judged(request: pytest.FixtureRequest) -> tuple[Any, Scores]:
    part = REWARDS[request.param]
    return part, part(rollouts(), Progress(0, 1))


def test_every_row_is_judged_and_finite_where_valid(judged: tuple[Any, Scores]) -> None:
    _, scores = judged
    assert len(scores) == len(TEXTS)
    assert scores.valid.any()
    assert torch.isfinite(scores.value[scores.valid]).all()
    for part in scores.parts.values():
        assert torch.isfinite(part[scores.valid]).all()
    assert [reason is None for reason in scores.reasons] == scores.valid.tolist()


def test_values_lie_in_the_declared_range(judged: tuple[Any, Scores]) -> None:
    part, scores = judged
    low, high = part.range or (-math.inf, math.inf)
    assert low < high
    assert ((scores.value >= low) & (scores.value <= high))[scores.valid].all()
    assert part.scope in ("completion", "group", "linked", "turn")


def test_parts_and_placement_add_up(judged: tuple[Any, Scores]) -> None:
    _, scores = judged
    if scores.parts:
        total = torch.stack(list(scores.parts.values())).sum(0)
        torch.testing.assert_close(total[scores.valid], scores.value[scores.valid])
    if scores.placed is not None:
        assert torch.isfinite(scores.placed).all()
        placed = scores.placed.sum(1)
        torch.testing.assert_close(placed[scores.valid], scores.value[scores.valid])


def test_the_same_rows_get_the_same_scores(judged: tuple[Any, Scores]) -> None:
    part, scores = judged
    again = part(rollouts(), Progress(0, 1))
    assert torch.equal(again.value.nan_to_num(-99), scores.value.nan_to_num(-99))
    assert again.reasons == scores.reasons


def test_the_order_of_rows_does_not_matter(judged: tuple[Any, Scores]) -> None:
    part, scores = judged
    order = torch.randperm(len(TEXTS), generator=torch.Generator().manual_seed(0))
    shuffled, expected = part(rollouts().select(order), Progress(0, 1)), scores.select(order)
    torch.testing.assert_close(shuffled.value, expected.value, equal_nan=True)
    assert shuffled.reasons == expected.reasons
    for name, values in expected.parts.items():
        torch.testing.assert_close(shuffled.parts[name], values, equal_nan=True)


def test_no_rows_are_no_scores(judged: tuple[Any, Scores]) -> None:
    part, _ = judged
    assert len(part(rollouts().select(torch.tensor([], dtype=torch.long)), Progress(0, 1))) == 0


@pytest.mark.parametrize("name", [name for name in REWARDS if name != "function"])
def test_a_reward_survives_a_recipe_file(name: str) -> None:
    assert rebuild(describe(REWARDS[name])) == REWARDS[name]
