"""Rollouts and scores: selecting, joining and refusing."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
import torch
from making import make_rollouts, make_scores

from guerdon.records import (
    Comparisons,
    Ending,
    Pairs,
    Progress,
    Rollouts,
    Scores,
    Task,
    concat_rollouts,
    concat_scores,
)


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
    with pytest.raises(ValueError, match="ids has 1 entries for 2 rows of the mask"):
        replace(rows, ids=rows.ids[:1])
    with pytest.raises(ValueError, match=r"signals\['cost'\] has 1 entries"):
        replace(rows, signals={"cost": torch.zeros(1, 1)})
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


def moved(n: int = 3) -> Rollouts:
    """Rows of two continuous acts with everything a row may hold, told apart by their row."""
    row_N = torch.arange(n).float()
    return Rollouts(
        tasks=(Task("a", ""), Task("b", "")),
        group=torch.tensor([0, 1, 1][:n]),
        prompts=(torch.zeros(0, dtype=torch.long),) * 2,
        mask=torch.ones(n, 2, dtype=torch.bool),
        lengths=torch.full((n,), 2),
        logps=row_N[:, None] - torch.tensor([1.0, 2.0]),
        actions=row_N[:, None, None].expand(n, 2, 4),
        endings=(Ending.FINISHED, Ending.TIME_LIMIT, Ending.ENVIRONMENT_ERROR)[:n],
        captions=tuple(f"moved {i}" for i in range(n)),
        turn=torch.arange(2).expand(n, 2),
        states=tuple((f"s{i}", f"t{i}") for i in range(n)),
        observations=row_N[:, None, None].expand(n, 3, 5),
        turn_rewards=row_N[:, None].expand(n, 2),
        signals={"cost": 10 * row_N[:, None].expand(n, 2)},
        final_values=row_N + 0.5,
        unread=tuple(torch.full((i,), i) for i in range(n)),
        old_logps=row_N[:, None].expand(n, 2),
        reference_logps=row_N[:, None].expand(n, 2),
        values=row_N[:, None].expand(n, 2),
        returns=row_N[:, None].expand(n, 2),
        inputs=({"pixels": torch.ones(1)}, {"pixels": torch.zeros(1)}),
    )


def test_every_field_says_along_what_it_runs_and_is_kept_by_that() -> None:
    rows = moved()
    silent = {f.name for f in fields(rows) if "along" not in f.metadata}
    assert silent == {"temperature"}
    assert (rows.ids.shape, rows.texts, rows.shown[1]) == ((3, 0), (), "moved 1")
    back = concat_rollouts([rows, rows]).select(torch.tensor([3, 5, 4]))
    order = torch.tensor([0, 2, 1])
    for f in fields(rows):
        given, found = getattr(rows, f.name), getattr(back, f.name)
        if isinstance(given, torch.Tensor):
            expected = given if f.name == "group" else given[order]
            assert torch.equal(found, torch.tensor([0, 1, 1]) if f.name == "group" else expected)
        elif f.name == "signals":
            assert torch.equal(found["cost"], given["cost"][order])
        elif f.name == "unread":
            assert [one.tolist() for one in found] == [given[i].tolist() for i in order.tolist()]
        elif f.name in ("endings", "captions", "states"):
            assert found == tuple(given[i] for i in order.tolist())
    assert [t.id for t in back.tasks] == ["a", "b"]
    assert back.inputs is not None
    assert [i["pixels"].item() for i in back.inputs] == [1, 0]


def test_joining_fills_turns_that_are_missing() -> None:
    short = replace(moved(), turn_rewards=torch.ones(3, 1), signals={"cost": torch.ones(3, 1)})
    bare = replace(moved(), signals={})
    joined = concat_rollouts([short, bare, moved()])
    assert joined.turn_rewards is not None
    assert joined.turn_rewards[0].tolist() == [1, 0]
    assert joined.signals["cost"][0].isnan().tolist() == [False, True]
    assert joined.signals["cost"][3:6].isnan().all()
    assert joined.signals["cost"][8].tolist() == [20, 20]
    with pytest.raises(ValueError, match="captions is set in some"):
        concat_rollouts([moved(), replace(moved(), captions=None)])


def test_some_positions_of_rows_know_which_turns_they_are() -> None:
    part = moved().positions(1, 2)
    assert part.lengths.tolist() == [1, 1, 1]
    assert part.logps.tolist() == [[-2], [-1], [0]]
    assert part.turn is not None
    assert part.turn.tolist() == [[1]] * 3
    assert part.actions is not None
    assert part.observations is not None
    assert (part.actions.shape, part.observations.shape) == ((3, 1, 4), (3, 3, 5))


def test_the_outcome_is_what_stood_after_a_row_s_own_last_turn() -> None:
    seen = torch.arange(9.0).view(3, 3, 1)
    rows = replace(moved(), observations=seen, lengths=torch.tensor([2, 1, 0]))
    assert rows.outcome is not None
    assert rows.outcome.flatten().tolist() == [2, 4, 6]
    assert replace(rows, turn=None).outcome.flatten().tolist() == [2, 5, 8]
    assert replace(rows, observations=None).outcome is None


def test_ended_is_not_cut_off() -> None:
    rows = moved()
    assert rows.finished.tolist() == [True, False, False]
    assert rows.value_after.tolist() == [0, 1.5, 0]
    assert replace(rows, final_values=None).value_after.tolist() == [0, 0, 0]
    unknown = replace(rows, final_values=torch.full((3,), math.nan))
    assert unknown.value_after.tolist() == [0, 0, 0]
    assert replace(rows, endings=()).finished.all()
    assert {e for e in Ending if e.by_itself or e.cut} == set(Ending) - {Ending.ENVIRONMENT_ERROR}
    assert not [e for e in Ending if e.by_itself and e.cut]


def test_what_is_said_beside_scores_follows_the_rows() -> None:
    first = make_scores(
        [1.0, 2.0, 3.0],
        diagnostics={"tokens": torch.tensor([4.0, 5.0, 6.0])},
        remarks=("a", None, "c"),
        comparisons=Comparisons(
            torch.tensor([0, 0]), torch.tensor([1, 2]), torch.tensor([1.0, -2.0])
        ),
    )
    joined = concat_scores([make_scores([0.0]), first])
    assert joined.remarks == (None, "a", None, "c")
    assert joined.diagnostics["tokens"].tolist()[1:] == [4, 5, 6]
    assert joined.diagnostics["tokens"][0].isnan()
    picked = joined.select(torch.tensor([3, 1]))
    assert picked.remarks == ("c", "a")
    told = picked.comparisons
    assert told is not None
    assert (told.first.tolist(), told.second.tolist(), told.strength.tolist()) == ([1], [0], [-2])
    assert concat_scores([make_scores([0.0])]).comparisons is None
    with pytest.raises(ValueError, match=r"diagnostic 'x' has shape \(2,\), not \(1,\)"):
        make_scores([1.0], diagnostics={"x": torch.zeros(2)})
    with pytest.raises(ValueError, match="2 remarks"):
        make_scores([1.0], remarks=("a", "b"))


def test_a_comparison_without_a_number_is_invalid() -> None:
    told = Comparisons(torch.tensor([0, 1]), torch.tensor([1, 2]), torch.tensor([math.nan, 0.0]))
    assert told.valid.tolist() == [False, True]
    failed = replace(told, strength=torch.ones(2), valid=torch.tensor([True, False]))
    assert failed.strength.isnan().tolist() == [False, True]
    with pytest.raises(ValueError, match="pair 0 is row 2 with itself"):
        Comparisons(torch.tensor([2]), torch.tensor([2]), torch.tensor([1.0]))


def test_pairs() -> None:
    pairs = Pairs(torch.tensor([0, 3]), torch.tensor([1, 2]), torch.tensor([0.5, 2.0]))
    assert (len(pairs), pairs.weight.tolist()) == (2, [1, 1])
    kept = pairs.select(torch.tensor([2, 0, 3]), 4)
    assert (kept.chosen.tolist(), kept.rejected.tolist()) == ([2], [0])
    assert kept.margin is not None
    assert kept.margin.tolist() == [2]
    assert len(pairs.select(torch.tensor([], dtype=torch.long), 4)) == 0
    with pytest.raises(ValueError, match=r"Pairs.margin is nan in pair 1"):
        replace(pairs, margin=torch.tensor([0.0, math.nan]))
    with pytest.raises(ValueError, match=r"margin has shape \(1,\)"):
        replace(pairs, margin=torch.ones(1))
