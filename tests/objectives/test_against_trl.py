"""The losses against TRL's own trainer, run on the same numbers.

The trainer's loss method is called on a stand-in that gives it fixed log-probs, so what is
compared is TRL's code and not a copy of its formula. With TRL 1.16.0 all agree to 1e-7 relative
(row weights are float32 here), values and gradients.
"""

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch
from making import make_rollouts, make_scores

from guerdon.objectives import (
    CISPO,
    GSPO,
    KL,
    SAPO,
    ClippedSurrogate,
    ConstantLength,
    SequenceMean,
    TokenMean,
    k3,
    k3_corrected,
)
from guerdon.records import Experience, PolicyOutput, Progress
from guerdon.shaping import OverlongPenalty

trl = pytest.importorskip("trl")

WIDTH = 7
LENGTHS = [7, 3, 1, 5, 6]


def trl_loss(logps, rollouts, advantage_N, **settings):
    """TRL's loss; ``settings`` replace fields of the trainer and of its arguments."""
    args = {
        "use_bias_correction_kl": False,
        "delta": None,
        "sapo_temperature_pos": 1.0,
        "sapo_temperature_neg": 1.05,
        "steps_per_generation": 1,
    }
    trainer = {
        "aux_loss_enabled": False,
        "top_entropy_quantile": 1.0,
        "off_policy_mask_threshold": None,
        "importance_sampling_level": "token",
        "beta": 0.0,
        "loss_type": "grpo",
        "epsilon_low": 0.2,
        "epsilon_high": 0.2,
        "use_vllm": False,
        "vllm_importance_sampling_correction": False,
        "current_gradient_accumulation_steps": 1,
        "max_completion_length": 16,
        "_entropy_bonus_enabled": False,
    }
    args.update({k: v for k, v in settings.items() if k in args})
    trainer.update({k: v for k, v in settings.items() if k in trainer})
    assert set(settings) <= {*args, *trainer}
    mask = rollouts.mask.double()
    stand_in = SimpleNamespace(
        **trainer,
        args=SimpleNamespace(**args),
        model=SimpleNamespace(training=True),
        _metrics={"train": defaultdict(list)},
        accelerator=SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, **_: x),
        _get_per_token_logps_and_entropies=lambda *_, **__: (logps, torch.zeros_like(mask), None),
    )
    inputs = {
        "prompt_ids": torch.zeros(len(mask), 1).long(),
        "prompt_mask": torch.ones(len(mask), 1).long(),
        "completion_ids": rollouts.ids,
        "completion_mask": mask,
        "advantages": advantage_N,
        "old_per_token_logps": rollouts.logps,
        "ref_per_token_logps": rollouts.reference_logps,
        "num_items_in_batch": mask.sum(),
    }
    return trl.GRPOTrainer._compute_loss(stand_in, None, inputs)


CASES = {
    "grpo": (ClippedSurrogate(aggregation=SequenceMean()), {}),
    "dapo": (ClippedSurrogate(clip_high=0.28), {"loss_type": "dapo", "epsilon_high": 0.28}),
    "one micro-batch": (ClippedSurrogate(aggregation=TokenMean()), {"loss_type": "bnpo"}),
    "dr_grpo": (ClippedSurrogate(aggregation=ConstantLength(16)), {"loss_type": "dr_grpo"}),
    "gspo": (
        GSPO(clip_low=0.05, clip_high=0.05),
        {"importance_sampling_level": "sequence", "epsilon_low": 0.05, "epsilon_high": 0.05},
    ),
    "cispo": (
        CISPO(clip_high=0.1),
        {"loss_type": "cispo", "epsilon_high": 1.1},
    ),
    "sapo": (SAPO(aggregation=SequenceMean()), {"loss_type": "sapo"}),
    "kl": (ClippedSurrogate(kl=KL(0.04, k3), aggregation=SequenceMean()), {"beta": 0.04}),
}


def batch():
    generator = torch.Generator().manual_seed(0)
    old, ref, step = (
        torch.randn(5, WIDTH, generator=generator, dtype=torch.float64) / 3 for _ in range(3)
    )
    rollouts = make_rollouts([0] * 5, LENGTHS, logps=old, reference_logps=ref)
    advantage_N = torch.randn(5, generator=generator, dtype=torch.float64)
    return rollouts, advantage_N, (old + step).requires_grad_()


@pytest.mark.parametrize(("ours", "theirs"), CASES.values(), ids=CASES.keys())
def test_value_and_gradient(ours, theirs):
    rollouts, advantage_N, logps = batch()
    advantage_NT = torch.where(rollouts.mask, advantage_N[:, None], 0.0)
    mine = ours(PolicyOutput(logps), Experience(rollouts, advantage=advantage_NT)).value
    expected = trl_loss(logps, rollouts, advantage_N, **theirs)
    assert mine.item() == pytest.approx(expected.item(), rel=1e-6)
    (slope,) = torch.autograd.grad(mine, logps)
    (expected_slope,) = torch.autograd.grad(expected, logps)
    assert torch.allclose(slope, expected_slope, rtol=1e-6, atol=1e-9)


def test_corrected_kl_has_trls_gradient_on_policy():
    """TRL multiplies k3 by the ratio to the old policy, here by one to the policy itself: the
    same when they are the same."""
    rollouts, advantage_N, _ = batch()
    logps = rollouts.logps.clone().requires_grad_()
    ours = ClippedSurrogate(kl=KL(0.04, k3_corrected), aggregation=SequenceMean())
    advantage_NT = torch.where(rollouts.mask, advantage_N[:, None], 0.0)
    mine = ours(PolicyOutput(logps), Experience(rollouts, advantage=advantage_NT)).value
    expected = trl_loss(logps, rollouts, advantage_N, beta=0.04, use_bias_correction_kl=True)
    slopes = [torch.autograd.grad(loss, logps)[0] for loss in (mine, expected)]
    assert torch.allclose(*slopes, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("length", [1, 79, 80, 81, 99, 100, 101, 140])
def test_overlong_penalty(length):
    from trl.rewards import get_soft_overlong_punishment

    expected = get_soft_overlong_punishment(100, 20)(completion_ids=[[0] * length])
    made = OverlongPenalty(100, 20)(make_scores([0.0]), make_rollouts([0], [length]), Progress())
    assert made.value.tolist() == pytest.approx(expected)
