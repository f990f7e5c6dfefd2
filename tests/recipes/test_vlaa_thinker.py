"""VLAA-Thinker: the open reward by hand, the miniature in small, and the real loop."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_rollouts

from guerdon.claims import vlaa_thinker as miniature
from guerdon.recipes import load_recipe, vlaa_thinker
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards import GroupRelativeLength, Router
from guerdon.rewards.models.above_reference import AboveReference
from guerdon.training import Loop, PolicyRecipe, train

REWARDS = vlaa_thinker.build().reward


@dataclass(frozen=True)
class ReadNumber:
    """The text's own number plus a constant: a reward model that is easy to reckon."""

    more: float = 0.0

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        values = [math.nan if t == "?" else float(t) for t in rollouts.texts]
        return Scores(torch.tensor(values) + self.more)


def above(texts: list[str], answers: list[str], group: list[int], **settings: float) -> Scores:
    tasks = tuple(Task(f"t{i}", "", answer) for i, answer in enumerate(answers))
    rows = replace(make_rollouts(group), tasks=tasks, texts=tuple(texts))
    more = settings.pop("more", 0.0)
    return AboveReference(ReadNumber(more), **settings)(rows, Progress())


def test_beating_the_reference_worked_by_hand() -> None:
    texts = ["1.2", "0.5", "0.4", "2"]
    scores = above(texts, ["0.5", "1"], [0, 0, 0, 1])
    assert scores.value.tolist() == pytest.approx([0.50341, 0, 0, 1 - math.exp(-1)], abs=1e-5)
    assert above(["1.2"], ["0.5"], [0], steepness=2.0).value.item() == pytest.approx(0.75340, 1e-4)
    shifted = above(texts, ["0.5", "1"], [0, 0, 0, 1], more=7.0)
    assert shifted.value.tolist() == pytest.approx(scores.value.tolist(), abs=1e-5)


@settings(deadline=None)
@given(st.lists(st.floats(-8, 4, width=32), min_size=2, max_size=8), st.floats(0.1, 3))
def test_it_rises_with_the_score_from_0_at_the_reference_and_stays_below_1(
    scores: list[float], steepness: float
) -> None:
    """Up to where float32 can tell it from 1: an exponent of 16."""
    found = above([str(s) for s in scores], ["0.5"], [0] * len(scores), steepness=steepness).value
    order = torch.tensor(scores).argsort()
    assert (found[order].diff() >= 0).all()
    assert ((found >= 0) & (found < 1)).all()
    assert (found[torch.tensor(scores) <= 0.5] == 0).all()
    just = above(["0.500001"], ["0.5"], [0], steepness=steepness).value.item()
    assert 0 <= just < 1e-5


def test_what_cannot_be_scored_is_invalid() -> None:
    scores = above(["?", "1", "1"], ["0", "?"], [0, 0, 1])
    assert scores.valid.tolist() == [False, True, False]
    assert str(scores.reasons[2]).startswith("reference: ")
    with pytest.raises(ValueError, match="a reference is alone"):
        AboveReference(GroupRelativeLength())


def test_an_answer_out_of_its_section_is_worth_nothing() -> None:
    assert isinstance(REWARDS, Router)
    golds = {
        "digit": ("3", {}),
        "math": ("3", {}),
        "mcq": ("B", {}),
        "iou": (None, {"box": (1, 2, 7, 5)}),
    }
    answers = {"digit": "3", "math": "3", "mcq": "(b) because", "iou": "[1,2,7,5]"}
    for kind, (answer, columns) in golds.items():
        task = Task(kind, "", answer, {"task_type": kind, **columns})
        texts = (f"<answer>{answers[kind]}</answer>", answers[kind], "<answer>A) cat</answer>")
        rows = replace(make_rollouts([0] * 3), tasks=(task,), texts=texts)
        assert REWARDS(rows, Progress()).value.tolist() == [1, 0, 0]
    task = Task("open", "", "Oslo", {"task_type": "open", "references": ["Anna lives in Oslo."]})
    said = "Anna lives in Oslo."
    texts = (f"<answer>{said}</answer>", said, f"<answer>{said}")
    rows = replace(make_rollouts([0] * 3), tasks=(task,), texts=texts)
    inside, outside, cut = REWARDS(rows, Progress()).value.tolist()
    assert inside > 0.9
    assert outside == cut == 0


def test_letters_in_any_dress() -> None:
    said = ("A", "(a)", "A)", "a", "(a) a cat", "A) cat", "cat", "")
    for gold, expected in (
        ("A", [1, 1, 1, 1, 1, 1, 0, 0]),
        ("B", [0] * 8),
        ("(a)", [1] * 6 + [0, 0]),
    ):
        task = Task("t", "", gold, {"task_type": "mcq"})
        texts = tuple(f"<answer>{one}</answer>" for one in said)
        rows = replace(make_rollouts([0] * len(said)), tasks=(task,), texts=texts)
        assert REWARDS(rows, Progress()).value.tolist() == expected


def test_the_miniature_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    monkeypatch.setattr(miniature, "UPDATES", 5)
    rl = miniature.Miniature(0.5)(0, told.append)
    assert told == [1.0]
    assert miniature.Miniature(0.5)(0, told.append) == rl
    assert rl["first reward"] == pytest.approx(0.5 * 0.4 + 0.5 / 6)
    after = miniature.Miniature(0.98)(0, told.append)
    assert after["first reward"] == pytest.approx(0.98 * 0.4 + 0.02 / 6)


def test_recipe_round_trips(tmp_path: Path) -> None:
    recipe = load_recipe("vlaa-thinker").build()
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe


def test_runs_on_the_seedling() -> None:
    loop = Loop(steps=2, groups=5, evaluation_tasks=4, checkpoint_every=0)
    result = train(
        vlaa_thinker.build(loop=loop, sampler=replace(vlaa_thinker.build().sampler, size=4)),
        quiet=True,
    )
    assert len(result.history) == 2
    assert all(h["invalid_share"] == 0 for h in result.history)
