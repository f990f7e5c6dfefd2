"""Policy objectives against numbers worked by hand, gradients included."""

import math

import pytest
import torch
from making import make_rollouts

from guerdon.objectives import (
    CISPO,
    GSPO,
    KL,
    PPO,
    SAPO,
    ClippedSurrogate,
    ConstantLength,
    PolicyGradient,
    SequenceMean,
    SequenceSumMean,
    TokenMean,
    TokenSum,
    k1,
    k2,
    k3,
    k3_corrected,
    k3_straight_through,
)
from guerdon.records import Experience, PolicyOutput


def loss_and_gradient(objective, log_ratio, advantage):
    """One token with old log-prob 0: the loss and its derivative by the log-prob."""
    logps = torch.tensor([[log_ratio]], dtype=torch.float64, requires_grad=True)
    rollouts = make_rollouts([0], logps=torch.zeros(1, 1, dtype=torch.float64))
    loss = objective(
        PolicyOutput(logps), Experience(rollouts, advantage=torch.tensor([[advantage]]).double())
    )
    loss.value.backward()
    return loss.value.item(), logps.grad.item()


@pytest.mark.parametrize(
    ("objective", "ratio", "advantage", "loss", "gradient"),
    [
        (ClippedSurrogate(), 5.0, 1.0, -1.2, 0.0),
        (ClippedSurrogate(clip_high=0.28), 5.0, 1.0, -1.28, 0.0),
        (ClippedSurrogate(), 5.0, -1.0, 5.0, 5.0),
        (ClippedSurrogate(dual_clip=3.0), 5.0, -1.0, 3.0, 0.0),
        (ClippedSurrogate(), 0.5, -1.0, 0.8, 0.0),
        (ClippedSurrogate(), 1.1, 2.0, -2.2, -2.2),
        (CISPO(), 5.0, 1.0, -1.2 * math.log(5), -1.2),
        (CISPO(clip_high=4.0), 5.0, 1.0, -5 * math.log(5), -5.0),
        (PolicyGradient(), math.exp(-0.5), 2.0, 1.0, -2.0),
        (SAPO(), 1.5, 1.0, -2.48984, None),
        (SAPO(), 1.0, 1.0, -2.0, -1.0),
    ],
)
def test_one_token(objective, ratio, advantage, loss, gradient):
    made, slope = loss_and_gradient(objective, math.log(ratio), advantage)
    assert made == pytest.approx(loss, abs=1e-5)
    if gradient is not None:
        assert slope == pytest.approx(gradient, abs=1e-5)


def test_sequence_ratio():
    """Log-ratios (.1, -.3, .5): s = exp(.1) (_baselines.md)."""
    logps = torch.tensor([[0.1, -0.3, 0.5]], requires_grad=True)
    objective = GSPO(clip_low=1.0, clip_high=1.0)
    loss = objective(
        PolicyOutput(logps), Experience(make_rollouts([0], [3]), advantage=torch.ones(1, 3))
    )
    assert loss.value.item() == pytest.approx(-1.10517, abs=1e-5)
    loss.value.backward()
    assert logps.grad[0].tolist() == pytest.approx([-1.10517 / 3] * 3, abs=1e-5)


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        (TokenMean(), 1.75),
        (SequenceMean(), 1.5),
        (SequenceSumMean(), 3.5),
        (ConstantLength(4), 0.875),
        (TokenSum(), 7.0),
    ],
)
def test_aggregation(aggregation, expected):
    """Rows (1) and (2, 2, 2); an empty row changes nothing (_baselines.md)."""
    table = torch.tensor([[1.0, 0, 0], [2.0, 2, 2], [0.0, 0, 0]])
    weight = aggregation(torch.tensor([1, 3, 0]))
    assert (weight[:, None] * table).sum().item() == pytest.approx(expected)
    assert weight[2] == 0


def test_kl_estimates():
    """pi .5, ref .4 (_baselines.md)."""
    p, q = torch.tensor([math.log(0.5)]), torch.tensor([math.log(0.4)])
    found = [estimate(p, q).item() for estimate in (k1, k2, k3)]
    assert found == pytest.approx([0.223144, 0.024897, 0.023144], abs=1e-6)
    assert k3_straight_through(p, q).item() == pytest.approx(0.023144, abs=1e-6)


@pytest.mark.parametrize(("d", "expected"), [(0.0, 0.0), (1.0, 0.7183), (-1.0, 0.3679)])
def test_the_non_negative_estimate_at_a_log_ratio_of_one(d, expected):
    """exp(d) - d - 1 with d = log ref - log pi."""
    logp = torch.tensor([-2.0])
    assert k3(logp, logp + d).item() == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (k1, [0.0, 0.0, 0.0]),
        (k2, [0.3048, -0.1020, -0.2029]),
        (k3, [0.2615, -0.0708, -0.1907]),
        (k3_straight_through, [0.3048, -0.1020, -0.2029]),
        (k3_corrected, [0.3048, -0.1020, -0.2029]),
    ],
)
def test_kl_gradients_by_enumeration(estimator, expected):
    """Expected on-policy gradient over a 3-way softmax (_baselines.md)."""
    logits = torch.tensor([0.5, -0.2, 0.1], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64).log()
    logp = torch.log_softmax(logits, 0)
    (logp.exp().detach() * estimator(logp, reference)).sum().backward()
    assert logits.grad.tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("new", "target", "loss"),
    [
        (2.0, 0.0, 2.0),  # max(2^2, 1.5^2) / 2: the plain error is the worse
        (0.0, 0.0, 0.125),  # max(0, .5^2) / 2: a step beyond the clip earns nothing
        (1.2, 1.0, 0.02),  # .2^2 / 2: within the clip both are one
    ],
)
def test_value_loss(new, target, loss):
    """Value 1 when sampled, clip .5: max((V - R)^2, (clip(V) - R)^2) / 2 (_baselines.md)."""
    rollouts = make_rollouts([0], values=torch.ones(1, 1), returns=torch.full((1, 1), target))
    now = PolicyOutput(torch.zeros(1, 1), values=torch.full((1, 1), new))
    made = PPO(value_weight=1.0)(now, Experience(rollouts, advantage=torch.zeros(1, 1)))
    assert made.value.item() == pytest.approx(loss)
    assert made.metrics["value_loss"] == pytest.approx(loss)
    half = PPO(value_weight=0.5)(now, Experience(rollouts, advantage=torch.zeros(1, 1)))
    assert half.value.item() == pytest.approx(loss / 2)


def test_entropy_bonus_is_taken_off_by_the_losss_own_weights():
    """Entropies .7 | .1 .3 .5, bonus .1: token mean .4, sequence mean (.7 + .3) / 2."""
    rollouts = make_rollouts([0, 0], [1, 3])
    entropy = torch.tensor([[0.7, 0, 0], [0.1, 0.3, 0.5]], requires_grad=True)
    now, nothing = PolicyOutput(torch.zeros(2, 3), entropy), torch.zeros(2, 3)
    for aggregation, mean in ((TokenMean(), 0.4), (SequenceMean(), 0.5)):
        made = ClippedSurrogate(entropy_bonus=0.1, aggregation=aggregation)(
            now, Experience(rollouts, advantage=nothing)
        )
        assert made.value.item() == pytest.approx(-0.1 * mean)
        assert made.metrics["entropy"] == pytest.approx(mean)
        (slope,) = torch.autograd.grad(made.value, entropy)
        assert slope.sum().item() == pytest.approx(-0.1)


def test_engine_mismatch_weight_is_capped():
    logps = torch.zeros(1, 1, requires_grad=True)
    rollouts = make_rollouts([0], logps=torch.full((1, 1), -1.5), old_logps=torch.zeros(1, 1))
    loss = ClippedSurrogate(engine_cap=2.0)(
        PolicyOutput(logps), Experience(rollouts, advantage=torch.ones(1, 1))
    )
    assert loss.value.item() == pytest.approx(-2.0)
    free = ClippedSurrogate(engine_cap=9.0)(
        PolicyOutput(logps), Experience(rollouts, advantage=torch.ones(1, 1))
    )
    assert free.value.item() == pytest.approx(-4.4817, abs=1e-4)


def test_the_engine_weight_does_not_multiply_the_kl():
    """Mismatch e^1.5 on an advantage of 0: only the KL term (pi .5, ref .4) is left."""
    old, reference = torch.full((1, 1), math.log(0.5)), torch.full((1, 1), math.log(0.4))
    rollouts = make_rollouts([0], logps=old - 1.5, old_logps=old, reference_logps=reference)
    objective = ClippedSurrogate(engine_cap=2.0, kl=KL(1.0))
    made = objective(PolicyOutput(old), Experience(rollouts, advantage=torch.zeros(1, 1)))
    assert made.value.item() == pytest.approx(0.023144, abs=1e-6)


def test_needs_name_what_is_used():
    assert ClippedSurrogate().needs == frozenset()
    assert ClippedSurrogate(kl=KL(), entropy_bonus=0.1).needs == {"reference", "entropy"}
    assert PPO(kl=KL()).needs == {"reference", "values"}


def test_kl_without_reference_log_probs_is_refused():
    with pytest.raises(ValueError, match="reference_logps"):
        ClippedSurrogate(kl=KL())(
            PolicyOutput(torch.zeros(1, 1)),
            Experience(make_rollouts([0]), advantage=torch.zeros(1, 1)),
        )


def test_a_batch_against_the_written_formula():
    """-min(rho A, clip(rho) A) + beta (exp(-x) - 1 + x) over random tensors in float64."""
    torch.manual_seed(0)
    now, old, ref = (torch.randn(5, 7).double() / 4 for _ in range(3))
    advantage = torch.randn(5, 7).double()
    rollouts = make_rollouts(range(5), [7] * 5, logps=old, reference_logps=ref)
    ours = ClippedSurrogate(clip_high=0.28, kl=KL(0.04), aggregation=SequenceMean())
    ratio = torch.exp(now - old)
    per_token = -torch.min(ratio * advantage, ratio.clamp(0.8, 1.28) * advantage)
    per_token += 0.04 * (torch.exp(ref - now) - (ref - now) - 1)
    expected = per_token.mean(1).mean()
    made = ours(PolicyOutput(now), Experience(rollouts, advantage=advantage)).value
    assert made.item() == pytest.approx(expected.item(), abs=1e-7)
