"""What every policy objective promises, checked for every one on the command line's list."""

import pytest
import torch
from making import make_rollouts

from guerdon import objectives
from guerdon.objectives import KL, ClippedSurrogate, DisCO, SequenceMean, Terms, k3_corrected
from guerdon.parts import build, describe
from guerdon.records import PolicyOutput

BARE = {
    **{name: part() for name, part in objectives.NAMES.items()},
    "disco": DisCO(threshold=0.3, beta=0.0),  # advantages are graded here
    "dual clip": ClippedSurrogate(dual_clip=3.0, engine_cap=2.0),
}
WHOLE = {
    name: type(part)(kl=KL(0.1, k3_corrected), entropy_bonus=0.01, aggregation=SequenceMean())
    for name, part in BARE.items()
    if isinstance(part, Terms)
}
OBJECTIVES = {**BARE, **{f"{name}, kl and entropy": part for name, part in WHOLE.items()}}
OBJECTIVES["disco, constrained"] = DisCO(threshold=0.3, beta=10.0)
every = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES.keys())
MASK = [[1, 1, 1, 0], [1, 0, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 1, 1]]
SHAPE = (5, 4)


def batch(seed=0, spread=0.3):
    """Rollouts, advantages and the three inputs that carry gradient."""
    generator = torch.Generator().manual_seed(seed)

    def draw():
        return torch.randn(SHAPE, generator=generator, dtype=torch.float64)

    mask = torch.tensor(MASK).bool()
    old = torch.where(mask, -1 + spread * draw(), 0.0)
    rollouts = make_rollouts(
        [0, 0, 1, 1, 1], mask=MASK, logps=old, old_logps=torch.where(mask, old + 0.1, 0.0),
        reference_logps=old - 0.2, values=draw(), returns=draw(),
    )  # fmt: skip
    now = PolicyOutput(
        (old + spread * draw()).requires_grad_(),
        draw().abs().requires_grad_(),
        draw().requires_grad_(),
    )
    return rollouts, torch.where(mask, draw(), 0.0), now


def gradients(loss, now):
    leaves = (now.logps, now.entropy, now.values)
    return torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)


@every
def test_no_gradient_on_masked_positions(objective):
    rollouts, advantage, now = batch()
    loss = objective(now, rollouts, advantage)
    found = gradients(loss.value, now)
    assert all((gradient[~rollouts.mask] == 0).all() for gradient in found)
    assert found[0].abs().max() > 0


@every
def test_what_stands_on_masked_positions_does_not_matter(objective):
    rollouts, advantage, now = batch()
    other = PolicyOutput(*(
        torch.where(rollouts.mask, x.detach(), 1e6).requires_grad_()
        for x in (now.logps, now.entropy, now.values)
    ))  # fmt: skip
    plain, changed = (objective(x, rollouts, advantage) for x in (now, other))
    assert changed.value.item() == pytest.approx(plain.value.item(), rel=1e-9)
    for x, y in zip(gradients(plain.value, now), gradients(changed.value, other), strict=True):
        assert torch.allclose(x, y)


@pytest.mark.parametrize("objective", BARE.values(), ids=BARE.keys())
def test_zero_advantage_moves_no_action(objective):
    rollouts, advantage, now = batch()
    loss = objective(now, rollouts, torch.zeros_like(advantage))
    assert (gradients(loss.value, now)[0] == 0).all()


@every
@pytest.mark.parametrize("spread", [50.0, 1e4])
def test_finite_at_extreme_ratios(objective, spread):
    rollouts, advantage, now = batch(spread=spread)
    loss = objective(now, rollouts, advantage)
    assert torch.isfinite(loss.value)
    assert all(torch.isfinite(g).all() for g in gradients(loss.value, now))
    assert all(abs(figure) < float("inf") for figure in loss.metrics.values())


@every
@pytest.mark.parametrize("cuts", [[1, 4], [2, 2, 1], [1] * 5])
def test_one_batch_equals_its_accumulated_parts(objective, cuts):
    if objective.couples not in ("position", "row"):
        pytest.skip("it declares that it can't be cut: see tests/training/test_coupled_update.py")
    rollouts, advantage, now = batch()
    whole = objective(now, rollouts, advantage)
    weight = objective.aggregation(rollouts.mask.sum(1))
    total, metrics = torch.zeros(()).double(), dict.fromkeys(whole.metrics, 0.0)
    for rows in torch.arange(5).split(cuts):
        piece = rollouts.select(rows)
        width = piece.ids.shape[1]
        cut = PolicyOutput(*(x[rows, :width] for x in (now.logps, now.entropy, now.values)))
        part = objective(cut, piece, advantage[rows, :width], weight[rows])
        total = total + part.value
        metrics = {name: metrics[name] + part.metrics[name] for name in metrics}
    assert total.item() == pytest.approx(whole.value.item(), rel=1e-6)
    assert metrics == pytest.approx(whole.metrics, rel=1e-6, abs=1e-12)
    for x, y in zip(gradients(whole.value, now), gradients(total, now), strict=True):
        assert torch.allclose(x, y, atol=1e-7)


@every
def test_rows_that_never_acted_change_nothing(objective):
    rollouts, advantage, now = batch()
    rows = torch.tensor([0, 1, 3, 4])
    piece = PolicyOutput(*(x[rows] for x in (now.logps, now.entropy, now.values)))
    alone = objective(piece, rollouts.select(rows), advantage[rows]).value
    assert objective(now, rollouts, advantage).value.item() == pytest.approx(alone.item(), rel=1e-6)


@every
def test_nothing_acted_is_a_loss_of_zero(objective):
    rollouts, advantage, now = batch()
    row = torch.tensor([2])
    empty = make_rollouts([0], mask=[MASK[2]], **{
        name: getattr(rollouts, name)[row]
        for name in ("logps", "reference_logps", "values", "returns")
    })  # fmt: skip
    piece = PolicyOutput(*(x[row] for x in (now.logps, now.entropy, now.values)))
    assert objective(piece, empty, advantage[row]).value.item() == 0.0


@every
def test_gradient_is_the_slope_of_the_loss(objective):
    """Central differences on the log-probs; not for weights behind a stop-gradient."""
    if isinstance(objective, objectives.CISPO) or getattr(objective, "kl", None) is not None:
        pytest.skip("its gradient is not that of its value, by design")
    rollouts, advantage, now = batch()
    found = gradients(objective(now, rollouts, advantage).value, now)[0]
    step = 1e-6
    for row, column in rollouts.mask.nonzero().tolist():
        ends = []
        for sign in (1, -1):
            moved = now.logps.detach().clone()
            moved[row, column] += sign * step
            at = PolicyOutput(moved, now.entropy, now.values)
            ends.append(objective(at, rollouts, advantage).value.item())
        slope = (ends[0] - ends[1]) / (2 * step)
        assert found[row, column].item() == pytest.approx(slope, abs=1e-6)


@every
def test_written_and_read_back(objective):
    assert build(describe(objective)) == objective


@every
def test_needs_are_known(objective):
    assert objective.needs <= {"entropy", "values", "reference"}


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
    loss = objective(now, rollouts, advantage)
    found = gradients(loss.value, now)
    assert all(torch.isfinite(gradient).all() for gradient in found)
    # Where the loss itself is A log p, many log-probs of -3e38 add up to no float32.
    if not isinstance(objective, objectives.CISPO | objectives.PolicyGradient) or size < 1:
        assert torch.isfinite(loss.value)
