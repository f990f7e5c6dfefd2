"""PAR's catalogue and the log-sigmoid transform against numbers worked by hand."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon.advantages import GroupNormalised, GroupStd
from guerdon.records import Experience, Progress, Scores, Task
from guerdon.rollout import TabularPolicy
from guerdon.shaping import (
    Clamp,
    ColumnReferences,
    FittedPolynomial,
    FixedReferences,
    GaussianQuantile,
    LengthPenalty,
    LogSigmoid,
    Proportional,
    Quantile,
    RunningMinMax,
    RunningStandardise,
    Sigmoid,
    Tanh,
    Transform,
    WithReferences,
    with_references,
)
from guerdon.stages import Sampling

NOW = Progress()
REWARDS = st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=8)


def transformed(values, curve, *references):
    shaper = Transform(curve, FixedReferences(references))
    return shaper(make_scores(values), make_rollouts([0] * len(values)), NOW).value


def with_columns(rows):
    made = make_rollouts(range(len(rows)))
    tasks = tuple(Task(f"t{i}", "", columns={"reference_rewards": r}) for i, r in enumerate(rows))
    return replace(made, tasks=tasks)


@pytest.mark.parametrize(
    ("value", "curve", "references", "expected"),
    [
        (2.0, Sigmoid(), (1.0, 3.0), 0.5),
        (2.0, Sigmoid(), (0.0,), 0.8808),
        (1.0, Sigmoid(3.0), (0.0,), 0.9526),
        (1.0, Sigmoid(3.0), (), 0.9526),
        (3.0, Sigmoid(shift=3.0), (0.0,), 0.5),
        (4.0, Sigmoid(3.0, shift=3.0), (0.0,), 0.9526),
        (2.0, Proportional(), (1.0, 2.0), 0.5),
        (1.0, Tanh(), (0.0,), 0.7616),
        (0.0, LogSigmoid(), (0.0,), -0.6931),
        (2.0, LogSigmoid(), (0.0,), -0.1269),
        (-2.0, LogSigmoid(), (0.0,), -2.1269),
        (-1000.0, LogSigmoid(), (0.0,), -1000.0),
    ],
)
def test_worked_values(value, curve, references, expected):
    assert transformed([value], curve, *references).item() == pytest.approx(expected, abs=1e-4)


def test_lsc_against_a_normal_quantile_of_its_prompts_references():
    rows = with_columns([[0.0, 2.0], [0.0, float("nan"), 2.0], [5.0]])
    reference = GaussianQuantile(q=0.85)(rows)[:, 0].tolist()
    assert reference == pytest.approx([2.4657, 2.4657, 5.0], abs=1e-4)
    made = Transform(LogSigmoid(), GaussianQuantile())(make_scores([2.0, 2.0, 5.0]), rows, NOW)
    assert made.value.tolist() == pytest.approx([-0.9529, -0.9529, -0.6931], abs=1e-4)


def test_equal_references_have_the_least_spread():
    assert GaussianQuantile()(with_columns([[3.0, 3.0]])).item() == pytest.approx(3.0, abs=2e-5)


def test_an_interpolated_quantile():
    rows = with_columns([[0.0, 1.0, 2.0, 3.0, 4.0], [7.0], [float("nan")]])
    assert Quantile(q=0.75)(rows)[:2, 0].tolist() == [3.0, 7.0]
    assert Quantile(FixedReferences())(rows).shape == (3, 0)
    made = Transform(LogSigmoid(), Quantile())(make_scores([0.0, 0.0, 0.0]), rows, NOW)
    assert made.value[2].item() == pytest.approx(-0.6931, abs=1e-4)  # nothing to centre by


def test_references_differ_by_task_and_missing_ones_are_dropped():
    rows = with_columns([[1.0, float("nan")], [], 2.0])
    made = Transform()(make_scores([1.0, 0.0, 2.0]), rows, NOW)
    assert made.value.tolist() == [0.5, 0.5, 0.5]


def test_no_column_of_references_is_an_error_that_names_the_task():
    with pytest.raises(ValueError, match=r"'t0'.*'reference_rewards'.*WithReferences"):
        Transform()(make_scores([1.0]), make_rollouts([0]), NOW)
    with pytest.raises(ValueError, match="a number or a list of numbers, not 'high'"):
        ColumnReferences()(with_columns(["high"]))


def test_the_fitted_polynomial_leaves_the_interval_near_its_ends():
    value = FittedPolynomial()(torch.tensor([0.0, 1.0, 4.9, -5.1, 5.1], dtype=torch.double))
    assert value.tolist() == pytest.approx([0.5, 0.7189, 1.0017, 0.0, 1.0], abs=1e-4)
    with pytest.raises(ValueError, match="degree"):
        FittedPolynomial(degree=100)


@pytest.mark.parametrize(("gap", "slope"), [(0.0, 0.5), (2.0, 0.1192), (-2.0, 0.8808)])
def test_slope_of_the_log_sigmoid(gap, slope):
    x = torch.tensor(gap, requires_grad=True)
    LogSigmoid()(x).backward()
    assert x.grad.item() == pytest.approx(slope, abs=1e-4)


def test_limits_of_the_log_sigmoid():
    low, high = LogSigmoid()(torch.tensor([-10.0, 10.0], dtype=torch.double)).tolist()
    assert abs(low + 10) < 1e-4
    assert high == pytest.approx(-torch.tensor(-10.0).exp().item(), rel=1e-3)


@pytest.mark.parametrize("steepness", [1.0, 2.0, 3.0])
def test_par_is_steepest_at_its_reference(steepness):
    x = torch.linspace(-4, 4, 81, requires_grad=True)
    Sigmoid(steepness)(x).sum().backward()
    assert x.grad.argmax().item() == 40
    assert x.grad.max().item() == pytest.approx(steepness / 4)


@settings(deadline=None)
@given(REWARDS, st.floats(-5, 5, width=16))
def test_a_shift_of_rewards_and_references_changes_nothing(values, shift):
    for curve in (Sigmoid(), Tanh(), LogSigmoid(), Proportional()):
        plain = transformed(values, curve, 1.0, -2.0)
        moved = transformed([v + shift for v in values], curve, 1.0 + shift, shift - 2.0)
        assert torch.allclose(plain, moved, atol=1e-3)
    assert not torch.allclose(transformed([0.0], Sigmoid()), transformed([1.0], Sigmoid()))


@settings(deadline=None)
@given(REWARDS)
def test_par_has_little_variance_and_keeps_the_order(values):
    made = transformed(values, Sigmoid(), 0.5, -1.0)
    assert made.var(correction=0) <= 0.25
    order = torch.tensor(values).argsort(stable=True)
    assert (made[order].diff() >= -1e-6).all()


def test_lsc_against_a_quantile_is_moved_by_neither_or_by_the_reward_alone():
    """A constant of the prompt in both cancels; in the raw reward alone it does not."""
    both = {"here": [0.0, 2.0], "there": [5.0, 7.0]}
    rows = with_columns(list(both.values()))
    made = Transform(LogSigmoid(), GaussianQuantile())(make_scores([2.0, 7.0]), rows, NOW).value
    assert made.tolist() == pytest.approx([-0.9529, -0.9529], abs=1e-4)
    alone = Transform(LogSigmoid(), GaussianQuantile())(make_scores([7.0, 7.0]), rows, NOW).value
    assert alone[0].item() == pytest.approx(-0.0107, abs=1e-4)  # r - q is 4.5343
    for curve in (Sigmoid(), Tanh(), LogSigmoid()):
        assert transformed([2.0], curve).item() != pytest.approx(transformed([7.0], curve).item())


def test_best_of_k_is_the_same_for_one_reward():
    values = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))
    for row in values:
        assert transformed(row.tolist(), LogSigmoid(), 0.5).argmax() == row.argmax()


def test_affine_shapers_leave_the_group_normalised_advantage_alone_and_par_does_not():
    values = [0.3, 1.9, -0.7, 2.4]
    rollouts, scores = make_rollouts([0] * 4), make_scores(values)
    normalised = GroupNormalised(scale=GroupStd(epsilon=1e-8))  # as PAR has it
    plain = normalised(Experience(rollouts, scores))
    centred = Transform(Proportional(), FixedReferences((1.0, 2.0)))
    for shaper in (centred, RunningStandardise(), RunningMinMax()):
        moved = normalised(Experience(rollouts, shaper(scores, rollouts, NOW)))
        assert (plain - moved).abs().max() <= 1e-6
    par = normalised(
        Experience(rollouts, make_scores(transformed(values, Sigmoid(), 1.0).tolist()))
    )
    assert (plain - par).abs().max() > 0.05


def test_averaging_sigmoids_is_not_the_sigmoid_of_the_average():
    assert transformed([1.0], Sigmoid(), 0.0, 6.0).item() != pytest.approx(
        transformed([1.0], Sigmoid(), 3.0).item(), abs=0.1
    )


def test_ceiling_and_length_penalty():
    rows = make_rollouts([0, 0, 0], [350, 300, 5])
    penalised = LengthPenalty()(make_scores([0.0, 0.0, 5.0]), rows, NOW)
    assert penalised.value.tolist() == pytest.approx([-0.5, 0.0, 5.0])
    assert Clamp(high=3.0)(penalised, rows, NOW).value.tolist() == pytest.approx([-0.5, 0.0, 3.0])
    with pytest.raises(ValueError, match="low <= high"):
        Clamp(1.0, 0.0)


def loud(rollouts, progress):
    """2 for action "a", 0 for "b", nothing graded for "c"."""
    value = torch.tensor([2.0, 0.0, float("nan")])[rollouts.ids[:, 0]]
    return Scores(value, {"half": value / 2})


def policy():
    """A table that plays "a", "b" and "c" equally on two tasks."""
    return TabularPolicy(["t0", "t1"], ("a", "b", "c"))


class Two:
    """Two tasks in each split."""

    def load(self, split):
        return [Task(f"t{i}", "", columns={"kept": 1}) for i in range(2)]


def test_references_are_rewards_of_the_policys_own_completions():
    tasks = with_references(Two().load("train"), policy(), loud, 50, Sampling(), seed=3)
    for task in tasks:
        values = torch.tensor(task.columns["reference_rewards"])
        assert len(values) == 50
        halves = torch.tensor(task.columns["reference_rewards/half"])
        assert torch.equal(halves.nan_to_num(), values.nan_to_num() / 2)
        assert set(values[torch.isfinite(values)].tolist()) == {0.0, 2.0}
        assert 0 < torch.isnan(values).sum() < 50
        assert task.columns["kept"] == 1
    made = WithReferences(loud, count=50, seed=3)(policy(), Two().load("train"))
    assert [str(t.columns) for t in made] == [str(t.columns) for t in tasks]
