"""The comparison compares equal things: on the same rollouts, loss and gradient are the same."""

import json

import pytest
import torch
from growth import draw_growth
from making import make_rollouts, make_scores
from measuring import compare, origin, write_results
from rich.console import Console
from workload import Workload, sevens

from guerdon.records import Experience, Progress

trl = pytest.importorskip("trl")

from grpo_against_trl import (  # noqa: E402
    Prompts,
    guerdon_recipe,
    run_guerdon,
    run_trl,
    trl_trainer,
)

from guerdon.rollout import LanguagePolicy  # noqa: E402

SMALL = Workload(prompt_tokens=5, completion_tokens=7, prompts=2, group_size=4, threads=1)


def gradient(loss, model):
    model.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def test_loss_and_gradient_agree_on_the_same_rollouts(tmp_path):
    trainer = trl_trainer(SMALL, str(tmp_path))
    recipe = guerdon_recipe(SMALL)
    policy = LanguagePolicy(trainer.model, trainer.processing_class)
    tasks = Prompts(SMALL).load("train")[: SMALL.prompts]
    rollouts = policy.sample(tasks, SMALL.group_size, recipe.sampler.sampling, seed=0)
    scores = recipe.reward(rollouts, Progress())
    advantage = recipe.advantage(Experience(rollouts, scores))
    mine = recipe.objective(
        policy.forward(rollouts), Experience(rollouts, advantage=advantage)
    ).value

    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    prompts = torch.stack(rollouts.prompts)[rollouts.group]
    theirs = trainer._compute_loss(
        trainer.model,
        {
            "prompt_ids": prompts,
            "prompt_mask": torch.ones_like(prompts),
            "completion_ids": rollouts.ids,
            "completion_mask": rollouts.mask.int(),
            "advantages": advantage[:, 0],
            "num_items_in_batch": rollouts.mask.sum(),
        },
    )
    assert advantage.abs().max() > 0.5  # there is something to learn
    assert mine.item() == pytest.approx(theirs.item(), abs=1e-6)
    one, two = gradient(mine, trainer.model), gradient(theirs, trainer.model)
    assert one.norm() > 1e-3
    assert torch.allclose(one, two, rtol=1e-4, atol=1e-6 * float(one.abs().max()))


def test_rewards_and_advantages_agree(tmp_path):
    """From one whole sampling step of TRL's own. It adds 1e-4 to the deviation, we 1e-6."""
    trainer = trl_trainer(SMALL, str(tmp_path))
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    texts = [task.text for task in Prompts(SMALL).load("train")[: SMALL.prompts]]
    made = trainer._generate_and_score_completions(
        [{"prompt": text} for text in texts for _ in range(SMALL.group_size)]
    )
    assert made["completion_mask"].sum(1).tolist() == [7] * SMALL.rows
    completions = trainer.processing_class.batch_decode(made["completion_ids"])
    rewards = [sevens(text) for text in completions]
    assert list(trainer._logs["rewards"]["score"]) == pytest.approx(rewards)
    assert len(set(rewards)) > 1
    group = [row // SMALL.group_size for row in range(SMALL.rows)]
    rollouts = make_rollouts(group, [7] * SMALL.rows)
    mine = guerdon_recipe(SMALL).advantage(Experience(rollouts, make_scores(rewards)))[:, 0]
    assert torch.allclose(made["advantages"], mine, atol=5e-3)


def test_a_comparison_from_end_to_end(tmp_path):
    programs = {"guerdon": run_guerdon, "trl": run_trl}
    done = [compare(programs, SMALL, 2, 1, Console(quiet=True))]
    path = tmp_path / "results.json"
    write_results(path, done, origin(["benchmarks/grpo_against_trl.py"], versions=("trl",)))
    made = json.loads(path.read_text())
    assert made["command"] == "python benchmarks/grpo_against_trl.py"
    assert made["packages"]["trl"] == trl.__version__
    (entry,) = made["comparisons"]
    for side in ("guerdon", "trl"):
        figures = entry["sides"][side]
        assert len(figures["all"]["seconds"]) == 2
        parts = figures["all"]["parts"]
        assert set(parts) == {"sampling", "scoring", "update"}
        for i, whole in enumerate(figures["all"]["seconds"]):
            assert all(values[i] > 0 for values in parts.values())
            assert sum(values[i] for values in parts.values()) < whole
    assert draw_growth(path) is None
