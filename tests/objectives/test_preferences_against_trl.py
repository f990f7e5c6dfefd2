"""Preference losses against TRL's own trainer, run on the same log-probs.

As in `test_against_trl`, the trainer's loss method is called on a stand-in. With TRL 1.16.0 values
and gradients agree to 1e-6 relative. Its IPO divides each side by its number of tokens (the paper's
does not, nor ours), so it is compared on completions of one token each.
"""

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch

from guerdon.objectives import DPO, IPO, Hinge

trl = pytest.importorskip("trl")

PAIRS = 3


def trl_loss(logps_NT, reference_N, loss_type, beta):
    """TRL's loss of chosen rows followed by rejected ones."""
    rows, width = logps_NT.shape
    mask = torch.cat([torch.zeros(rows, 1), torch.ones(rows, width)], 1).long()
    outputs = SimpleNamespace(
        log_probs=logps_NT,
        entropy=torch.zeros(rows, width),
        mean_logits=torch.zeros(rows, width),
        is_top1=torch.zeros(rows, width).bool(),
    )
    stand_in = SimpleNamespace(
        model=SimpleNamespace(training=False),
        accelerator=SimpleNamespace(
            device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x
        ),
        _metrics={"eval": defaultdict(list)},
        _total_train_tokens=0,
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=[loss_type],
        loss_weights=[1.0],
        beta=beta,
        use_weighting=False,
    )
    chosen, rejected = reference_N.chunk(2)
    inputs = {
        "input_ids": torch.zeros_like(mask),
        "completion_mask": mask,
        "ref_chosen_logps": chosen,
        "ref_rejected_logps": rejected,
    }
    return trl.DPOTrainer._compute_loss(stand_in, lambda **_: outputs, inputs, False)


@pytest.mark.parametrize(
    ("ours", "loss_type", "width"),
    [(DPO(0.3), "sigmoid", 5), (Hinge(0.3), "hinge", 5), (IPO(0.3), "ipo", 1)],
)
def test_value_and_gradient(ours, loss_type, width):
    generator = torch.Generator().manual_seed(0)
    logps = -torch.rand(2 * PAIRS, width, generator=generator, dtype=torch.float64)
    reference_N = -width * torch.rand(2 * PAIRS, generator=generator, dtype=torch.float64)
    logps.requires_grad_()
    mine = ours(*logps.sum(1).chunk(2), *reference_N.chunk(2)).value
    theirs = trl_loss(logps, reference_N, loss_type, 0.3)
    assert mine.item() == pytest.approx(theirs.item(), rel=1e-6)
    slopes = [torch.autograd.grad(loss, logps)[0] for loss in (mine, theirs)]
    assert torch.allclose(*slopes, rtol=1e-6)
    assert slopes[0].abs().max() > 0
