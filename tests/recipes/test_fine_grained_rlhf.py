"""Fine-grained RLHF: credit by hand, the miniature in small, and the recipe in the real loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from making import make_rollouts

from guerdon.advantages import ReturnToGo
from guerdon.claims import fine_grained_rlhf as miniature
from guerdon.recipes import fine_grained_rlhf as recipe
from guerdon.recipes import load_recipe
from guerdon.records import Experience, Progress, Task
from guerdon.rewards import SpanReward, WeightedSum
from guerdon.rewards.models.spans import word_ends
from guerdon.rollout import Groups
from guerdon.training import Loop, PolicyRecipe, train

TASK = Task("t", "")


def rated_rows(*texts: str) -> tuple[object, object]:
    words = [len(text.split()) for text in texts]
    rows = replace(make_rollouts([0] * len(texts), words), texts=texts)
    return SpanReward(miniature.rated, lambda r, n, ends: range(len(ends)), word_ends)(
        rows, Progress()
    ), rows


def test_the_arms_credit_a_worked_answer() -> None:
    scores, rows = rated_rows("0 5 0", "1 1 1")
    assert scores.value.tolist() == pytest.approx([0.3, -0.9])
    own = ReturnToGo(discount=0.0)(Experience(rows, scores))
    assert own[0].tolist() == pytest.approx([0.3, -0.3, 0.3])
    onwards = ReturnToGo()(Experience(rows, scores))
    assert onwards[0].tolist() == pytest.approx([0.3, 0.0, 0.3], abs=1e-6)
    assert miniature.whole_sum(Experience(rows, scores))[1].tolist() == pytest.approx([-0.9] * 3)
    assert miniature.above_zero(Experience(rows, scores)).tolist() == [[1, 1, 1], [0, 0, 0]]


def test_a_judgement_between_answers_is_of_their_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Totals .3, -.9 and .9, .3: 0.3 is above the first batch's mean and not the second's."""
    monkeypatch.setattr(miniature, "BATCH", 2)
    scores, rows = rated_rows("0 5 0", "1 1 1", "0 0 0", "0 5 0")
    judged = miniature.above_mean(Experience(rows, scores))
    assert judged.tolist() == [[1] * 3, [0] * 3, [1] * 3, [0] * 3]
    scores, rows = rated_rows("1 1", "2 2")
    assert miniature.above_mean(Experience(rows, scores)).tolist() == [[0, 0], [0, 0]]


def test_one_segment_is_ordinary_rlhf() -> None:
    scores, rows = rated_rows("0", "3")
    everywhere = miniature.whole_sum(Experience(rows, scores))
    for credit in (ReturnToGo(discount=0.0), ReturnToGo()):
        assert torch.equal(credit(Experience(rows, scores)), everywhere)


def test_coinciding_ends_add() -> None:
    """R1 ends at 2 and 5, R2 and R3 at 5: -0.3 + 0.5 + 0.3 = 0.5, not 0.3."""

    def ends(*positions: int) -> tuple[object, object]:
        return (lambda text: positions), (lambda rollouts, row, found: [p - 1 for p in found])

    def kind(scores: list[float], *positions: int) -> SpanReward:
        split, locate = ends(*positions)
        return SpanReward(lambda task, text, spans: scores, locate, split)

    rows = replace(make_rollouts([0], [6]), texts=("abcdef",))
    kinds = {"r1": kind([0.3, -0.3], 3, 6), "r2": kind([0.5], 6), "r3": kind([0.3], 6)}
    placed = WeightedSum(kinds)(rows, Progress()).placed
    assert placed is not None
    assert placed[0].tolist() == pytest.approx([0, 0, 0.3, 0, 0, 0.5])


def test_steps_are_judged_for_two_errors() -> None:
    spans = ["carry:", " 2+7=9", " 3+7=11", " 2+7=9"]
    assert recipe.right_sums(TASK, "", spans) == [0.5, 0.5, -0.5, 0.5]
    assert recipe.new_steps(TASK, "", spans) == [0.3, 0.3, 0.3, -0.3]
    assert recipe.right_sums(TASK, "", []) == recipe.new_steps(TASK, "", []) == []


def test_the_miniature_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "UPDATES", 10)
    monkeypatch.setattr(miniature, "ANSWERS", 2)
    told: list[float] = []
    arms = miniature.claim().arms
    own = arms["own segment"](0, told.append)
    assert told == [1.0]
    assert arms["own segment"](0, told.append) == own
    assert own["right"] > 0.125
    assert arms["sum above 0"](0, told.append)["right"] == pytest.approx(0.125)


def test_recipe_round_trips(tmp_path: Path) -> None:
    made = load_recipe("fine-grained-rlhf").build()
    made.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == made


def test_runs_on_the_seedling() -> None:
    loop = Loop(steps=2, groups=2, evaluation_tasks=4, checkpoint_every=0)
    result = train(recipe.build(loop=loop, sampler=Groups(4)), quiet=True)
    assert len(result.history) == 2
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())
