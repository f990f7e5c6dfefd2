"""Routers, second opinions, maxima and scheduled weights."""

from dataclasses import dataclass, replace

import pytest
import torch
from completions import START, rollouts_of, task

from guerdon.parts import build, describe
from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards import (
    AnswerMatch,
    EnvironmentReturn,
    FormatReward,
    GroupZAverage,
    Maximum,
    OnlyIfWrong,
    Router,
    TokenF1,
    WeightedSum,
)
from guerdon.schedules import Cosine, Linear

NAN = float("nan")


@dataclass(frozen=True)
class ByText:
    """Each row's value is written in its text; "nan" = invalid. ``place`` picks the word."""

    place: int = 0
    part: str = ""

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        value = torch.tensor([float(t.split()[self.place]) for t in rollouts.texts])
        return Scores(value, {self.part: value} if self.part else {})


def adds_up(scores: Scores) -> bool:
    total = torch.stack(list(scores.parts.values())).sum(0)
    return torch.allclose(total[scores.valid], scores.value[scores.valid])


def test_each_task_goes_to_the_reward_that_its_column_names() -> None:
    tasks = (
        task("1", "a", kind="x"),
        task("1", "b", kind="y"),
        task("1", "c"),
        task("1", "d", kind=3),
    )
    rollouts = rollouts_of(["1 5", "2 6", "3 7", "nan 8"], *tasks)
    routes = {"x": ByText(0, "first"), "y": ByText(1)}
    scores = Router(routes, by="kind")(rollouts, START)
    assert scores.value[:2].tolist() == [1, 6]
    assert scores.valid.tolist() == [True, True, False, False]
    assert scores.reasons[2:] == ("no reward for kind = None", "no reward for kind = 3")
    assert {n: p[:2].tolist() for n, p in scores.parts.items()} == {"first": [1, 0], "y": [0, 6]}
    assert adds_up(scores)
    rest = Router(routes, by="kind", otherwise=ByText(0))(rollouts, START)
    assert rest.value[:3].tolist() == [1, 6, 3]
    assert not rest.valid[3]
    assert (rest.reasons[3] or "").startswith("score is not finite")


def test_groups_stay_whole_behind_a_router() -> None:
    tasks = (task("1", "a", kind="x"), task("1", "b", kind="y"))
    rollouts = rollouts_of(["1", "5", "3", "9"], *tasks, group=[0, 1, 0, 1])
    group = GroupZAverage({"v": ByText()})
    routed = Router({"x": group, "y": ByText()}, by="kind")
    far = 0.5**0.5  # of two rows, in standard deviations with ddof 1
    assert routed(rollouts, START).value.tolist() == pytest.approx([-far, 5, far, 9], abs=1e-4)
    assert routed.scope == "group"


def test_a_second_opinion_is_asked_for_wrong_rows_only() -> None:
    asked: list[str] = []

    def then(rollouts: Rollouts, progress: Progress) -> Scores:
        asked.extend(rollouts.texts)
        return ByText(1, "judge")(rollouts, progress)

    part = OnlyIfWrong(ByText(0, "exact"), then)
    scores = part(rollouts_of(["1 9", "0 0.25", "nan 1", "0 nan"], task("1")), START)
    assert asked == ["0 0.25", "0 nan"]
    assert scores.value[:2].tolist() == [1, 0.25]
    assert scores.valid.tolist() == [True, True, False, False]
    assert scores.parts["judge"][:2].tolist() == [0, 0.25]
    assert adds_up(scores)
    asked.clear()
    part(rollouts_of(["1 9"], task("1")), START)
    assert asked == []
    with pytest.raises(ValueError, match="whole group"):
        OnlyIfWrong(ByText(), GroupZAverage({"v": ByText()}))


def test_the_largest_counts() -> None:
    part = Maximum({"a": ByText(0), "b": ByText(1)})
    scores = part(rollouts_of(["1 2", "3 3", "nan 1", "-2 -1"], task()), START)
    assert scores.value[[0, 1, 3]].tolist() == [2, 3, -1]
    assert scores.parts["a"].nan_to_num().tolist()[:2] == [0, 3]
    assert scores.valid.tolist() == [True, True, False, True]
    assert adds_up(scores)


def test_placed_scores_are_refused_where_totals_are_chosen() -> None:
    rollouts = rollouts_of(["1"], task("1", kind="x"), turn_rewards=torch.ones(1, 1))
    for part in (
        Router({"x": EnvironmentReturn()}, by="kind"),
        Maximum({"x": EnvironmentReturn()}),
        OnlyIfWrong(ByText(), EnvironmentReturn(), threshold=2),
    ):
        with pytest.raises(ValueError, match="placed"):
            part(rollouts, START)


def test_weights_on_a_schedule() -> None:
    part = WeightedSum(
        {"a": ByText(0), "b": ByText(1)},
        {"a": Linear(1.0, 0.0, end=0.5), "b": Cosine(0.0, 2.0)},
    )
    rollouts = rollouts_of(["1 1"], task())
    made = [part(rollouts, Progress(step, 9)) for step in (0, 2, 4, 6)]
    cosine = [0, 1 - 0.5**0.5, 1, 1 + 0.5**0.5]
    assert [s.value.item() for s in made] == pytest.approx(
        [1 + cosine[0], 0.5 + cosine[1], cosine[2], cosine[3]]
    )
    assert list(made[0].parts) == ["a"]  # a weight of 0 leaves its reward out
    assert all(adds_up(s) for s in made)
    bounded = replace(part, rewards={"a": FormatReward(), "b": AnswerMatch()})
    assert bounded.range == (0, 3)
    assert build(describe(bounded)) == bounded


def test_compositions_survive_a_recipe_file() -> None:
    part = Router(
        {"math": OnlyIfWrong(AnswerMatch(), TokenF1()), "form": Maximum({"f": FormatReward()})},
        otherwise=GroupZAverage({"f": FormatReward()}, epsilon=0.1),
    )
    assert build(describe(part)) == part
    assert part.scope == "group"
