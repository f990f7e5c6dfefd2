"""A prompt that leaves no room for an answer is refused, whoever reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from guerdon.models.context import context_of, refuse_beyond_context
from guerdon.rankings import Ranking
from guerdon.records import Task, rollouts_of_ids
from guerdon.reward_models import RewardModel
from guerdon.rollout import LanguagePolicy
from guerdon.stages import Sampling
from guerdon.training import Demonstration, demonstrations_to_rollouts
from guerdon.training.preference import pairs_to_rollouts

LONG = Task("long", "1 + 2 + 3 + 4 + 5 + 6 =")
WORLD = Task("long", "", columns={"environment": "grid", "settings": {"size": 3}})
BRIEF = Sampling(max_tokens=2)


@pytest.fixture(scope="module")
def policy() -> LanguagePolicy:
    made = LanguagePolicy.load()
    made.model.config.max_position_embeddings = 8
    return made


def given(policy: LanguagePolicy) -> Any:
    """Rows from elsewhere, whose prompt nobody has encoded here."""
    prompt = torch.full((8,), 5)
    return policy.forward(rollouts_of_ids([LONG], [0], [prompt], [[5, 6]], ["x"]))


def scored(policy: LanguagePolicy) -> Any:
    model = RewardModel.load("seedling")
    model.model.config.max_position_embeddings = 8
    return model.score([LONG], [["x"]])


READERS: dict[str, Callable[[LanguagePolicy], Any]] = {
    "sampling": lambda policy: policy.sample([LONG], 1, BRIEF, 0),
    "a world": lambda policy: policy.sample([WORLD], 1, BRIEF, 0),
    "what vLLM is given": lambda policy: policy.encode(LONG),
    "rows from elsewhere": given,
    "demonstrations": lambda policy: demonstrations_to_rollouts(policy, [Demonstration(LONG, "x")]),
    "pairs": lambda policy: pairs_to_rollouts(policy, [Ranking(LONG, ("x", "y"))]),
    "a reward model": scored,
}


@pytest.mark.parametrize("reader", READERS)
def test_a_prompt_beyond_the_context_is_refused(reader: str, policy: LanguagePolicy) -> None:
    with pytest.raises(ValueError, match=r"task 'long' has \d+ tokens, and .* at most 8 with its"):
        READERS[reader](policy)


def test_the_last_place_is_for_a_token() -> None:
    fits = [torch.zeros(7, dtype=torch.long)]
    refuse_beyond_context(8, [LONG], fits)
    refuse_beyond_context(None, [LONG], [torch.zeros(10**6, dtype=torch.long)])
    with pytest.raises(ValueError, match="with an answer of 2; shorten it, or raise the limit"):
        refuse_beyond_context(8, [LONG], fits, 2, "raise the limit")
    assert context_of(LanguagePolicy.load().model) == 1024
