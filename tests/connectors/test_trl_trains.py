"""TRL's own trainer takes two steps on an exported reward."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from making import ShareOfSevens

from guerdon.connectors import trl as connector
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards import GroupZAverage, LengthReward, WeightedSum, reward
from guerdon.rollout import LanguagePolicy

trl = pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")


@reward
def about_numbers(completion, number):
    return float(str(number) in completion)


@dataclass(frozen=True)
class FirstRowInvalid:
    """Every group's first row can't be judged, the others by their share of sevens."""

    scope = "group"

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        scores = ShareOfSevens()(rollouts, progress)
        first = torch.tensor(
            [g not in rollouts.group.tolist()[:i] for i, g in enumerate(rollouts.group.tolist())]
        )
        return Scores(scores.value, valid=~first, reasons=("not this one",) * len(scores))


COMPOSITE = WeightedSum(
    {
        "sevens": GroupZAverage({"share": ShareOfSevens()}),
        "length": LengthReward(longest=4, margin=8),
        "number": about_numbers,
    }
)


def trainer(tmp_path, reward_func):
    policy = LanguagePolicy.load()
    prompts = ["3 + 4 =", "7 - 2 ="] * 4
    return trl.GRPOTrainer(
        policy.module.model,
        reward_funcs=reward_func,
        train_dataset=datasets.Dataset.from_list(
            [{"prompt": p, "number": n} for n, p in enumerate(prompts)]
        ),
        processing_class=policy.tokenizer,
        args=trl.GRPOConfig(
            output_dir=str(tmp_path),
            use_cpu=True,
            bf16=False,
            report_to=[],
            max_steps=2,
            logging_steps=1,
            per_device_train_batch_size=8,
            num_generations=4,
            max_completion_length=8,
            learning_rate=1e-3,
            beta=0.0,
            save_strategy="no",
            disable_tqdm=True,
            seed=1,
        ),
    )


def test_two_steps_on_a_composite_reward(tmp_path):
    made = trainer(tmp_path, connector.export(COMPOSITE, group_size=4))
    before = torch.cat([p.detach().flatten().clone() for p in made.model.parameters()])
    made.train()
    after = torch.cat([p.detach().flatten() for p in made.model.parameters()])
    assert made.state.global_step == 2
    assert not torch.equal(before, after)
    assert torch.isfinite(after).all()
    logs = [entry for entry in made.state.log_history if "rewards/guerdon/mean" in entry]
    assert len(logs) == 2
    for entry in logs:
        parts = [entry[f"guerdon/{name}"] for name in ("sevens", "length", "number")]
        assert sum(parts) == pytest.approx(entry["rewards/guerdon/mean"], abs=1e-5)
        assert entry["guerdon/sevens"] == pytest.approx(0, abs=1e-5)  # a group's z-scores
        assert entry["guerdon/invalid"] == 0
    assert any(entry["grad_norm"] > 0 for entry in logs)


def test_an_invalid_row_has_no_advantage_and_stays_out_of_the_mean(tmp_path):
    made = trainer(tmp_path, connector.export(FirstRowInvalid(), group_size=4))
    made.model.train()
    made.current_gradient_accumulation_steps = 1
    batch = made._generate_and_score_completions([{"prompt": "3 + 4 =", "number": 7}] * 8)
    texts = made.processing_class.batch_decode(batch["completion_ids"], skip_special_tokens=True)
    share = torch.tensor([t.count("7") / max(len(t), 1) for t in texts]).reshape(2, 4)
    valid = share[:, 1:]
    expected = (valid - valid.mean(1, keepdim=True)) / (valid.std(1, keepdim=True) + 1e-4)
    advantages = batch["advantages"].reshape(2, 4)
    assert (advantages[:, 0] == 0).all()
    torch.testing.assert_close(advantages[:, 1:], expected, atol=1e-4, rtol=1e-4)
