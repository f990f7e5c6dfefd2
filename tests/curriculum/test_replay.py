"""Rows of earlier steps: which are kept, which come again, and that they are what they were."""

import copy
import math
from collections import Counter
from dataclasses import replace

import pytest
import torch
from making import ShareOfSevens, make_rollouts, make_scores

from guerdon.contracts import check_buffer
from guerdon.curriculum import ReplayedRows, replay
from guerdon.objectives import DisCO
from guerdon.recipes.grpo import build
from guerdon.records import Experience, Pairs, Progress, Task
from guerdon.stages import Buffer
from guerdon.training import Loop, PartFailed, train

TASKS = tuple(Task(f"t{i}", f"prompt {i}") for i in range(3))


def experience(step, values=(1.0, 0.0, 0.5, 0.0), valid=None, **changes):
    """Two groups of two rows; log-probs and advantages say the step they are of."""
    rollouts = make_rollouts([0, 0, 1, 1], [2, 3, 1, 2], **changes)
    logps = torch.where(rollouts.mask, -1.0 - step, 0.0)
    scores = make_scores(list(values), valid)
    advantage = torch.where(rollouts.mask & scores.valid[:, None], scores.value[:, None], 0.0)
    return Experience(replace(rollouts, logps=logps), scores, advantage, Progress(step, 9))


def run(buffer, steps, **changes):
    return [
        buffer.mix(experience(step, **changes), TASKS, Progress(step, 9)) for step in range(steps)
    ]


def test_the_first_step_is_as_it_was_and_later_ones_bring_what_was():
    buffer = ReplayedRows(share=0.5)
    first, second = run(buffer, 2)
    assert len(first) == 4
    assert len(second) == 8
    assert second.rollouts.makers == ("policy",) * 4 + ("replay",) * 4
    old = second.rollouts.logps[4:]
    assert (old[second.rollouts.mask[4:]] == -1.0).all()  # as they were sampled, in step 0
    was = {task.id: first.advantage[first.rollouts.group == b] for b, task in enumerate(TASKS[:2])}
    for group in (2, 3):
        name = second.rollouts.tasks[group].id
        assert torch.equal(second.advantage[second.rollouts.group == group], was[name])
    assert second.scores.value[4:].sum() == first.scores.value.sum()


def test_groups_come_whole_and_up_to_the_share():
    # (1/3) / (2/3) of 4 rows is 2: one group of two
    for buffer in (ReplayedRows(share=1 / 3, seed=seed) for seed in range(4)):
        for step, mixed in enumerate(run(buffer, 4)):
            added = mixed.rollouts.group[4:].tolist()
            assert len(added) == (2 if step else 0)
            assert len(set(added)) <= 1
    assert all(len(mixed) == 4 for mixed in run(ReplayedRows(share=0.3), 3))  # room for one row
    assert all(len(mixed) == 4 for mixed in run(ReplayedRows(share=0.0), 3))


def test_dead_groups_and_invalid_rows_are_not_kept():
    buffer = ReplayedRows(share=0.9)
    kept = run(buffer, 1, values=(0.0, 0.0, 1.0, 2.0), valid=(True, True, False, True)) and buffer
    (group,) = kept.state_dict()["kept"]
    assert group["task"] == "t1"
    assert group["value"].tolist() == [2.0]


def test_capacity_keeps_the_newest_or_the_best():
    newest, best = ReplayedRows(capacity=3), ReplayedRows(capacity=3, keep="best")
    for buffer in (newest, best):
        run(buffer, 3)
    assert [(g["step"], g["task"]) for g in newest.state_dict()["kept"]] == [(2, "t1")]
    assert [(g["step"], g["task"]) for g in best.state_dict()["kept"]] == [(2, "t0")]
    large = ReplayedRows(capacity=5, keep="best")
    run(large, 2)
    assert [(g["step"], g["task"]) for g in large.state_dict()["kept"]] == [(0, "t0"), (1, "t0")]


def test_old_groups_leave():
    buffer = ReplayedRows(share=0.9, age=1)
    steps = {
        logp
        for step, mixed in enumerate(run(buffer, 4))
        for logp in (mixed.rollouts.logps[4:][mixed.rollouts.mask[4:]] + step).tolist()
    }
    assert steps == {0.0}  # each of the step before


def test_what_is_drawn_follows_from_seed_and_step():
    def drawn(seed):
        rows = run(ReplayedRows(share=1 / 3, seed=seed), 8)
        return [mixed.rollouts.tasks[-1].id for mixed in rows[1:]]

    assert drawn(3) == drawn(3)
    assert len({tuple(drawn(seed)) for seed in range(5)}) > 1
    assert min(Counter(drawn(0) + drawn(1) + drawn(2)).values()) > 3


def test_rows_of_others_stay_theirs_and_unknown_log_probs_unknown():
    buffer = ReplayedRows(share=0.5)
    made = experience(0)
    logps = made.rollouts.logps.clone()
    logps[1] = math.nan
    origin = ("policy", "teacher", "policy", "policy")
    buffer.mix(
        replace(made, rollouts=replace(made.rollouts, logps=logps, origin=origin)),
        TASKS,
        Progress(0, 9),
    )
    mixed = buffer.mix(experience(1), TASKS, Progress(1, 9))
    makers = dict(zip(mixed.rollouts.makers, mixed.rollouts.logps, strict=True))
    assert Counter(mixed.rollouts.makers) == {"policy": 4, "replay": 3, "teacher": 1}
    assert makers["teacher"][:3].isnan().all()


def test_another_temperature_and_a_task_that_is_gone_are_left_out():
    buffer = ReplayedRows(share=0.9)
    run(buffer, 1)
    warm = experience(1, temperature=0.5)
    assert len(copy.deepcopy(buffer).mix(warm, TASKS, Progress(1, 9))) == 4
    one = copy.deepcopy(buffer).mix(experience(1), TASKS[:1], Progress(1, 9))
    assert [task.id for task in one.rollouts.tasks] == ["t0", "t1", "t0"]


def test_states_that_no_checkpoint_can_hold_are_named():
    rows = experience(0)
    strange = replace(rows.rollouts, states=((object(),),) * 4)
    with pytest.raises(ValueError, match="rows hold a object in states"):
        ReplayedRows().mix(replace(rows, rollouts=strange), TASKS, Progress(0, 9))
    plain = replace(rows.rollouts, states=((("grid", (1, 2), None),),) * 4)
    buffer = ReplayedRows(share=0.5)
    for step in range(2):
        mixed = buffer.mix(replace(rows, rollouts=plain), TASKS, Progress(step, 9))
    assert mixed.rollouts.states[4:] == plain.states


def test_pairs_are_refused():
    pairs = Pairs(torch.tensor([0]), torch.tensor([1]))
    with pytest.raises(ValueError, match="learns from pairs"):
        ReplayedRows().mix(replace(experience(0), pairs=pairs), TASKS, Progress(0, 9))


@pytest.mark.parametrize("keep", ["newest", "best"])
def test_it_keeps_the_promises_of_a_buffer(keep):
    assert isinstance(ReplayedRows(), Buffer)
    check_buffer(ReplayedRows(share=0.6, capacity=9, keep=keep))


LOOP = Loop(steps=4, groups=3, evaluation_tasks=0, checkpoint_every=1)


def recipe(**changes):
    buffer = ReplayedRows(share=0.5, capacity=24, age=2)
    return build(**{"loop": LOOP, "reward": ShareOfSevens(), "buffer": buffer, **changes})


def weights(result):
    return [p.detach().clone() for p in result.model.module.parameters()]


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_resumed_run_replays_what_an_unbroken_one_does(tmp_path, ahead):
    made = recipe(loop=replace(LOOP, ahead=ahead))
    whole = train(made, tmp_path / "whole")
    train(made, tmp_path / "cut", stop_after=2)
    cut = train(made, tmp_path / "cut", resume=True)
    for one, other in zip(weights(whole), weights(cut), strict=True):
        assert torch.equal(one, other)
    rows = [figures["learned_rows"] for figures in whole.history]
    assert rows[0] == 24
    assert rows[1] > 24
    assert [f["learned_rows"] for f in cut.history] == rows
    assert [f["loss"] for f in cut.history] == [f["loss"] for f in whole.history]
    # rows of an earlier step are off-policy from the start, and raise no alarm about the sampler
    assert all("ratio" not in figures["alarms"] for figures in whole.history)


def test_an_objective_that_couples_a_batch_takes_replayed_groups_too():
    made = recipe(objective=DisCO(threshold=0.0), loop=replace(LOOP, steps=2, minibatch=16))
    result = train(made)
    assert result.history[-1]["learned_rows"] > 24


class Torn:
    """A buffer that raises in the second step, after it has remembered."""

    def __init__(self):
        self.seen = []

    def mix(self, fresh, tasks, progress):
        self.seen.append(progress.step)
        if progress.step == 1:
            raise ZeroDivisionError("torn")
        return fresh

    def state_dict(self):
        return {"seen": list(self.seen)}

    def load_state_dict(self, state):
        self.seen[:] = state["seen"]


def test_a_buffer_that_raises_ends_the_run_whole_and_by_name(tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(Torn, "load_state_dict", lambda self, state: saved.append(state))
    with pytest.raises(PartFailed, match="the buffer Torn raised ZeroDivisionError"):
        train(recipe(buffer=Torn()))
    assert saved == [{"seen": [0]}]  # as it was before that step


def test_what_is_replayed_is_named_as_the_module_says():
    assert replay.REPLAYED == "replay"
