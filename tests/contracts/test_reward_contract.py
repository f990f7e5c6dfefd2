"""What every reward promises, checked for every named reward by its own example."""

from dataclasses import replace
from typing import Any

import pytest
from toy_predictor import ToyPredictor, ToyScorer, count_vectors, letter_vectors

from guerdon.audit.shipped import subjects
from guerdon.composition import places
from guerdon.contracts import check_reward
from guerdon.contracts.rewards import of_example
from guerdon.examples import Example, numbers
from guerdon.records import Task
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
    WeightedSum,
    entropy,
)

TOYS = {FrozenModel: ToyPredictor(), MeanPooled: count_vectors, StaticEmbeddings: letter_vectors}
"""What stands for a language model here: the contract is about the rewards' own rules."""


def with_toys(part: Any) -> Any:
    """A reward without its language model."""
    held = {place: TOYS[type(one)] for place, one in places(part) if type(one) in TOYS}
    return replace(part, **held)


async def waits(completion: str, answer: str) -> float:
    return float(answer in completion)


def says(completion: str, answer: str) -> float:
    return float(answer in completion)


EXAMPLES = {
    name: replace(example, reward=with_toys(example.reward))
    for name, example in subjects().items()
    if name in NAMES
}
LETTERS = tuple(
    Task(name, "Which?", answer, {"kind": kind, "options": ["B", "C"]})
    for name, answer, kind in (("one", "B", "a"), ("two", "B, C", "b"), ("three", "C", "a"))
)
ON_LETTERS = {
    "all judged as text": WeightedSum({n: NAMES[n]() for n in ("bleu", "chrf", "token-f1")}),
    "asynchronous": FunctionReward(waits),
    "entropy": Certainty(ToyPredictor(), entropy),
    "environment-return": EnvironmentReturn(),
    "function": FunctionReward(says),
    "given options": OptionProbability(ToyPredictor(), ("B", "C")),
    "other routes": Router({"a": NAMES["bleu"](), "b": NAMES["length"]()}, by="kind"),
    "scorer": ScorerReward(ToyScorer(), batch=4),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_named_reward_keeps_the_contract_on_its_own_tasks(name: str) -> None:
    example = EXAMPLES[name]
    check_reward(example.reward, *of_example(example))


@pytest.mark.parametrize("name", ON_LETTERS)
def test_other_settings_and_other_peoples_functions_keep_it_too(name: str) -> None:
    check_reward(ON_LETTERS[name], LETTERS)


def test_an_example_gives_its_tasks_with_right_and_wrong_completions() -> None:
    tasks, texts = of_example(Example(NAMES["answer-match"](), numbers()[:1]))
    assert [task.id for task in tasks] == ["sum"]
    assert [("85" in text, "75" in text) for text in texts] == [(True, False), (False, True)]
