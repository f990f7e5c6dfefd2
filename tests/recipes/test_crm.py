"""CRM: the recipe in the real loop, its data, and its miniature in small."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from guerdon.claims import crm as miniature
from guerdon.cli import main
from guerdon.curriculum import EasyToHard
from guerdon.evaluation import category_means, macro_mean
from guerdon.nursery.worked_pairs import WorkedPairs
from guerdon.rankings import Ranking
from guerdon.recipes import crm
from guerdon.records import Task
from guerdon.reward_models import MeanScorer, SavedRewardModel
from guerdon.tasks import Arithmetic
from guerdon.tasks.flipped import FlippedLabels
from guerdon.training.peer_recipe import PeerReviewRecipe
from guerdon.training.resuming import recipe_to_resume

SUMS = WorkedPairs(Arithmetic(operations=("addition", "subtraction"), train=14, test=6))


def test_runs_from_the_command_line_and_both_models_are_rewards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    arguments = ["train", "--recipe", "crm", "--out", str(run), "--json", "--epochs", "1"]
    few = ["--pairs.source.tasks.train", "14", "--pairs.source.tasks.test", "6", "--batch", "4"]
    assert main([*arguments, *few]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["recipe"] == "crm"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == summary["steps"] == -(-summary["pairs"] // 4)
    assert {"ranking_loss", "kept_share", "peers_agree"} <= lines[0].keys()
    rows = [json.loads(line) for line in (run / "pairs.jsonl").read_text().splitlines()]
    assert len(rows) == summary["pairs"]
    margins = [row["margin"] for row in rows]
    assert margins == sorted(margins)
    told = json.loads((run / "categories.json").read_text())
    assert told["macro_mean"] == pytest.approx(macro_mean(told["by_category"]))
    models = [SavedRewardModel(str(run / "model" / number)) for number in "12"]
    task, text = Task("a", "Compute 1+1.\n"), [["2"]]
    first, second = (model.score([task], text) for model in models)
    assert not torch.equal(first, second)
    mean = MeanScorer(models).score([task], text)
    torch.testing.assert_close(mean, (first + second) / 2)
    with pytest.raises(ValueError, match="has done all its"):
        recipe_to_resume(run)


def test_equal_heads_are_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"heads is 3 twice: two equal models .* different seeds"):
        crm.build(heads=(3, 3))


def test_a_run_is_as_long_as_its_passes() -> None:
    """8 pairs in batches of 4: rates 1, .875 and .75 leave 8, 7 and 6 pairs."""
    recipe = replace(crm.build(), batch=4, epochs=3)
    assert recipe.loop_over(8).steps == 6
    sorted_passes = replace(recipe, batch=2, review=replace(recipe.review, order=EasyToHard()))
    assert isinstance(sorted_passes, PeerReviewRecipe)
    assert sorted_passes.loop_over(8).steps == 4 + 4 + 3


def test_worked_pairs_put_the_right_answer_first() -> None:
    for pair in SUMS.load("train"):
        right, wrong = pair.responses
        assert f"<answer>{pair.task.answer}</answer>" in right
        assert f"<answer>{pair.task.answer}</answer>" not in wrong
        assert right.startswith("<think>carry:")
        assert wrong.startswith("<think>carry:")
    assert SUMS.load("train") == SUMS.load("train")


def test_a_share_of_the_training_labels_is_flipped() -> None:
    class Given:
        def load(self, split: str) -> list[Ranking]:
            return [Ranking(Task(f"{split}{n}", "?"), ("a", "b"), 1.0) for n in range(2000)]

    found = FlippedLabels(Given(), 0.25).load("train")
    flipped = [one for one in found if one.task.columns["flipped"]]
    assert len(flipped) / 2000 == pytest.approx(0.25, abs=0.03)
    assert {(one.responses, one.margin) for one in flipped} == {(("b", "a"), -1.0)}
    rest = {(one.responses, one.margin) for one in found if not one.task.columns["flipped"]}
    assert rest == {(("a", "b"), 1.0)}
    assert FlippedLabels(Given(), 0.25).load("test") == Given().load("test")
    other = FlippedLabels(Given(), 0.25, seed=1).load("train")
    assert [one.responses for one in other] != [one.responses for one in found]


def test_accuracy_by_category_and_the_mean_that_counts_each_once() -> None:
    """As at noise 0, .2 and .4: chat 3 of 4, safety 1 of 1, reasoning unknown in the last."""
    categories = ["chat", "chat", "safety", "chat", "chat"]
    means = category_means([1.0, 0.0, 1.0, 1.0, 1.0], categories)
    assert means == {"chat": 0.75, "safety": 1.0}
    assert macro_mean(means) == 0.875
    unknown = category_means([1.0, float("nan")], ["chat", "reasoning"])
    assert unknown["chat"] == 1.0
    assert unknown["reasoning"] != unknown["reasoning"]
    assert macro_mean(unknown) != macro_mean(unknown)
    assert macro_mean({}) != macro_mean({})


@pytest.mark.parametrize("noise", [0.0, 0.2, 0.4])
def test_a_run_reports_by_category_whatever_its_noise(noise: float, tmp_path: Path) -> None:
    recipe = replace(crm.build(), pairs=FlippedLabels(SUMS, share=noise), epochs=1, batch=7)
    recipe.run(tmp_path / "run", quiet=True)
    told = json.loads((tmp_path / "run" / "categories.json").read_text())
    assert told["by_category"].keys() == {"addition", "subtraction"}
    assert all(0 <= share <= 1 for share in told["by_category"].values())
    assert told["macro_mean"] == pytest.approx(sum(told["by_category"].values()) / 2)


def test_the_miniature_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature, "PAIRS", 256)
    monkeypatch.setattr(miniature, "PASSES", 4)
    miniature.noisy_pairs.cache_clear()
    pairs, wrong = miniature.noisy_pairs(7, 0.2)
    vectors = torch.stack([torch.stack([*one.task.columns["features"].values()]) for one in pairs])
    better = miniature.gold(vectors[:, 0]) > miniature.gold(vectors[:, 1])
    first = torch.tensor([one.responses[0] == "first" for one in pairs])
    assert torch.equal(first, better ^ wrong)
    arms = miniature.claim().arms
    told: list[float] = []
    alone = arms["alone, noise 0"](7, told.append)
    assert told[-1] == 1.0
    assert 0.5 < alone["accuracy"] < 1.0
    for name in ("peers, noise 0.4", "whole passes", "a share of sorted batches"):
        found = arms[name](7, told.append)
        assert 0.5 < found["clean share"] < 0.9
    assert arms["peers, noise 0"](7, told.append)["clean share"] == 1.0
    miniature.noisy_pairs.cache_clear()
