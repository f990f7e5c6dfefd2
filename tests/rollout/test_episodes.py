"""Episodes as single rows: a scripted speaker worked by hand, then the seedling itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from guerdon.advantages import returns_to_go
from guerdon.records import Ending, Progress, Task
from guerdon.rewards import EnvironmentReturn
from guerdon.rollout import LanguagePolicy
from guerdon.rollout.decoding import Continuations
from guerdon.rollout.environments import Grid, Step
from guerdon.rollout.episodes import play
from guerdon.stages import Sampling
from guerdon.tasks import GridTasks


class Characters:
    """A tokenizer of one token per character; 0 ends a text."""

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return [ord(c) for c in text]


class Scripted:
    """Says what its script says: one list of texts per row key seen, in order of turns."""

    def __init__(self, script: list[str], finished: bool = True) -> None:
        self.tokenizer, self.script, self.finished = Characters(), script, finished
        self.contexts: list[str] = []
        self.calls: list[tuple[int, int, tuple[int, ...]]] = []
        self.turn = 0

    def encode(self, task: Task) -> Tensor:
        return torch.tensor(self.tokenizer.encode(str(task.prompt)))

    def decode(self, ids: Tensor, length: Any) -> str:
        return "".join(chr(i) for i in ids[: int(length)].tolist() if i)

    def generate(
        self,
        contexts: Sequence[Tensor],
        keys: Sequence[int],
        sampling: Sampling,
        seed: int,
        *,
        fan: Sequence[int] | None = None,
    ) -> Continuations:
        assert fan is not None
        self.calls.append((len(contexts), len(keys), tuple(keys)))
        self.contexts.append(self.decode(contexts[0], len(contexts[0])))
        said = [ord(c) for c in self.script[self.turn]] + [0] * self.finished
        self.turn += 1
        n = len(keys)
        return Continuations(
            ids=torch.tensor([said] * n),
            lengths=torch.full((n,), len(said)),
            logps=torch.full((n, len(said)), -0.5),
            endings=Ending.of(torch.full((n,), self.finished), Ending.TOKEN_LIMIT),
        )


def board(**settings: Any) -> Task:
    return Task("t", "ignored", columns={"environment": "grid", "settings": settings})


def test_an_episode_worked_by_hand() -> None:
    speaker = Scripted(["right", "fly", " down"])
    rows = play(speaker, [board(size=2)], 2, Sampling(max_turns=5), seed=0)
    first = "You are at (0,0). Goal (1,1).\nMove:"
    second = "You are at (1,0). Goal (1,1).\nMove:"
    assert speaker.decode(rows.prompts[0], 99) == first
    assert speaker.contexts == [first, f"{first}right{second}", f"{first}right{second}fly{second}"]
    # Two rows share one prompt in the first turn and have contexts of their own after it.
    assert [(c, k) for c, k, _ in speaker.calls] == [(1, 2), (2, 2), (2, 2)]
    assert len({key for _, _, keys in speaker.calls for key in keys}) == 6
    assert rows.texts == (f"right{second}fly{second} down",) * 2
    at = lambda x, y: ("grid", (x, y), (1, 1), None)  # noqa: E731
    assert rows.states == ((at(0, 0), at(1, 0), at(1, 0)),) * 2
    assert rows.turn_rewards is not None
    assert rows.turn_rewards[0].tolist() == pytest.approx([0.0, -0.1, 10.0])
    assert rows.signals["valid"][0].tolist() == [1, 0, 1]
    assert rows.finished.tolist() == [True, True]
    said = [6, 4, 6]  # characters and the end mark
    gap = len(second)
    expected = [1] * said[0] + [0] * gap + [1] * said[1] + [0] * gap + [1] * said[2]
    assert rows.mask[0].int().tolist() == expected
    turns = [0] * said[0] + [1] * (gap + said[1]) + [2] * (gap + said[2])
    assert rows.turn is not None
    assert rows.turn[0].tolist() == turns
    assert rows.logps[0].tolist() == [-0.5 * acted for acted in expected]


def test_an_invalid_action_lowers_every_earlier_return_by_its_discount() -> None:
    """GiGPO's penalty: .1 in its turn, .095 in the one before, .1 of the episode's total."""
    said = {}
    for word in ("left", "fly"):
        rows = play(Scripted(["right", word, "down"]), [board(size=2)], 1, Sampling(max_turns=3), 0)
        assert rows.turn_rewards is not None
        to_go = returns_to_go(rows.turn_rewards, 0.95)[0].tolist()
        said[word] = (to_go, EnvironmentReturn()(rows, Progress()).value.item())
        expected = [0.0, -0.1 * (word == "fly"), 10.0 * (word == "fly")]
        assert rows.turn_rewards[0].tolist() == pytest.approx(expected)
    assert said["left"] == ([0.0, 0.0, 0.0], 0.0)  # a valid step of 0, and the goal is missed
    assert said["fly"][0] == pytest.approx([9.025 - 0.095, 9.5 - 0.1, 10.0])
    assert said["fly"][1] == pytest.approx(9.9)


def test_the_turn_limit_truncates_and_ends_on_an_action() -> None:
    speaker = Scripted(["up", "up"])
    rows = play(speaker, [board(size=2)], 1, Sampling(max_turns=2), seed=0)
    assert not rows.finished.any()
    assert rows.texts[0].endswith("Move:up")
    assert rows.turn_rewards is not None
    assert rows.turn_rewards.tolist() == [[0.0, 0.0]]


def test_a_cut_turn_is_kept_from_the_worlds_text() -> None:
    speaker = Scripted(["upwa", "up"], finished=False)
    play(speaker, [board(size=2)], 1, Sampling(max_turns=2), seed=0)
    assert speaker.contexts[1].endswith("upwa\nYou are at (0,0). Goal (1,1).\nMove:")


def test_saying_nothing_is_an_invalid_action() -> None:
    rows = play(Scripted([""], finished=False), [board()], 1, Sampling(max_turns=1), seed=0)
    assert rows.ids.shape == (1, 0)
    assert rows.turn_rewards is not None
    assert rows.turn_rewards.tolist() == [[pytest.approx(-0.1)]]


class Frail(Grid):
    """A user's world: the second one made falls over at the word "boom"."""

    made = 0

    def __init__(self, **settings: Any) -> None:
        Frail.made += 1
        self.number = Frail.made
        super().__init__(**settings)

    def step(self, action: str) -> Step:
        if action == "boom" and self.number == 2:
            raise SystemExit(f"no {action}")
        return super().step(action)


def test_a_world_that_raises_costs_its_episode_and_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    Frail.made = 0
    task = Task("t", "ignored", columns={"environment": Frail, "settings": {"size": 2}})
    with caplog.at_level(logging.WARNING, logger="guerdon.rollout"):
        rows = play(Scripted(["right", "boom", "down"]), [task], 3, Sampling(max_turns=3), seed=0)
    assert rows.finished.tolist() == [True, False, True]
    assert rows.turn_rewards is not None
    assert rows.turn_rewards[0].tolist() == pytest.approx([0.0, -0.1, 10.0])
    assert rows.turn_rewards[1].isnan().tolist() == [False, True, False]
    assert rows.states is not None
    assert [len(states) for states in rows.states] == [3, 2, 3]
    assert "SystemExit: no boom" in caplog.text
    assert __file__ in caplog.text
    scores = EnvironmentReturn()(rows, Progress(0, 1))
    assert scores.valid.tolist() == [True, False, True]
    assert scores.errors[1] is not None
    assert scores.placed is not None
    assert scores.placed.isfinite().all()


class Absent(Grid):
    """A user's world: those of the numbers in `gone` can't be begun."""

    made = 0
    gone: ClassVar[tuple[int, ...]] = ()

    def __init__(self, **settings: Any) -> None:
        self.number = 0
        super().__init__(**settings)
        Absent.made += 1
        self.number = Absent.made

    def reset(self) -> str:
        if self.number in self.gone:
            raise ConnectionError("nobody answers")
        return super().reset()


@pytest.mark.parametrize("gone", [(1,), (1, 2), (1, 2, 3, 4)])
def test_a_world_that_raises_at_its_reset_costs_its_episode_and_no_other(
    gone: tuple[int, ...], seedling: LanguagePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Absent, "gone", gone)
    monkeypatch.setattr(Absent, "made", 0)
    tasks = [
        Task(name, "ignored", columns={"environment": Absent, "settings": {"size": 2}})
        for name in ("a", "b")
    ]
    rows = seedling.sample(tasks, 2, Sampling(max_turns=2, max_turn_tokens=4), seed=0)
    scores = EnvironmentReturn()(rows, Progress(0, 1))
    fine = [number not in gone for number in (1, 2, 3, 4)]
    assert scores.valid.tolist() == rows.mask.any(1).tolist() == fine
    assert [error is None for error in scores.errors] == fine
    if any(fine):
        assert torch.allclose(seedling.forward(rows).logps, rows.logps, atol=2e-4)


@pytest.fixture(scope="module")
def seedling() -> LanguagePolicy:
    return LanguagePolicy.load("seedling")


def test_the_seedling_plays_and_knows_what_it_did(seedling: LanguagePolicy) -> None:
    tasks = GridTasks(size=4, train=4, test=0).load("train")
    sampling = Sampling(max_turns=4, max_turn_tokens=6)
    rows = seedling.sample(tasks, 2, sampling, seed=1)
    assert len(rows) == 8
    with torch.no_grad():
        now = seedling.forward(rows)
    assert torch.allclose(now.logps, rows.logps, atol=2e-4)
    assert rows.turn is not None
    assert rows.states is not None
    for row in range(8):
        acted = rows.turn[row][rows.mask[row]]
        assert sorted(set(acted.tolist())) == list(range(len(rows.states[row])))
    # A row is a function of its task, member and the seed, whoever plays beside it.
    alone = seedling.sample(tasks[2:3], 2, sampling, seed=1)
    assert alone.texts == rows.texts[4:6]
    assert seedling.sample(tasks, 2, sampling, seed=2).texts != rows.texts


def test_worlds_and_questions_do_not_mix(seedling: LanguagePolicy) -> None:
    with pytest.raises(ValueError, match="names the environment None"):
        seedling.sample([board(), Task("q", "1+1")], 1, Sampling(max_turns=1), seed=0)
