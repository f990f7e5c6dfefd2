"""Rollouts and scores: selecting, joining and refusing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from making import make_rollouts, make_scores

from guerdon.records import Progress, Rollouts, Scores, Task, concat_rollouts, concat_scores


def numbered(group: list[int], lengths: list[int], **more: object) -> Rollouts:
    """Rollouts whose row i reads "row i" and whose ids are 10 i + position."""
    rows = make_rollouts(group, lengths, **more)
    n, width = rows.ids.shape
    ids = 10 * torch.arange(n)[:, None] + torch.arange(width)
    return replace(rows, ids=ids, texts=tuple(f"row {i}" for i in range(n)))


def test_select_keeps_order_drops_empty_groups_and_trims() -> None:
    rows = numbered([0, 0, 1, 2], [4, 1, 5, 2])
    picked = rows.select(torch.tensor([3, 1]))
    assert [t.id for t in picked.tasks] == ["t0", "t2"]
    assert picked.group.tolist() == [1, 0]
    assert picked.texts == ("row 3", "row 1")
    assert picked.ids.tolist() == [[30, 31], [10, 11]]
    assert picked.mask.tolist() == [[True, True], [True, False]]
    assert picked.task_of(0).id == "t2"
    assert len(picked.prompts) == 2


def test_select_by_mask_is_select_by_index() -> None:
    rows = numbered([0, 1, 1], [2, 3, 1])
    by_mask = rows.select(torch.tensor([True, False, True]))
    by_index = rows.select(torch.tensor([0, 2]))
    assert by_mask.texts == by_index.texts == ("row 0", "row 2")
    assert torch.equal(by_mask.ids, by_index.ids)


def test_select_of_nothing_is_empty() -> None:
    rows = numbered([0, 1], [2, 3]).select(torch.zeros(2, dtype=torch.bool))
    assert (len(rows), rows.tasks, rows.ids.shape) == (0, (), (0, 0))


def test_select_carries_optional_fields() -> None:
    rows = numbered([0, 0], [2, 3], states=[["a", "b"], ["c", "d", "e"]])
    rows = replace(
        rows, turn_rewards=torch.tensor([[1.0, 2.0], [3.0, 4.0]]), values=torch.ones(2, 3)
    )
    picked = rows.select(torch.tensor([0]))
    assert picked.states == (("a", "b"),)
    assert picked.turn_rewards is not None
    assert picked.turn_rewards.tolist() == [[1.0, 2.0]]
    assert picked.values is not None
    assert picked.values.shape == (1, 2)
    assert picked.turn is not None
    assert picked.turn.tolist() == [[0, 1]]


def test_joining_pads_and_keeps_groups_apart() -> None:
    joined = concat_rollouts([numbered([0, 1], [1, 2]), numbered([0], [3])])
    assert joined.group.tolist() == [0, 1, 2]
    assert [t.id for t in joined.tasks] == ["t0", "t1", "t0"]
    assert joined.ids.shape == (3, 3)
    assert joined.mask.sum(1).tolist() == [1, 2, 3]
    assert joined.texts == ("row 0", "row 1", "row 0")


def test_joining_then_selecting_gives_a_batch_back() -> None:
    first, second = numbered([0, 0], [2, 1]), numbered([0], [4])
    back = concat_rollouts([first, second]).select(torch.tensor([0, 1]))
    assert torch.equal(back.ids, first.ids)
    assert back.texts == first.texts
    assert back.tasks == first.tasks


def test_joining_refuses_what_does_not_fit() -> None:
    rows = numbered([0], [2])
    with pytest.raises(ValueError, match="different temperatures"):
        concat_rollouts([rows, replace(rows, temperature=0.5)])
    with pytest.raises(ValueError, match="values is set in some"):
        concat_rollouts([rows, replace(rows, values=torch.zeros(1, 2))])
    with pytest.raises(ValueError, match="at least one"):
        concat_rollouts([])


def test_rollouts_of_unequal_rows_are_refused() -> None:
    rows = numbered([0, 0], [1, 1])
    with pytest.raises(ValueError, match="mask has 1 rows but ids has 2"):
        replace(rows, mask=rows.mask[:1])
    with pytest.raises(ValueError, match="texts has 1 entries"):
        replace(rows, texts=("one",))
    with pytest.raises(ValueError, match="prompts has 0 entries for 1 tasks"):
        replace(rows, prompts=())


def test_answers_and_columns_follow_the_rows() -> None:
    tasks = (Task("a", "?", 1, {"level": 3}), Task("b", "?", 2))
    rows = replace(numbered([0, 1, 0], [1, 1, 1]), tasks=tasks)
    assert rows.answers() == [1, 2, 1]
    assert rows.column("level", 0) == [3, 0, 3]


def test_old_logps_serve_before_the_samplers_own() -> None:
    rows = numbered([0], [2])
    assert rows.behaviour_logps is rows.logps
    old = torch.full((1, 2), -1.0)
    assert replace(rows, old_logps=old).behaviour_logps is old


def test_a_score_that_is_not_finite_is_invalid_and_says_why() -> None:
    scores = make_scores([1.0, math.nan, math.inf])
    assert scores.valid.tolist() == [True, False, False]
    assert scores.reasons == (None, "score is not finite (nan)", "score is not finite (inf)")
    assert scores.value[0] == 1
    assert scores.value[1:].isnan().all()


def test_an_invalid_row_holds_nan_and_a_reason_a_valid_one_none() -> None:
    scores = Scores(
        torch.tensor([3.0, 5.0, 7.0]),
        valid=torch.tensor([False, True, False]),
        reasons=("timed out", "left over", None),
    )
    assert scores.reasons == ("timed out", None, "invalid, no reason given")
    assert scores.value.isnan().tolist() == [True, False, True]


def test_scores_of_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"part 'x' has shape \(1,\), not \(2,\)"):
        make_scores([1.0, 2.0], parts={"x": torch.tensor([1.0])})
    with pytest.raises(ValueError, match="2 values, 1 valid flags"):
        make_scores([1.0, 2.0], [True])


def test_selecting_and_joining_scores() -> None:
    first = make_scores([1.0, 2.0], [True, False], parts={"a": torch.tensor([1.0, 2.0])})
    second = make_scores([3.0], parts={"b": torch.tensor([3.0])})
    joined = concat_scores([first, second])
    assert joined.valid.tolist() == [True, False, True]
    assert joined.parts["a"][2].isnan()
    assert joined.parts["b"][:2].isnan().all()
    picked = joined.select(torch.tensor([2, 0]))
    assert picked.value.tolist() == [3.0, 1.0]
    assert picked.reasons == (None, None)


def test_joining_placed_scores_pads_and_refuses_a_mixture() -> None:
    placed = make_scores([1.0], placed=torch.tensor([[1.0]]))
    wider = make_scores([2.0], placed=torch.tensor([[0.0, 2.0]]))
    joined = concat_scores([placed, wider])
    assert joined.placed is not None
    assert joined.placed.tolist() == [[1.0, 0.0], [0.0, 2.0]]
    with pytest.raises(ValueError, match="placed is set in some"):
        concat_scores([placed, make_scores([1.0])])


def test_value_falls_on_the_last_acted_position() -> None:
    mask = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]]).bool()
    scores = make_scores([1.0, 2.0, 3.0, 4.0], [True, True, True, False])
    assert scores.at_positions(mask).tolist() == [
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 2.0, 0.0],
        [0.0] * 4,
        [0.0] * 4,
    ]


def test_placed_values_stay_and_invalid_rows_are_zero() -> None:
    scores = make_scores([3.0, 1.0], [True, False], placed=torch.tensor([[1.0, 2.0], [0.0, 1.0]]))
    assert scores.at_positions(torch.ones(2, 2).bool()).tolist() == [[1.0, 2.0], [0.0, 0.0]]
    with pytest.raises(ValueError, match="placed at positions"):
        scores.map(torch.neg)


def test_progress() -> None:
    assert Progress(3, 4).fraction == 0.75
    assert Progress(0, 0).fraction == 0
    assert Task("a", [{"role": "user", "content": "hi"}]).text == "user: hi"


def test_a_prompt_as_text() -> None:
    parts = [{"type": "image"}, {"type": "text", "text": "What is it?"}]
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]
    assert Task("a", "Plain.").text == "Plain."
    assert Task("a", chat).text == "system: Be brief.\nuser: <image> What is it?"
