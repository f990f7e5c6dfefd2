"""Sums, products, gates and group averages of rewards."""

from dataclasses import dataclass

import pytest
import torch
from completions import START, rollouts_of, task
from hypothesis import given
from hypothesis import strategies as st

from guerdon.parts import build, describe
from guerdon.records import Comparisons, Progress, Rollouts, Scores
from guerdon.rewards import (
    AnswerMatch,
    EnvironmentReturn,
    FormatReward,
    Gate,
    GroupZAverage,
    LengthReward,
    Maximum,
    OnlyIfWrong,
    Product,
    WeightedSum,
)

NAN = float("nan")


@dataclass(frozen=True)
class Fixed:
    """Scores given beforehand; NaN = invalid."""

    values: tuple[float, ...]

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        value = torch.tensor(self.values)
        return Scores(value, {"own": value})


def judge(part: object, rows: int, group: tuple[int, ...] = ()) -> Scores:
    tasks = [task(name=str(i)) for i in range(max(group, default=0) + 1)]
    return part(rollouts_of([""] * rows, *tasks, group=group), START)  # type: ignore[operator]


def adds_up(scores: Scores) -> bool:
    total = sum(scores.parts.values())
    return torch.allclose(total[scores.valid], scores.value[scores.valid])  # type: ignore[index]


@dataclass(frozen=True)
class Speaking:
    """Values with all that a reward may say beside them."""

    said: str

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        n = len(rollouts)
        ends = torch.arange(n)
        return Scores(
            torch.ones(n),
            diagnostics={"calls": ends.float()},
            remarks=(self.said, *[None] * (n - 1)),
            comparisons=Comparisons(ends[:-1], ends[1:], torch.ones(n - 1)),
        )


@pytest.mark.parametrize("kind", [WeightedSum, Product, GroupZAverage, Maximum])
def test_what_is_said_beside_the_parts_is_said_beside_the_whole(kind: type) -> None:
    scores = judge(kind({"a": Speaking("good"), "b": Speaking("bad"), "c": Fixed((1, 1))}), 2)
    assert {n: f.tolist() for n, f in scores.diagnostics.items()} == {
        "a/calls": [0, 1],
        "b/calls": [0, 1],
    }
    assert scores.remarks == ("a: good; b: bad", None)
    assert scores.comparisons is not None
    assert scores.comparisons.first.tolist() == [0, 0]


def test_a_second_opinion_s_remarks_stand_at_its_rows() -> None:
    first = Fixed((1, 0, 0))
    scores = judge(OnlyIfWrong(first, Speaking("looked again")), 3)
    assert scores.remarks == (None, "looked again", None)
    assert scores.diagnostics["calls"].isnan().tolist() == [True, False, False]
    told = scores.comparisons
    assert told is not None
    assert (told.first.tolist(), told.second.tolist()) == ([1], [2])


def test_weighted_sum() -> None:
    part = WeightedSum({"a": Fixed((1, 0, NAN)), "b": Fixed((1, 2, 3))}, {"b": 0.5})
    scores = judge(part, 3)
    assert scores.value[:2].tolist() == [1.5, 1]
    assert scores.parts["b"].tolist() == [0.5, 1, 1.5]
    assert scores.valid.tolist() == [True, True, False]
    assert (scores.reasons[2] or "").startswith("a: ")
    assert adds_up(scores)


def test_a_weight_of_zero_leaves_a_reward_out_with_its_invalid_rows() -> None:
    part = WeightedSum({"a": Fixed((NAN,)), "b": Fixed((2,))}, {"a": 0})
    assert judge(part, 1).value.tolist() == [2]
    assert judge(WeightedSum({"a": Fixed((NAN,))}, {"a": 0}), 1).value.tolist() == [0]


def test_product_parts_tell_what_each_factor_changes() -> None:
    scores = judge(Product({"f": Fixed((1, 1, 0, 1)), "a": Fixed((1, 0, 1, NAN))}), 4)
    assert scores.value[:3].tolist() == [1, 0, 0]
    assert scores.parts["f"][:3].tolist() == [1, 1, 0]
    assert scores.parts["a"][:3].tolist() == [0, -1, 0]
    assert not scores.valid[3]


def test_gate() -> None:
    on = Fixed((1, 0, 0, NAN, 1))
    then = Fixed((3, 3, NAN, 3, NAN))
    scores = judge(Gate(on, then), 5)
    assert scores.valid.tolist() == [True, True, True, False, False]
    assert scores.value[:3].tolist() == [3, 0, 0]
    assert scores.parts["own"][:3].tolist() == [3, 0, 0]
    penalised = judge(Gate(on, then, otherwise=-1), 5)
    assert penalised.value[:3].tolist() == [3, -1, -1]
    assert adds_up(penalised)


def test_group_average_of_opposed_rankings_cancels() -> None:
    part = GroupZAverage({"b": Fixed((0.1, 0.2, 0.3, 0.4)), "rm": Fixed((4, 3, 2, 1))})
    scores = judge(part, 4)
    assert scores.value.tolist() == pytest.approx([0, 0, 0, 0], abs=1e-4)
    assert scores.parts["rm"].tolist() == pytest.approx(
        [0.580948, 0.193649, -0.193649, -0.580948], abs=1e-4
    )


def test_group_average_stays_within_groups_and_leaves_invalid_rows_out() -> None:
    values = (1.0, 3.0, 100.0, 300.0, NAN)
    scores = judge(GroupZAverage({"a": Fixed(values)}, unbiased=False), 5, (0, 0, 1, 1, 1))
    assert scores.value[:4].tolist() == pytest.approx([-1, 1, -1, 1], abs=1e-4)
    assert not scores.valid[4]
    unbiased = judge(GroupZAverage({"a": Fixed(values)}), 5, (0, 0, 1, 1, 1))
    assert unbiased.value[1].item() == pytest.approx(0.5**0.5, abs=1e-4)


@given(st.floats(-1e6, 1e6, width=32), st.integers(1, 7))
def test_equal_values_and_single_rows_average_to_exactly_zero(value: float, rows: int) -> None:
    scores = judge(GroupZAverage({"a": Fixed((value,) * rows)}), rows)
    assert scores.value.tolist() == [0] * rows


def test_placed_scores_stay_placed_in_a_sum_and_a_gate() -> None:
    mask = torch.tensor([[True, True, False], [False, False, False]])
    rollouts = rollouts_of(["", ""], task(), mask=mask, turn_rewards=torch.tensor([[2.0], [1.0]]))
    both = WeightedSum({"return": EnvironmentReturn(), "a": Fixed((4, 4))}, {"a": 0.5})
    scores = both(rollouts, START)
    assert scores.valid.tolist() == [True, False]
    assert scores.value[0] == 4
    assert scores.placed is not None
    assert scores.placed.tolist() == [[0, 4, 0], [0, 0, 0]]
    gated = Gate(Fixed((0, 1)), EnvironmentReturn())(rollouts, START)
    assert gated.placed is not None
    assert gated.placed[0].tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="'r' is placed"):
        Product({"r": EnvironmentReturn()})(rollouts, START)


def test_senseless_compositions_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        WeightedSum({})
    with pytest.raises(ValueError, match="weight for 'b'"):
        WeightedSum({"a": Fixed((1,))}, {"b": 1})
    with pytest.raises(ValueError, match="'part' can't name"):
        Product({"part": Fixed((1,))})


def test_scope_range_and_recipe_files() -> None:
    part = WeightedSum(
        {"f": FormatReward(), "l": LengthReward(), "g": Gate(FormatReward(), AnswerMatch())},
        {"l": -0.5},
    )
    assert part.range == (-0.5, 2)
    assert part.scope == "completion"
    assert build(describe(part)) == part
    assert WeightedSum({"z": GroupZAverage({"f": FormatReward()})}).scope == "group"
    assert Product({"a": part, "b": FormatReward()}).range == (-0.5, 2)
    assert Product({"z": GroupZAverage({"f": part}), "f": part}).range[0] == -float("inf")
