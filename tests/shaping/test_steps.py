"""Clip and Delta: worked by hand, and why their totals can't be farmed."""

from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon.advantages import ReturnToGo
from guerdon.records import Experience, Progress, Scores
from guerdon.shaping import Clip, Delta, ScoredSteps, SeparatorEnds, StepRewards, TurnEnds

NOW = Progress()
SCORES = st.lists(st.floats(0, 1, width=16), min_size=1, max_size=8)


@dataclass(frozen=True)
class Given:
    """Step scores at the ends of one-token steps."""

    rows: tuple[tuple[float, ...], ...]

    def __call__(self, rollouts, progress):
        width = rollouts.mask.shape[1]
        placed = torch.tensor([list(r) + [0.0] * (width - len(r)) for r in self.rows])
        return Scores(placed.nan_to_num().sum(1), placed=placed)


@dataclass(frozen=True)
class EveryToken:
    """Each token is a step."""

    def __call__(self, rollouts):
        return rollouts.mask


BOTH = (Clip(), Delta())


def shaped(step_scores, outcome=1.0, weight=1.0, shapes=BOTH):
    rollouts = make_rollouts([0], [len(step_scores)])
    shaper = StepRewards(Given((tuple(step_scores),)), EveryToken(), weight, shapes)
    return shaper(make_scores([outcome]), rollouts, NOW), rollouts


def apply(step_scores, *shapes):
    value = torch.tensor(step_scores)
    for shape in shapes:
        value = shape(value)
    return value.tolist()


FALLING = [0.9, 0.8, 0.7, 0.6]


@pytest.mark.parametrize(
    ("scores", "shapes", "expected"),
    [
        (FALLING, (Delta(),), [0.1, 0.1, 0.7, 0.0]),
        (FALLING, (Clip(0.75),), [0.0, 0.0, -0.05, -0.15]),
        (FALLING, (Clip(0.75), Delta()), [0.0, 0.05, -0.05, 0.0]),
        ([0.4], (Delta(),), [0.0]),
        ([0.4, 0.9], (Delta(),), [0.4, 0.0]),
        ([], (Clip(), Delta()), []),
    ],
)
def test_worked_values(scores, shapes, expected):
    assert apply(scores, *shapes) == pytest.approx(expected, abs=1e-6)


def test_clip_after_delta_does_not_telescope():
    assert sum(apply(FALLING, Delta(), Clip(0.75))) != pytest.approx(
        sum(apply(FALLING, Clip(0.75), Delta())), abs=0.1
    )


def test_the_return_from_a_step_is_its_own_score():
    made, rollouts = shaped(FALLING, outcome=0.0, shapes=(Delta(),))
    assert ReturnToGo()(Experience(rollouts, made))[0].tolist() == pytest.approx(
        [0.9, 0.8, 0.7, 0.0]
    )
    discounted = ReturnToGo(0.5)(Experience(rollouts, made))[0].tolist()
    assert discounted[0] != pytest.approx(0.9, abs=0.01)  # a discount undoes the telescope


@pytest.mark.parametrize(
    ("restated", "raw", "clip", "delta", "both"),
    [(0, 2.05, 0.95, 1.40, 1.0), (5, 4.425, 0.95, 1.40, 1.0), (20, 11.55, 0.95, 1.40, 1.0)],
)
def test_restating_pays_only_under_raw_scores(restated, raw, clip, delta, both):
    scores = [0.8, 0.7, *[0.95] * restated, 0.6]
    shapes = {(): raw, (Clip(0.7),): clip, (Delta(),): delta, (Clip(0.7), Delta()): both}
    for chain, expected in shapes.items():
        made, _ = shaped(scores, 1.0, 0.5, chain)
        assert made.value.item() == pytest.approx(expected, abs=1e-5)
        assert made.parts["steps"].item() == pytest.approx(expected - 1.0, abs=1e-5)


@settings(deadline=None)
@given(SCORES, st.floats(0, 1, width=16), st.integers(1, 8))
def test_what_a_further_step_is_worth(scores, extra, where):
    longer = [*scores[:where], extra, *scores[where:]]
    if len(scores) >= 2:
        assert sum(apply(scores, Delta())) == pytest.approx(scores[0], abs=1e-5)
        assert sum(apply(longer, Delta())) == pytest.approx(scores[0], abs=1e-5)
    change = sum(apply(longer, Clip(0.7))) - sum(apply(scores, Clip(0.7)))
    assert change == pytest.approx(min(extra - 0.7, 0.0), abs=1e-5)


@settings(deadline=None)
@given(SCORES)
def test_upper_bounds(scores):
    for chain, bound in (
        ((), 0.5 * len(scores) + 1),
        ((Clip(),), 1.0),
        ((Delta(),), 1.5),
        ((Clip(), Delta()), 1.0),
    ):
        assert shaped(scores, 1.0, 0.5, chain)[0].value.item() <= bound + 1e-5


@settings(deadline=None)
@given(SCORES, st.floats(0, 1, width=16))
def test_the_last_score_never_enters_a_difference(scores, other):
    """Only the outcome says how a solution ends: whatever its last step is rated."""
    again = [*scores[:-1], other]
    assert apply(scores, Delta())[-1] == 0
    assert apply(again, Delta()) == apply(scores, Delta())
    assert apply(again, *BOTH) == apply(scores, *BOTH)


def test_weight_zero_is_the_outcome_bit_for_bit():
    made, _ = shaped(FALLING, 0.1, 0.0)
    assert made.value.item() == make_scores([0.1]).value.item()
    assert made.placed is None


def test_missing_scores():
    nan = float("nan")
    made, _ = shaped([nan, 0.9, nan, 0.5], 0.0, shapes=())
    assert made.placed[0].tolist() == pytest.approx([0.0, 0.9, 0.9, 0.5])
    assert shaped([nan, nan], 0.5)[0].value.item() == 0.5


def test_rows_the_process_reward_cannot_judge_are_invalid():
    def broken(rollouts, progress):
        placed = torch.zeros(rollouts.mask.shape)
        return Scores(torch.tensor([0.0, float("nan")]), placed=placed)

    shaper = StepRewards(broken, EveryToken())
    made = shaper(make_scores([1.0, 1.0]), make_rollouts([0, 0]), NOW)
    assert made.valid.tolist() == [True, False]
    assert "not finite" in made.reasons[1]

    unplaced = StepRewards(lambda r, p: make_scores([1.0]), EveryToken())
    with pytest.raises(ValueError, match=r"StepRewards\.process"):
        unplaced(make_scores([1.0]), make_rollouts([0]), NOW)


def test_an_empty_solution_has_only_its_outcome():
    rows = make_rollouts([0, 0], [0, 2])
    made = StepRewards(Given(((), (0.9, 0.5))), EveryToken(), 1.0)(
        make_scores([0.0] * 2), rows, NOW
    )
    assert made.value.tolist() == pytest.approx([0.0, 0.0])
    assert torch.isfinite(made.value).all()


def test_steps_end_at_separators_and_at_the_end():
    ids = torch.tensor([[5, 9, 9, 6, 9, 7], [9, 5, 9, 0, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [0, 1, 1, 0, 0, 0]]).bool()
    rows = replace(make_rollouts([0, 0], [6, 3]), ids=ids, mask=mask)
    ends = [row.nonzero().flatten().tolist() for row in SeparatorEnds((9,))(rows)]
    assert ends == [[2, 4, 5], [2]]


def test_steps_end_with_turns():
    rows = make_rollouts([0], mask=[[1, 1, 0, 1, 1, 0]])
    rows = replace(rows, turn=torch.tensor([[0, 0, 0, 1, 1, 1]]))
    assert TurnEnds()(rows)[0].tolist() == [False, True, False, False, True, False]
    with pytest.raises(ValueError, match="SeparatorEnds"):
        TurnEnds()(make_rollouts([0]))


def test_a_function_of_steps_as_a_process_reward():
    def lengths(task, steps):
        assert task.id == "t0"
        return [len(step) if step != "?" else float("inf") for step in steps]

    rows = replace(make_rollouts([0] * 3, [3, 3, 2]), texts=("a bb ccc", "a ?", "a b c d"))
    made = ScoredSteps(lengths, EveryToken())(rows, NOW)
    assert made.value.tolist() == [6.0, 1.0, 2.0]
    assert made.placed[0].tolist() == [1.0, 2.0, 3.0]
    assert made.placed[2].tolist() == [1.0, 1.0, 0.0]
    shaped = StepRewards(ScoredSteps(lengths, EveryToken()), EveryToken(), 1.0, ())
    scores = shaped(make_scores([0.0] * 3), rows, NOW)
    assert scores.placed[1].tolist() == [1.0, 1.0, 1.0]
    assert scores.valid.all()
