"""Gazal-R1: the reward and the adapters by hand, the miniature in small, and the real loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from making import make_rollouts

from guerdon.claims import gazal_r1 as miniature
from guerdon.recipes import gazal_r1, load_recipe
from guerdon.records import Progress, Scores, Task
from guerdon.rollout import Groups
from guerdon.training import Loop, PolicyRecipe, train

pytest.importorskip("peft")


def judged(*texts: str, tokens: int = 32) -> Scores:
    rows = make_rollouts([0] * len(texts), [tokens] * len(texts))
    rows = replace(rows, texts=texts, tasks=(Task("t", "", "B"),))
    return gazal_r1.composite()(rows, Progress())


def test_parts_worked_by_hand() -> None:
    right = r"<think>On examination fever, thus B</think><answer>\boxed{b}</answer>"
    scores = judged(right, right.replace("b}", "A}"), r"B \boxed{B}", "a a a a a")
    parts = {name: part.tolist() for name, part in scores.parts.items()}
    assert parts["accuracy"] == pytest.approx([0.75, -0.25, 0, 0])  # half way along the cosine
    assert parts["form"] == pytest.approx([0.2, 0.2, 0, 0])
    assert parts["repetition"] == pytest.approx([0, 0, 0, -0.2])  # 3 trigrams, 1 of them new
    assert parts["stages"] == pytest.approx([0.1, 0.1, 0, 0])  # findings and a conclusion
    assert judged(right.replace("b}", "A or B}")).parts["accuracy"].item() == -0.25
    assert judged(right, tokens=64).parts["accuracy"].item() == -0.5  # cut off


def test_its_own_output_is_paid_in_full() -> None:
    """Thinking, then prose that ends in a box, as the model's card shows it."""
    own = "<think>On examination fever.</think>\nIt is measles, so \\boxed{B}."
    forms = (
        own,
        own.replace("<think>", "<think> <think>"),
        own.replace("fever.", "").replace("On examination", ""),
    )
    scores = judged(*forms, "so " + own, own.replace("\\boxed{B}", "B"))
    assert scores.parts["form"].tolist() == pytest.approx([0.2, 0, 0, 0, 0])
    assert scores.parts["accuracy"].tolist() == pytest.approx([0.75, 0, 0, 0, 0])


def test_an_untrained_adapter_changes_nothing_and_scales_by_its_rank() -> None:
    rows = torch.eye(miniature.SIZE)
    for root, scale in ((False, 0.25), (True, 2.0)):
        model = miniature.adapted(64, root)
        layer = model.base_model.model[0]
        assert layer.scaling["default"] == pytest.approx(scale)
        assert torch.equal(model(rows), layer.base_layer(rows))


@pytest.mark.parametrize("rank", miniature.RANKS)
def test_the_first_step_moves_a_root_scaled_adapter_by_its_rank_further(rank: int) -> None:
    """(alpha / r)^2 against alpha^2 / r: the scale stands in the gradient and in the product."""
    moved = []
    for root in (False, True):
        torch.manual_seed(0)
        model = miniature.adapted(rank, root)
        learned = [p for p in model.parameters() if p.requires_grad]
        optimiser = torch.optim.SGD(learned, lr=1e-3)
        model(torch.eye(miniature.SIZE)).square().sum().backward()
        optimiser.step()
        moved.append(model.base_model.model[0].get_delta_weight("default").norm().item())
    assert moved[1] / moved[0] == pytest.approx(rank, rel=1e-4)


def test_the_miniature_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "STEPS", 10)
    told: list[float] = []
    plain, root = (miniature.Miniature(by_root)(0, told.append) for by_root in (False, True))
    assert told == [1.0, 1.0]
    assert miniature.Miniature(False)(0, told.append) == plain
    assert root["residual, rank 64"] < plain["residual, rank 64"] < 1


def test_recipe_round_trips(tmp_path: Path) -> None:
    recipe = load_recipe("gazal-r1").build()
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe


def test_runs_on_the_seedling() -> None:
    loop = Loop(steps=2, groups=3, evaluation_tasks=4, checkpoint_every=0)
    result = train(gazal_r1.build(loop=loop, sampler=Groups(4)), quiet=True)
    assert len(result.history) == 2
    assert all(torch.isfinite(p).all() for p in result.model.module.parameters())
