"""The public checks: what breaks a promise is told in a sentence, with the input it broke on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from toy_predictor import ToyScorer

from guerdon import contracts
from guerdon.advantages import GroupNormalised
from guerdon.objectives import ClippedSurrogate
from guerdon.records import Experience, Loss, PolicyOutput, Progress, Rollouts, Scores, Task
from guerdon.shaping import Affine

DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True)
class Reward:
    """Pays for capital letters, and breaks what it is told to break."""

    broken: str = ""

    scope = "completion"
    range = (0.0, 1.0)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        if self.broken == "raises" and "" in rollouts.texts:
            raise KeyError("no answer")
        value = torch.tensor([sum(c == "B" for c in t) / (len(t) + 1) for t in rollouts.texts])
        if self.broken == "range":
            value = value * 30
        if self.broken == "repeats":
            value = (value + torch.rand(len(value))) / 2
        if self.broken == "order":
            value = value / torch.arange(1, len(value) + 1)
        parts = {"letters": value * (0.5 if self.broken == "sums" else 1.0)}
        placed = torch.ones(rollouts.mask.shape) if self.broken == "placed" else None
        valid = torch.full((len(value),), self.broken != "invalid")
        made = Scores(value, parts, valid, placed=placed)
        return made.select(torch.arange(len(made) - 1)) if self.broken == "rows" else made


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("raises", r"Reward: it raises KeyError .* on \d+ rows; a row that can't be judged"),
        ("range", r"row \d+ \(.*\) gets [\d.]+, out of the declared range 0 to 1"),
        ("repeats", r"asked again, row \d+ \('.*'\) gets another score"),
        ("order", r"in another order, row \d+ .* gets another score"),
        ("sums", r"row \d+ \('.*'\) has parts that sum to [\d.]+ and the value [\d.]+"),
        ("placed", r"placed rewards do not sum to the value"),
        ("rows", r"17 rows get 16 scores"),
        ("invalid", r"not one of 17 rows is valid .*; give tasks that it can grade"),
    ],
)
def test_a_broken_reward_is_told(broken: str, told: str) -> None:
    contracts.check_reward(Reward())
    with pytest.raises(AssertionError, match=told):
        contracts.check_reward(Reward(broken))


@dataclass(frozen=True)
class Local:
    """A reward with a setting that no file can hold."""

    held: Any

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        return Scores(torch.zeros(len(rollouts)))


def test_a_part_that_no_file_can_hold_is_told() -> None:
    with pytest.raises(AssertionError, match=r"can't be written to a recipe's file: recipe\.held"):
        contracts.check_reward(Local(object()))


Shaping = Callable[[Scores, Rollouts, Progress], Scores]


def by_mean(scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
    return replace(scores, value=scores.value - scores.value.nan_to_num().mean())


def by_place(scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
    return replace(scores, value=scores.value * torch.arange(len(scores)))


@pytest.mark.parametrize(
    ("shaper", "told"),
    [
        (lambda s, r, p: Scores(s.value, {}, s.valid, s.reasons), "part 'a' is gone or changed"),
        (lambda s, r, p: replace(s, remarks=()), "the rows' remarks are gone"),
        (lambda s, r, p: replace(s, value=s.value * 2), "placed rewards do not sum up"),
        (lambda s, r, p: replace(s, value=s.value / 0), "row 0 is valid before or after only"),
        (lambda s, r, p: replace(by_mean(s, r, p), placed=None), "drops where rewards are placed"),
        (lambda s, r, p: _refusing(s, by_mean(s, r, p)), "an invalid row changes what others get"),
        (lambda s, r, p: _refusing(s, by_place(s, r, p)), "the order of rows changes|invalid row"),
    ],
)
def test_a_broken_shaper_is_told(shaper: Shaping, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        contracts.check_shaper(shaper)


def _refusing(given: Scores, made: Scores) -> Scores:
    if given.placed is not None:
        raise ValueError("scores are placed at positions")
    return made


@dataclass
class Forgetful:
    """Shapes by what it saw, and tells nobody."""

    seen: int = 0

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        made = _refusing(scores, replace(scores, value=scores.value + self.seen))
        self.seen += 1
        return made


@dataclass(frozen=True)
class Untrivial(Affine):
    """Says that it changes nothing, and does."""

    @classmethod
    def trivial(cls) -> Untrivial:
        return cls(3.0)


def test_what_a_shaper_remembers_or_says_of_itself_is_checked() -> None:
    with pytest.raises(AssertionError, match="does not hold all that it goes on with"):
        contracts.check_shaper(Forgetful())
    with pytest.raises(AssertionError, match=r"its trivial\(\) changes row 0 to 3"):
        contracts.check_shaper(Untrivial())


def everywhere(experience: Experience) -> Tensor:
    rollouts, scores = experience.rollouts, experience.scores
    return scores.value.nan_to_num()[:, None].expand(rollouts.mask.shape)


def by_std(experience: Experience) -> Tensor:
    rollouts, scores = experience.rollouts, experience.scores
    value_N = torch.where(scores.valid, scores.value, 0.0)
    made_N = (value_N - value_N.mean()) / value_N.std()
    return torch.where(rollouts.mask & scores.valid[:, None], made_N[:, None], 0.0)


def nothing(experience: Experience) -> Tensor:
    return torch.zeros(experience.rollouts.mask.shape)


def steep(experience: Experience) -> Tensor:
    rollouts, scores = experience.rollouts, experience.scores
    value_N = torch.where(scores.valid, scores.value, 0.0)
    made_N = (value_N - value_N.detach()).abs().sqrt() + value_N.detach().clamp(-1, 1)
    return torch.where(rollouts.mask & scores.valid[:, None], made_N[:, None], 0.0)


@pytest.mark.parametrize(
    ("advantage", "told"),
    [
        (everywhere, r"row \d has an advantage where the policy did not act, or is invalid"),
        (nothing, "it is 0 everywhere"),
        (by_std, "an invalid row changes what others get"),
        (steep, r"its gradient is not finite for rewards \[1\.0, 1\.0"),
    ],
)
def test_a_broken_advantage_is_told(advantage: Any, told: str) -> None:
    contracts.check_advantage(GroupNormalised())
    with pytest.raises(AssertionError, match=told):
        contracts.check_advantage(advantage)


@dataclass(frozen=True)
class Unweighted(ClippedSurrogate):
    """Averages over what it is given: no sum of its parts."""

    def __call__(
        self, now: PolicyOutput, experience: Experience, row_weight: Tensor | None = None
    ) -> Loss:
        return super().__call__(now, experience)


@dataclass(frozen=True)
class Unmasked(ClippedSurrogate):
    """Reads every position."""

    def __call__(
        self, now: PolicyOutput, experience: Experience, row_weight: Tensor | None = None
    ) -> Loss:
        assert experience.advantage is not None
        return Loss(-(now.logps * (experience.advantage + 0.1)).sum(), {})


@pytest.mark.parametrize(
    ("objective", "told"),
    [
        (Unweighted(), r"cut into parts of \[1, 4\] rows, a batch has another loss"),
        (Unmasked(), "it has a gradient where the policy did not act"),
    ],
)
def test_a_broken_objective_is_told(objective: Any, told: str) -> None:
    contracts.check_objective(ClippedSurrogate())
    with pytest.raises(AssertionError, match=told):
        contracts.check_objective(objective)


class Beside:
    """Scores a response against the others of the batch."""

    def score(self, tasks: list[Task], responses: list[list[str]]) -> Tensor:
        lengths = [float(len(text)) for texts in responses for text in texts]
        return torch.tensor(lengths) - (sum(lengths) / len(lengths) if lengths else 0.0)


def test_a_broken_scorer_is_told() -> None:
    contracts.check_scorer(ToyScorer())
    with pytest.raises(AssertionError, match="Beside: a response is worth something else"):
        contracts.check_scorer(Beside())  # type: ignore[arg-type]


def test_the_example_of_the_documentation_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """As a newcomer would paste it."""
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "contracts.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "docs/contracts.md", "exec"), {"__name__": "pasted"})
    assert "novel: asked again, row 0 ('') gets another score" in capsys.readouterr().out
