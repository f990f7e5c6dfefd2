"""A specimen of each way to break a promise, and the sentence that the check says of it.

Rewards and shapers that are broken in one way each are in ``test_checks.py``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from making import make_scores
from torch import Tensor, nn

from guerdon import contracts
from guerdon.objectives import ClippedSurrogate
from guerdon.records import (
    Chosen,
    Experience,
    Loss,
    Pairs,
    PolicyOutput,
    Progress,
    Rollouts,
    Scores,
)
from guerdon.selection import BestAgainstWorst, BestOfN
from guerdon.shaping import Affine

LARGEST = torch.finfo(torch.float32).max


def on_use(experience: Experience, value_N: Tensor) -> Tensor:
    """The number of each row on its acted positions."""
    use_NT = experience.rollouts.mask & experience.scores.valid[:, None]
    return torch.where(use_NT, value_N[:, None], 0.0).float()


def centred(experience: Experience) -> Tensor:
    """In float64 and cut to the range of float32, where a difference need not be in it."""
    scores = experience.scores
    value_N = torch.where(scores.valid, scores.value, 0.0).double()
    mean = value_N.sum() / scores.valid.sum().clamp_min(1)
    return (value_N - mean).clamp(-LARGEST, LARGEST).float()


def whole(experience: Experience) -> Tensor:
    return on_use(experience, centred(experience))


def unread(experience: Experience) -> Tensor:
    return on_use(experience, experience.scores.parts["c"])


def listed(experience: Experience) -> Any:
    return whole(experience).tolist()


def by_row(experience: Experience) -> Tensor:
    return centred(experience)


def in_double(experience: Experience) -> Tensor:
    return whole(experience).double()


def by_place(experience: Experience) -> Tensor:
    """The first row counts double: it was the best where it was sampled first."""
    weight_N = torch.ones(len(experience))
    weight_N[:1] = 2
    return on_use(experience, centred(experience) * weight_N)


def unlearned(experience: Experience) -> Tensor:
    """Divides by the number of rows less one: a group of one is nothing by nothing."""
    return on_use(experience, centred(experience) * (len(experience) - 1) / (len(experience) - 1))


def of_some(experience: Experience) -> Tensor:
    """Measured from the largest reward: of no rows there is none."""
    value_N = torch.where(experience.scores.valid, experience.scores.value, -1e9)
    return on_use(experience, experience.scores.value - value_N.max())


def squared(experience: Experience) -> Tensor:
    """Overflows at the ends of float32."""
    return on_use(experience, centred(experience).square())


def in_place(experience: Experience) -> Tensor:
    values = experience.rollouts.values
    assert values is not None
    values.mul_(2.0)
    return whole(experience)


@pytest.mark.parametrize(
    ("advantage", "told"),
    [
        (unread, r"unread: it raises KeyError \('c'\) on 8 rows, 7 of them valid"),
        (listed, "listed: it returns a list, no tensor"),
        (by_row, r"it is torch.float32 of shape \(8,\), not float32 of \(8, 3\)"),
        (in_double, r"it is torch.float64 of shape \(8, 3\)"),
        (by_place, "the order of rows changes their advantages"),
        (unlearned, r"it is not finite of a group whose rows are valid \[True\]"),
        (of_some, r"raises RuntimeError .* on 0 rows|it is not finite of a group"),
        (squared, r"it is not finite for rewards \[3e\+38, -3e\+38"),
        (in_place, "it changes the rollouts' values"),
    ],
)
def test_a_broken_advantage_is_told(advantage: Any, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        contracts.check_advantage(advantage)
    contracts.check_advantage(whole)


@dataclass(frozen=True)
class Objective(ClippedSurrogate):
    """Clips, and breaks what it is told to break."""

    broken: str = ""

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"gradients"}) if self.broken == "needs" else super().needs

    def __call__(
        self, now: PolicyOutput, experience: Experience, row_weight: Tensor | None = None
    ) -> Loss:
        mask_NT = experience.rollouts.mask
        loss = super().__call__(now, experience, row_weight)
        if self.broken == "raises":
            raise IndexError("row 9")
        if self.broken == "extremes":
            ratio_NT = torch.where(mask_NT, now.logps - experience.rollouts.logps, 0.0).exp()
            return replace(loss, value=loss.value + (ratio_NT * 0.1).sum())
        if self.broken == "detached":
            return replace(loss, value=loss.value.detach())
        if self.broken == "filler":
            return replace(
                loss, value=loss.value + torch.where(mask_NT, 0.0, now.logps).detach().sum()
            )
        if self.broken == "idle":
            return replace(loss, value=loss.value + (~mask_NT.any(1)).sum())
        if self.broken == "figures":
            return replace(loss, metrics={**loss.metrics, "rows": 1.0})
        if self.broken == "tensor":
            return loss.value  # type: ignore[return-value]
        return loss


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("needs", r"Objective: it needs \['gradients'\]; there are \['entropy', 'largest',"),
        ("raises", r"Objective: it raises IndexError \(row 9\) on 5 rows"),
        ("tensor", "it returns a Tensor, no Loss"),
        ("detached", "it has no gradient at the log-probs"),
        ("filler", "what stands where the policy did not act changes the loss"),
        ("extremes", r"its (loss|gradient) is not finite where log-probs moved by some"),
        ("idle", "a row that never acted changes the loss|its loss is 1 where nothing acted"),
        ("figures", r"cut into parts of \[1, 4\] rows, its figure 'rows' is another"),
    ],
)
def test_a_broken_objective_is_told(broken: str, told: str) -> None:
    contracts.check_objective(Objective())
    with pytest.raises(AssertionError, match=told):
        contracts.check_objective(Objective(broken=broken))


@dataclass(frozen=True)
class Scorer:
    """Counts letters, and breaks what it is told to break."""

    broken: str = ""

    def score(self, tasks: Any, responses: Any) -> Any:
        texts = [text for several in responses for text in several]
        if self.broken == "empty" and not all(responses):
            raise RuntimeError("stack of nothing")
        score_N = torch.tensor([float(len(text)) for text in texts])
        if self.broken == "finite":
            score_N = score_N.log()
        if self.broken == "repeats":
            score_N = score_N + torch.rand(len(texts))
        if self.broken == "shape":
            score_N = score_N.reshape(-1, 1)
        if self.broken == "alone" and len(texts) > 1:
            score_N = score_N / score_N.max()
        return score_N.tolist() if self.broken == "list" else score_N


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("list", "Scorer: it returns a list, no tensor"),
        ("shape", r"5 responses get scores of shape \(5, 1\), not \(5,\)"),
        ("finite", "a score is not finite"),
        ("repeats", "asked again, it gives other scores"),
        ("alone", "a response is worth something else beside others than alone"),
        ("empty", r"raises RuntimeError \(stack of nothing\) on \[3, 0\] responses to 2 tasks"),
    ],
)
def test_a_broken_scorer_is_told(broken: str, told: str) -> None:
    contracts.check_scorer(Scorer())
    with pytest.raises(AssertionError, match=told):
        contracts.check_scorer(Scorer(broken))


@dataclass(frozen=True)
class Shaper(Affine):
    """Adds nothing, and breaks what it is told to break."""

    broken: str = ""

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        if self.broken == "raises":
            raise KeyError("letters")
        if self.broken == "empty" and not scores.valid.any():
            raise ZeroDivisionError("mean of nothing")
        if self.broken == "refuses" and scores.placed is not None:
            raise ValueError("no such scores")
        if self.broken == "value":
            return scores.value  # type: ignore[return-value]
        made = super().__call__(scores, rollouts, progress)
        if self.broken == "rows":
            return made.select(torch.arange(1, len(made)))
        if self.broken == "off the mask" and made.placed is not None:
            moved = torch.where(rollouts.mask, made.placed, 1.0)
            first = made.value - moved[:, 1:].sum(1)
            return replace(made, placed=torch.cat([first[:, None], moved[:, 1:]], 1))
        return made


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("raises", r"Shaper: it raises KeyError \('letters'\) on 8 rows, 7 of them valid"),
        ("value", "it returns a Tensor, no Scores"),
        ("rows", "8 rows come out as 7"),
        ("refuses", "placed at positions are refused without saying so: no such scores"),
        ("off the mask", "a reward is placed where the policy did not act"),
        ("empty", r"raises ZeroDivisionError \(mean of nothing\) on 0 rows"),
    ],
)
def test_a_broken_shaper_is_told(broken: str, told: str) -> None:
    contracts.check_shaper(Shaper())
    with pytest.raises(AssertionError, match=told):
        contracts.check_shaper(Shaper(broken=broken))


@dataclass(frozen=True)
class Selection:
    """Best against worst, and breaks what it is told to break."""

    broken: str = ""

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Chosen:
        made = BestAgainstWorst()(scores, rollouts, progress)
        rows, pairs = made.rows, made.pairs
        assert pairs is not None
        if self.broken == "beyond":
            rows = rows + len(scores)
        if self.broken == "twice":
            rows = torch.cat([rows, rows[:1]])
        if self.broken == "places":  # the pairs count all rows
            pairs = Pairs(rows[pairs.chosen], rows[pairs.rejected])
        if self.broken == "groups" and len(pairs) > 1:
            pairs = Pairs(pairs.chosen, pairs.rejected.flip(0))
        if self.broken == "invalid":
            zeros = make_scores(scores.value.nan_to_num(-9.0).tolist())
            return BestAgainstWorst()(zeros, rollouts, progress)
        if self.broken == "place":
            return Chosen(torch.arange(len(scores))[:2])
        if self.broken == "random":
            return Chosen(torch.randperm(len(scores))[: len(scores) // 2])
        if self.broken == "rows":
            return rows  # type: ignore[return-value]
        if self.broken == "empty":
            return Chosen(scores.value.nan_to_num(-9.0).argmax()[None])
        return Chosen(rows, pairs)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("rows", "Selection: it returns a Tensor, no Chosen"),
        ("beyond", r"it chooses rows \[10, 11, 14, 15\] of 8"),
        ("twice", r"it chooses rows \[\d\] twice"),
        ("places", r"its pairs name rows \[\d.*\] of the 4 chosen; they count the chosen rows"),
        ("groups", "the rows of 2 pairs belong to two groups"),
        ("invalid", r"rows \[4\] of its pairs are invalid"),
        ("random", "asked again, it chooses others"),
        ("place", "with the rows in another order, it chooses others"),
        ("empty", "it raises IndexError .* on 0 rows"),
    ],
)
def test_a_broken_selection_is_told(broken: str, told: str) -> None:
    contracts.check_selection(Selection())
    contracts.check_selection(BestOfN())
    torch.manual_seed(0)
    with pytest.raises(AssertionError, match=told):
        contracts.check_selection(Selection(broken))


@dataclass(frozen=True)
class Recipe:
    """Three steps that add to one weight, and breaks what it is told to break."""

    broken: str = ""
    name: str = "toy"

    def run(
        self, folder: Path, *, quiet: bool, stop_after: int | None = None, resume: bool = False
    ) -> Any:
        folder.mkdir(exist_ok=True)
        file = folder / "metrics.jsonl"
        lines = file.read_text().splitlines() if resume and file.is_file() else []
        if resume and self.broken == "raises":
            raise FileNotFoundError("weights.pt")
        end = 3 if stop_after is None or self.broken == "stops" else stop_after
        if resume and self.broken == "short":
            end = 2
        for step in range(len(lines), end):
            figure = step + (0.5 if resume and self.broken == "figures" else 0.0)
            lines.append(json.dumps({"reward": figure, "seconds/step": id(lines)}))
        file.write_text("\n".join(lines))
        module = nn.Linear(1, 1, bias=False)
        nn.init.constant_(module.weight, 3 + (resume and self.broken == "weights"))
        return SimpleNamespace(after=1 + (resume and self.broken == "held-out"), model=module)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("stops", "Recipe: stopped after one step, it has figures of 3"),
        ("raises", r"raises FileNotFoundError \(weights.pt\) on the folder of a run that was stop"),
        ("figures", r"resumed, step 1 has other figures: \['reward'\]"),
        ("short", "unbroken it has 3 steps, resumed 2"),
        ("held-out", "resumed, the held-out figures are others"),
        ("weights", "resumed, the weight weight is another"),
    ],
)
def test_a_broken_recipe_is_told(broken: str, told: str, tmp_path: Path) -> None:
    for name in ("sound", "broken"):
        (tmp_path / name).mkdir()
    contracts.check_recipe(Recipe(), tmp_path / "sound")
    with pytest.raises(AssertionError, match=told):
        contracts.check_recipe(Recipe(broken), tmp_path / "broken")
