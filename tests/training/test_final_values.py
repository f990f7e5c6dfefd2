"""What a world's limit ended goes on, and is worth what the policy's value head says of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from guerdon.advantages import GAE
from guerdon.objectives import PPO
from guerdon.records import Ending, Experience, Rollouts, Scores, Task, rollouts_of_ids
from guerdon.rewards import EnvironmentReturn
from guerdon.rollout import Groups, LanguagePolicy, TabularPolicy
from guerdon.rollout.environments import Grid, Step
from guerdon.stages import Foresees, Sampling
from guerdon.training import AdamW, Loop, Model, PolicyRecipe, train
from guerdon.training.recording import recorded

NEEDS = frozenset({"values"})


@pytest.fixture(scope="module")
def policy() -> LanguagePolicy:
    made = LanguagePolicy.load(value_head=True)
    head = made.actor.value_head
    assert head is not None
    with torch.no_grad():
        head.weight.copy_(torch.linspace(-0.1, 0.1, head.weight.numel())[None])
        head.bias.fill_(0.5)
    return made


def value_of(policy: LanguagePolicy, ids: Tensor) -> float:
    """What the head says after these tokens, computed one row at a time by the whole model."""
    with torch.no_grad():
        hidden = policy.model.get_decoder()(input_ids=ids[None].to(policy.model.device))
        head = policy.actor.value_head
        assert head is not None
        return float(head(hidden.last_hidden_state[0, -1]))


def rows_of(policy: LanguagePolicy, endings: tuple[Ending, ...]) -> Rollouts:
    """The first writes two tokens, the others three; one prompt for all."""
    ids = [policy.tokenizer.encode(text)[:n] for text, n in (("12=4", 2), ("3+4=7", 3), ("99", 3))]
    ids = [(one * 3)[:n] for one, n in zip(ids, (2, 3, 3), strict=True)]
    task = Task("a", "1+2=")
    return rollouts_of_ids(
        [task], [0, 0, 0], [policy.encode(task)], ids, ("x", "y", "z"), endings=endings
    )


ENDINGS = (Ending.TIME_LIMIT, Ending.FINISHED, Ending.TIME_LIMIT)


def test_the_head_is_asked_once_a_cut_row_is_read_whole(policy: LanguagePolicy) -> None:
    rows = recorded(policy, rows_of(policy, ENDINGS), NEEDS)
    assert isinstance(policy, Foresees)
    assert rows.final_values is not None
    for row in (0, 2):
        length = int(rows.lengths[row])
        whole = torch.cat([rows.prompts[0], rows.ids[row, :length]])
        assert float(rows.final_values[row]) == pytest.approx(value_of(policy, whole), abs=1e-4)
    assert rows.final_values[1].isnan()
    assert rows.value_after[1] == 0
    assert len({round(float(v), 4) for v in rows.value_after}) == 3
    again = recorded(policy, rows_of(policy, ENDINGS), NEEDS, size=1)
    assert torch.allclose(again.value_after, rows.value_after, atol=1e-5)
    # The value before a position is what the row cut just before it is worth.
    shorter = replace(rows_of(policy, ENDINGS), lengths=torch.tensor([1, 3, 2]))
    assert rows.values is not None
    with torch.no_grad():
        final_N = policy.final_values(shorter)
    assert float(final_N[2]) == pytest.approx(float(rows.values[2, 2]), abs=1e-4)


def test_gae_by_hand_with_what_comes_after_and_without(policy: LanguagePolicy) -> None:
    """With discount .5 and lambda 1: A_t = sum_k .5^k r + .5^(T - t) V(end) - V_t."""
    scores = Scores(torch.tensor([1.0, 1.0, 1.0]))
    gae = GAE(discount=0.5, lam=1.0, whitened=False)
    cut = recorded(policy, rows_of(policy, (Ending.TIME_LIMIT,) * 3), NEEDS)
    ended = recorded(policy, rows_of(policy, (Ending.FINISHED,) * 3), NEEDS)
    assert ended.final_values is None
    assert cut.values is not None
    assert cut.final_values is not None
    with_end, without = (gae(Experience(rows, scores)) for rows in (cut, ended))
    for row, length in enumerate((2, 3, 3)):
        for t in range(length):
            paid = 0.5 ** (length - 1 - t)
            after = 0.5 ** (length - t) * float(cut.final_values[row])
            before = float(cut.values[row, t])
            assert float(without[row, t]) == pytest.approx(paid - before, abs=1e-5)
            assert float(with_end[row, t]) == pytest.approx(paid + after - before, abs=1e-5)
    returns = gae.returns(Experience(cut, scores))
    assert float(returns[0, 1]) == pytest.approx(1 + 0.5 * float(cut.final_values[0]), abs=1e-5)


class Timed(Grid):
    """A board that stops after two moves, wherever one stands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.moves = 0

    def reset(self) -> str:
        self.moves = 0
        return super().reset()

    def step(self, action: str) -> Step:
        made = super().step(action)
        self.moves += 1
        limit = self.moves == 2 and not made.done
        return made._replace(done=made.done or limit, truncated=limit)


@pytest.mark.parametrize("ending", [Ending.TOKEN_LIMIT, Ending.TURN_LIMIT])
def test_what_a_limit_of_ours_ended_is_judged_as_it_stands(
    policy: LanguagePolicy, ending: Ending
) -> None:
    rows = recorded(policy, rows_of(policy, (ending,) * 3), NEEDS)
    assert rows.final_values is None
    assert rows.value_after.tolist() == [0.0] * 3


@pytest.mark.parametrize(("turns", "ending"), [(4, Ending.TIME_LIMIT), (1, Ending.TURN_LIMIT)])
def test_what_a_world_said_last_is_read(policy: LanguagePolicy, turns: int, ending: Ending) -> None:
    board = Task("b", "", columns={"environment": Timed, "settings": {"size": 3}})
    sampling = Sampling(max_turns=turns, max_turn_tokens=3)
    rows = policy.sample([board], 2, sampling, 0)
    assert set(rows.endings) == {ending}
    assert rows.unread is not None
    with torch.no_grad():
        final_N = policy.final_values(rows)
    for row in range(2):
        said = policy.tokenizer.decode(rows.unread[row])
        assert said.strip().startswith("You are at")
        assert said.endswith("Move:")
        seen = torch.cat([rows.prompts[0], rows.ids[row, : rows.lengths[row]], rows.unread[row]])
        assert float(final_N[row]) == pytest.approx(value_of(policy, seen), abs=1e-4)
    assert rows.turn_rewards is not None
    assert rows.turn_rewards.shape[1] == min(turns, 2)
    with torch.no_grad():
        known = recorded(policy, rows, NEEDS).final_values
    assert (known is not None) == (ending is Ending.TIME_LIMIT)


def test_a_row_that_ended_leaves_nothing_unread(policy: LanguagePolicy) -> None:
    near = Task("b", "", columns={"environment": Timed, "settings": {"size": 2, "start": (1, 1)}})
    rows = policy.sample([near], 2, Sampling(max_turns=3, max_turn_tokens=2), 0)
    assert rows.unread is not None
    by_ending = zip(rows.endings, rows.unread, strict=True)
    assert all((len(one) > 0) == ending.cut for ending, one in by_ending)


def test_a_policy_without_values_foresees_nothing() -> None:
    table = TabularPolicy(["a"], "xy")
    assert not isinstance(table, Foresees)
    bare = LanguagePolicy.load()
    with pytest.raises(ValueError, match="value head"):
        recorded(bare, rows_of(bare, ENDINGS), NEEDS)
    assert recorded(bare, rows_of(bare, ENDINGS), frozenset({"entropy"})).final_values is None


@dataclass(frozen=True)
class Boards:
    """Boards with a time limit."""

    def load(self, split: str) -> list[Task]:
        columns = {"environment": Timed, "settings": {"size": 3}}
        return [Task(f"{split} {i}", "", columns=columns) for i in range(4)]


def test_the_loop_fills_them_in(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Rollouts] = []
    asked = GAE.__call__

    def watched(self: GAE, experience: Experience) -> Tensor:
        seen.append(experience.rollouts)
        return asked(self, experience)

    monkeypatch.setattr(GAE, "__call__", watched)
    recipe = PolicyRecipe(
        model=Model(value_head=True),
        tasks=Boards(),
        reward=EnvironmentReturn(),
        advantage=GAE(),
        objective=PPO(),
        sampler=Groups(1, Sampling(max_turns=4, max_turn_tokens=3)),
        optimiser=AdamW(lr=0.01),
        loop=Loop(steps=2, groups=4, evaluation_tasks=0, checkpoint_every=0),
    )
    train(recipe, quiet=True)
    first, second = (rows.final_values for rows in seen)
    assert first is not None
    assert second is not None
    assert all(ending is Ending.TIME_LIMIT for ending in seen[0].endings)
    assert first.tolist() == [0.0] * 4  # a new head
    assert (second != 0).all()
