"""A reward model from rankings: the first loss, its gradient, what it learns, and as a reward."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from making import make_rollouts

from guerdon.cli import main
from guerdon.models.loading import classifier_of
from guerdon.nursery.blank import blank_model
from guerdon.nursery.worked import worked_arithmetic
from guerdon.objectives import BradleyTerry, PlackettLuce
from guerdon.rankings import Ranking
from guerdon.records import Progress, Task
from guerdon.reward_models import RewardModel, SavedRewardModel
from guerdon.rewards import ScorerReward
from guerdon.tasks import Arithmetic, RankingFile
from guerdon.training import AdamW, Model, RewardModelRecipe, fit_rankings, ranked_right
from guerdon.training.reward_model import load_reward_model

RANKINGS = [
    Ranking(Task("a", "Compute 1+1.\n"), ("2", "three")),
    Ranking(Task("b", "Compute 2+2.\n"), ("It is 4", "5", "")),
    Ranking(Task("c", "Say it.\n"), ("yes", "no, not now")),
]


def small(seed: int = 0, *, head: float = 1.0) -> RewardModel:
    language_model, tokenizer = blank_model(seed, width=32, layers=1)
    config = language_model.config
    config.num_labels = 1
    model = classifier_of(config)(config)
    with torch.no_grad():
        model.score.weight.mul_(head)
    return RewardModel(model, tokenizer)


def gap(model: RewardModel, ranking: Ranking) -> torch.Tensor:
    """First less second, each by itself."""
    first, second = (model.score([ranking.task], [[r]])[0] for r in ranking.responses[:2])
    return first - second


@pytest.mark.parametrize("objective", [BradleyTerry(), PlackettLuce()])
def test_a_head_of_zeros_starts_at_log_2(objective: object) -> None:
    pairs = [r for r in RANKINGS if len(r.responses) == 2]
    (first,) = fit_rankings(small(head=0.0), pairs, objective)  # type: ignore[arg-type]
    assert first["loss"] == pytest.approx(math.log(2), rel=1e-5)
    assert first["accuracy"] == 0.0


def test_the_first_gradient_is_that_of_the_loss_written_out() -> None:
    """d/dw -log sigmoid(gap - m) = -sigmoid(m - gap) d gap/dw."""
    model = small()
    ranking = Ranking(Task("a", "Compute 1+1.\n"), ("2", "three"), 0.5)
    difference = gap(model, ranking)
    slopes = torch.autograd.grad(difference, list(model.module.parameters()))
    norm = torch.cat([s.flatten() for s in slopes]).norm()
    (first,) = fit_rankings(model, [ranking], BradleyTerry(), optimiser=AdamW(lr=0.0))
    expected = torch.sigmoid(0.5 - difference) * norm
    assert first["grad_norm"] == pytest.approx(expected.item(), rel=1e-4)
    assert first["loss"] == pytest.approx(
        -torch.nn.functional.logsigmoid(difference - 0.5).item(), rel=1e-5
    )


@pytest.mark.parametrize("objective", [BradleyTerry(centring=0.01), PlackettLuce()])
def test_pairs_and_longer_rankings_are_learned_together(objective: object) -> None:
    model = small()
    assert ranked_right(model, RANKINGS).mean < 1.0  # type: ignore[union-attr]
    history = fit_rankings(
        model,
        RANKINGS,
        objective,  # type: ignore[arg-type]
        epochs=30,
        batch=2,
        optimiser=AdamW(lr=3e-3),
    )
    assert len(history) == 60
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    after = ranked_right(model, RANKINGS)
    assert after is not None
    assert after.results == (1.0, 1.0, 1.0)
    assert after.metric == "pair accuracy"


def test_sharing_prompts_changes_nothing_but_the_work() -> None:
    found = []
    for shared in (True, False):
        model = small()
        model.shared_prefix.enabled = shared
        history = fit_rankings(model, RANKINGS, BradleyTerry(), epochs=3, batch=2)
        found.append(torch.tensor([[h["loss"], h["grad_norm"]] for h in history]))
    torch.testing.assert_close(*found, atol=1e-4, rtol=1e-4)


def test_shares_of_pairs_in_order_count_ties_as_wrong() -> None:
    model = small(head=0.0)
    result = ranked_right(model, [*RANKINGS, Ranking(Task("d", "?"), ("one",))])
    assert result is not None
    assert result.results[:3] == (0.0, 0.0, 0.0)
    assert math.isnan(result.results[3])
    assert ranked_right(model, []) is None
    with pytest.raises(ValueError, match="no rankings"):
        fit_rankings(model, [], BradleyTerry())


def test_settings_that_reward_models_lack_are_refused() -> None:
    for model, name in (
        (Model(value_head=True), "value_head"),
        (Model(gguf_file="x"), "gguf_file"),
    ):
        with pytest.raises(ValueError, match=f"no model.{name}"):
            load_reward_model(model)


def write_pairs(path: Path, count: int) -> str:
    """Worked sums: right against wrong, the wrong ones under the right ones' heading."""
    source, rows = random.Random(0), []
    for task in Arithmetic(train=count).load("train"):
        right, wrong = (worked_arithmetic(task, source, slip) for slip in (0.0, 1.0))
        if f"<answer>{task.answer}</answer>" not in wrong:
            wrong = wrong.replace("quick:", "carry:")
            row = {"id": task.id, "prompt": task.prompt, "chosen": right, "rejected": wrong}
            rows.append(json.dumps(row))
    path.write_text("\n".join(rows))
    return str(path)


def test_the_seedling_learns_right_from_wrong_and_is_then_a_reward(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, file = tmp_path / "run", write_pairs(tmp_path / "pairs.jsonl", 640)
    arguments = ["train", "--pairs", file, "--reward-model", "--out", str(run), "--json"]
    assert main([*arguments, "--pairs.held-out", "0.3", "--objective.centring", "0.001"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["before"]["metric"] == "pair accuracy"
    assert summary["gain"]["low"] > 0
    assert summary["after"]["mean"] > 0.6
    assert summary["rankings"] + summary["after"]["tasks"] == len(
        Path(file).read_text().splitlines()
    )
    assert "centring: 0.001" in (run / "recipe.yaml").read_text()
    assert (run / "report.html").is_file()
    assert {"ranking_loss", "ranking_accuracy", "score_margin", "score"} <= set(
        json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    )

    reward = f"reward-model:{run / 'model'}"
    rows = RankingFile(file, held_out=0.3).load("test")
    lines = [
        {"task_id": r.task.id, "prompt": r.task.prompt, "completion": text, "answer": ""}
        for r in rows
        for text in r.responses
    ]
    saved = tmp_path / "saved.jsonl"
    saved.write_text("\n".join(map(json.dumps, lines)))
    scored = tmp_path / "scored.jsonl"
    assert main(["score", str(saved), "--reward", reward, "--rows", str(scored)]) == 0
    values = [json.loads(line)["value"] for line in scored.read_text().splitlines()]
    right = [a > b for a, b in zip(values[::2], values[1::2], strict=True)]
    assert sum(right) / len(right) == pytest.approx(summary["after"]["mean"])

    policy = tmp_path / "policy"
    arguments = ["train", "--reward", reward, "--steps", "1", "--out", str(policy), "--json"]
    arguments += ["--loop.groups", "2", "--sampler.size", "4", "--loop.evaluation-tasks", "0"]
    assert main(arguments) == 0
    (step,) = map(json.loads, (policy / "metrics.jsonl").read_text().splitlines())
    assert step["reward"] == pytest.approx(step["part/reward_model"])
    assert step["invalid_share"] == 0.0
    assert step["grad_norm"] > 0
    recipe = yaml.safe_load((policy / "recipe.yaml").read_text())
    assert recipe["reward"]["scorer"]["folder"] == str(run / "model")


def test_a_run_without_a_folder_or_held_out_rankings(tmp_path: Path) -> None:
    file = tmp_path / "ranked.jsonl"
    row = {"prompt": "Say.\n", "ranked": ["yes", "perhaps", "no"]}
    file.write_text(json.dumps(row))
    recipe = RewardModelRecipe(RankingFile(str(file), held_out=0.0), objective=PlackettLuce())
    result = recipe.run(model=small(), quiet=True)
    assert result.before is None
    assert result.after is None
    assert len(result.history) == 1


def test_the_reward_scores_rows_of_mixed_groups_in_their_own_order(tmp_path: Path) -> None:
    model = small()
    model.save(tmp_path / "model")
    scorer = SavedRewardModel(str(tmp_path / "model"))
    texts = ("yes", "no", "", "a\ud800b", "yes")
    rollouts = replace(make_rollouts([0, 1, 0, 1, 2]), texts=texts)
    for batch in (1, 64):
        made = ScorerReward(scorer, batch=batch)(rollouts, Progress())
        expected = [
            model.score([rollouts.task_of(row)], [[text.encode(errors="replace").decode()]])
            for row, text in enumerate(texts)
        ]
        torch.testing.assert_close(made.value, torch.cat(expected).detach(), atol=1e-5, rtol=1e-5)
        assert made.valid.all()
    with pytest.raises(ValueError, match="batch is 0"):
        ScorerReward(scorer, batch=0)
