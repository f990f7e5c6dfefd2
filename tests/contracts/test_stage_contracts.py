"""The contracts that every advantage, objective and shaper passes, present and future."""

import pytest
import torch
from making import make_rollouts, make_scores

from guerdon import advantages, objectives, shaping
from guerdon.records import PolicyOutput, Progress

SHAPERS = {
    name: part(20, 5) if name == "overlong" else part() for name, part in shaping.NAMES.items()
}


def example(seed=0, equal=False):
    """Two groups of four, ragged, one row invalid, one empty; everything a stage may read."""
    torch.manual_seed(seed)
    lengths = [3, 5, 1, 2, 4, 0, 5, 2]
    n, t = len(lengths), max(lengths)
    states = [tuple(f"s{(i + j) % 3}" for j in range(k)) for i, k in enumerate(lengths)]
    rewards = torch.zeros(n, t) if equal else torch.randn(n, t)
    rewards = torch.where(torch.arange(t) < torch.tensor(lengths)[:, None], rewards, 0.0)
    rollouts = make_rollouts(
        [0, 0, 0, 0, 1, 1, 1, 1],
        lengths,
        logps=torch.randn(n, t) / 3,
        states=states,
        turn_rewards=rewards.tolist(),
        values=torch.zeros(n, t) if equal else torch.randn(n, t),
        returns=torch.randn(n, t),
        reference_logps=torch.randn(n, t) / 3,
    )
    value = torch.ones(n) if equal else torch.randn(n)
    valid = [True, True, True, False, True, True, True, True]
    scores = make_scores(value.tolist(), valid, parts={"a": value.clone(), "b": torch.zeros(n)})
    return rollouts, scores


@pytest.fixture(params=sorted(advantages.NAMES))
def advantage(request):
    return advantages.NAMES[request.param]()


@pytest.mark.parametrize("seed", range(3))
def test_advantage_is_finite_and_zero_where_nothing_was_done(advantage, seed):
    rollouts, scores = example(seed)
    made = advantage(scores, rollouts)
    assert made.shape == rollouts.mask.shape
    assert torch.isfinite(made).all()
    assert (made[~rollouts.mask] == 0).all()
    assert (made[~scores.valid] == 0).all()


def test_advantage_follows_a_permutation_of_rows(advantage):
    rollouts, scores = example()
    order = torch.tensor([2, 0, 3, 1, 7, 5, 6, 4])
    made = advantage(scores, rollouts)[order]
    moved = advantage(scores.select(order), rollouts.select(order))
    assert torch.allclose(made[:, : moved.shape[1]], moved, atol=1e-5)


def test_advantage_of_nothing_valid_is_zero(advantage):
    rollouts, scores = example()
    nothing = make_scores([1.0] * 8, [False] * 8, parts=dict(scores.parts))
    assert (advantage(nothing, rollouts) == 0).all()


@pytest.mark.parametrize("name", ["group-normalised", "leave-one-out", "normalised-parts"])
def test_ties_give_zero(name):
    rollouts, scores = example(equal=True)
    made = advantages.NAMES[name]()(scores, rollouts)
    assert made.abs().max() < 1e-5


@pytest.fixture(params=sorted(objectives.NAMES))
def objective(request):
    return objectives.NAMES[request.param]()


def output(rollouts, seed=0, scale=1.0):
    torch.manual_seed(seed + 99)
    shape = rollouts.mask.shape
    return PolicyOutput(
        (scale * torch.randn(shape)).requires_grad_(),
        torch.rand(shape),
        torch.randn(shape).requires_grad_(),
    )


@pytest.mark.parametrize("scale", [1.0, 200.0])
def test_objective_is_finite_and_leaves_masked_positions_alone(objective, scale):
    rollouts, _ = example()
    now = output(rollouts, scale=scale)
    loss = objective(now, rollouts, torch.randn(rollouts.mask.shape))
    loss.value.backward()
    assert torch.isfinite(loss.value)
    assert torch.isfinite(now.logps.grad).all()
    assert (now.logps.grad[~rollouts.mask] == 0).all()
    assert all(isinstance(v, float) for v in loss.metrics.values())


def test_no_advantage_no_policy_gradient(objective):
    rollouts, _ = example()
    now = output(rollouts)
    objective(now, rollouts, torch.zeros(rollouts.mask.shape)).value.backward()
    assert (now.logps.grad == 0).all()


def test_a_batch_is_the_sum_of_its_pieces(objective):
    rollouts, _ = example()
    now, advantage_NT = output(rollouts), torch.randn(rollouts.mask.shape)
    whole = objective(now, rollouts, advantage_NT)
    weight = objective.aggregation(rollouts.mask.sum(1))
    total, metrics = 0.0, dict.fromkeys(whole.metrics, 0.0)
    for rows in torch.arange(8).split(3):
        piece = rollouts.select(rows)
        t = piece.ids.shape[1]
        part = PolicyOutput(now.logps[rows, :t], now.entropy[rows, :t], now.values[rows, :t])
        loss = objective(part, piece, advantage_NT[rows, :t], weight[rows])
        total += loss.value.item()
        for name, value in loss.metrics.items():
            metrics[name] += value
    assert total == pytest.approx(whole.value.item(), rel=1e-5)
    assert metrics == pytest.approx(dict(whole.metrics), rel=1e-4)


@pytest.fixture(params=sorted(SHAPERS))
def shaper(request):
    return SHAPERS[request.param]


def test_shaper_keeps_parts_and_validity(shaper):
    rollouts, scores = example()
    made = shaper(scores, rollouts, Progress())
    assert set(scores.parts) <= set(made.parts)
    for name, part in scores.parts.items():
        assert torch.equal(part.nan_to_num(), made.parts[name].nan_to_num())
    assert torch.equal(made.valid, scores.valid)
    assert torch.isfinite(made.value[made.valid]).all()
    if made.placed is not None:
        assert torch.isfinite(made.placed[made.valid]).all()
