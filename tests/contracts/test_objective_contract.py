"""What every policy objective promises, checked for every one on the command line's list."""

import pytest
import torch
from making import make_rollouts

from guerdon import objectives
from guerdon.contracts import check_objective
from guerdon.contracts.objectives import gradients, lost, made_batch
from guerdon.objectives import (
    ClippedSurrogate,
    DisCO,
    StepwiseDPO,
    Terms,
)
from guerdon.records import PolicyOutput

EXAMPLES = {name: kind.example() for name, kind in objectives.NAMES.items()}
BARE = {
    **{f"{n} alone": type(part)() for n, part in EXAMPLES.items() if isinstance(part, Terms)},
    "disco, not constrained": DisCO(threshold=0.3, beta=0.0),  # advantages are graded here
    "dual clip": ClippedSurrogate(dual_clip=3.0, engine_cap=2.0),
    "stepwise-dpo, not clamped": StepwiseDPO(clamp=None),
}
OBJECTIVES = {**EXAMPLES, **BARE}
every = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES.keys())


@every
def test_the_contract(objective):
    check_objective(objective)


@pytest.mark.parametrize("objective", BARE.values(), ids=BARE.keys())
def test_zero_advantage_moves_no_action(objective):
    if objective.couples == "pair":
        pytest.skip("it reads which row is better, and no advantage")
    rollouts, advantage, now = made_batch()
    loss = lost(objective, now, rollouts, torch.zeros_like(advantage))
    assert (gradients(loss.value, now)[0] == 0).all()


@every
def test_gradient_is_the_slope_of_the_loss(objective):
    """Central differences on the log-probs; not for weights behind a stop-gradient."""
    if isinstance(objective, objectives.CISPO) or getattr(objective, "kl", None) is not None:
        pytest.skip("its gradient is not that of its value, by design")
    rollouts, advantage, now = made_batch()
    found = gradients(lost(objective, now, rollouts, advantage).value, now)[0]
    step = 1e-6
    for row, column in rollouts.mask.nonzero().tolist():
        ends = []
        for sign in (1, -1):
            moved = now.logps.detach().clone()
            moved[row, column] += sign * step
            at = PolicyOutput(moved, now.entropy, now.values)
            ends.append(lost(objective, at, rollouts, advantage).value.item())
        slope = (ends[0] - ends[1]) / (2 * step)
        assert found[row, column].item() == pytest.approx(slope, abs=1e-6)


ANY_LOGP = (0.0, -1e-30, -1.0, -700.0, -1e4, -1e30, -3e38)


@every
@pytest.mark.parametrize("size", [0.0, 1e-45, 1.0, 1e6, 1e25])
def test_finite_at_the_ends_of_float32(objective, size):
    """Every pair of log-probs, now and then, in float32; advantages of every size and sign."""
    pairs = [(now, old) for now in ANY_LOGP for old in ANY_LOGP]
    width = len(pairs)
    now_NT, old_NT = (
        torch.tensor(one).expand(2, width).clone() for one in zip(*pairs, strict=True)
    )
    rollouts = make_rollouts(
        [0, 0], [width] * 2, logps=old_NT, old_logps=old_NT.flip(1), reference_logps=old_NT.flip(1),
        values=torch.zeros(2, width), returns=torch.ones(2, width),
    )  # fmt: skip
    leaves = (now_NT.requires_grad_(), torch.zeros(2, width).requires_grad_(),
              torch.zeros(2, width).requires_grad_())  # fmt: skip
    now = PolicyOutput(*leaves)
    advantage = torch.tensor([[size], [-size]]).expand(2, width)
    loss = lost(objective, now, rollouts, advantage)
    found = gradients(loss.value, now)
    assert all(torch.isfinite(gradient).all() for gradient in found)
    # Where the loss itself is A log p, many log-probs of -3e38 add up to no float32.
    if not isinstance(objective, objectives.CISPO | objectives.PolicyGradient) or size < 1:
        assert torch.isfinite(loss.value)
