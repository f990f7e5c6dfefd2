"""Figures, completions and the recipe reach trackers; one that fails costs itself and no run."""

import logging
from dataclasses import replace

import pytest
import torch
from accelerate.tracking import GeneralTracker
from making import ShareOfSevens, make_rollouts

from guerdon.recipes.grpo import build
from guerdon.records import Experience, Scores
from guerdon.report import read_metrics
from guerdon.rewards import FunctionReward
from guerdon.rollout import Groups
from guerdon.tasks import Arithmetic
from guerdon.training import Exam, Loop, train
from guerdon.training.collect import Collected
from guerdon.training.trackers import Trackers, flat, samples_of

LOOP = Loop(steps=2, groups=2, evaluation_tasks=0, max_failed=1.0)


class Kept(GeneralTracker):
    name = "kept"
    requires_logging_directory = False

    def __init__(self):
        super().__init__()
        self.rows, self.tables, self.settings = [], [], {}
        self.finished = False

    @property
    def tracker(self):
        return self.rows

    def store_init_configuration(self, values):
        self.settings = values

    def log_table(self, table_name, columns, data, step):
        self.tables.append((table_name, step, [dict(zip(columns, r, strict=True)) for r in data]))

    def log(self, values, step=None, **kwargs):
        self.rows.append((step, dict(values)))

    def finish(self):
        self.finished = True


def test_none_named_is_nothing_done():
    trackers = Trackers((), None)
    trackers.log({"reward": 1.0}, 0)
    trackers.close()


def test_figures_reach_the_tracker(tmp_path):
    kept = Kept()
    trackers = Trackers((kept,), tmp_path)
    trackers.log({"reward": 0.5}, 3)
    trackers.close()
    assert kept.rows == [(3, {"reward": 0.5})]
    assert kept.finished


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("accelerate.tracking.get_available_trackers", list)
    for name, command in (("trackio", "pip install 'trackio>="), ("wandb", "pip install wandb")):
        with pytest.raises(ImportError, match=f"'{name}'.*{command}"):
            Trackers((name,), None)


def test_a_misspelt_tracker_is_told_which_there_are():
    with pytest.raises(ValueError, match=r"'wandbb'; there are .*wandb"):
        Trackers(("wandbb",), None)


class Torn(Kept):
    """A tracker whose network goes away at its second step."""

    name = "torn"

    def log(self, values, step=None, **kwargs):
        if step:
            raise ConnectionError("no route to host")
        super().log(values, step)


def collected(n):
    rollouts = make_rollouts([0] * n, [3] * n)
    rollouts = replace(rollouts, texts=tuple(f"text {i}" for i in range(n)))
    valid_N = torch.arange(n) != 1
    raw = Scores(torch.arange(n).float(), valid=valid_N, reasons=tuple("why" for _ in range(n)))
    known = Experience(rollouts, raw, torch.full(rollouts.mask.shape, 0.5))
    return Collected(rollouts, raw, 1, {}, scores=raw, experience=known, chosen=torch.arange(n))


def test_a_tracker_gets_the_recipe_and_some_completions(tmp_path):
    kept = Kept()
    made = build(sampler=Groups(4), loop=LOOP, reward=ShareOfSevens())
    result = train(made, tmp_path / "run", quiet=True, trackers=(kept,))
    assert kept.settings["loop.steps"] == 2
    assert kept.settings["reward.part"] == "making:ShareOfSevens"
    assert all(isinstance(v, bool | int | float | str) for v in kept.settings.values())
    shown = [(name, step) for name, step, _ in kept.tables]
    assert shown == [("completions", 0), ("completions", 1)]
    first = kept.tables[0][2]
    assert len(first) == 8
    assert {"prompt", "completion", "reward", "advantage"} <= set(first[0])
    assert [step for step, _ in kept.rows] == [0, 1]
    assert kept.rows[0][1]["reward"] == result.history[0]["reward"]


def test_best_worst_and_invalid_rows_are_shown():
    shown = samples_of(collected(30))
    assert [row[2] for row in shown] == [
        *(f"text {i}" for i in (29, 28, 27, 26)),
        *(f"text {i}" for i in (3, 2, 0)),
        "text 1",
    ]
    assert shown[0][4:6] == (29.0, 0.5)
    assert shown[-1][4] is None
    assert shown[-1][6] == "why"
    assert len(samples_of(collected(3))) == 3


def test_a_described_recipe_is_made_flat():
    found = flat({"a": {"b": 1, "c": [1, 2]}, "d": None, "e": [{"f": True}, {"f": 0.5}]})
    assert found == {"a.b": 1, "a.c": "[1, 2]", "d": "", "e.0.f": True, "e.1.f": 0.5}


def test_a_tracker_that_fails_costs_itself_with_one_warning(tmp_path, caplog):
    torn, kept = Torn(), Kept()
    made = build(sampler=Groups(4), loop=replace(LOOP, steps=3), reward=ShareOfSevens())
    with caplog.at_level(logging.WARNING, logger="guerdon.training"):
        result = train(made, tmp_path / "run", quiet=True, trackers=(torn, kept))
    warned = [r.getMessage() for r in caplog.records if "tracker" in r.getMessage()]
    assert len(warned) == 1
    assert "'torn' failed (ConnectionError: no route to host)" in warned[0]
    assert len(result.history) == len(read_metrics(tmp_path / "run")) == 3
    assert [step for step, _ in kept.rows] == [0, 1, 2]
    assert [step for step, _ in torn.rows] == [0]


def fails_on_eights(completion):
    if "8" in completion:
        raise ValueError("eight")
    return None if "9" in completion else float(completion.count("7"))


def test_counts_of_invalid_rows_are_the_same_in_tracker_metrics_and_page(tmp_path):
    kept = Kept()
    made = build(sampler=Groups(4), loop=LOOP, reward=FunctionReward(fails_on_eights))
    train(made, tmp_path / "run", quiet=True, trackers=(kept,))
    metrics = read_metrics(tmp_path / "run")
    told = [
        {row["reason"]: int(row["rows"]) for row in rows}
        for name, _, rows in kept.tables
        if name == "invalid rows"
    ]
    assert told == [m["invalid"] for m in metrics if "invalid" in m]
    assert {r for t in told for r in t} == {"failed: ValueError", "the reward returned None"}
    for figures, (_, sent) in zip(metrics, kept.rows, strict=True):
        assert sent["invalid_rows"] == figures["invalid_rows"] == sum(figures["invalid"].values())
        assert sent["failed_rows"] == figures["failed_rows"]
    total = sum(t["failed: ValueError"] for t in told if "failed: ValueError" in t)
    page = (tmp_path / "run/report.html").read_text()
    assert f"<b>{total}</b></td><td>failed: ValueError" in page


def test_a_missing_tracker_is_said_before_anything_is_loaded_or_written(tmp_path, monkeypatch):
    def loaded(*_):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("guerdon.rollout.Model.load", loaded)
    with pytest.raises(ValueError, match="'no-such-tracker'"):
        train(build(sampler=Groups(4), loop=LOOP), tmp_path / "run", trackers=("no-such-tracker",))
    assert not (tmp_path / "run").exists()


HOSTILE = "<script>alert(1)</script> | a | *b* \x1b[2J\n# title"


def test_real_tensorboard_has_figures_recipe_and_completions(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trackers = Trackers(("tensorboard",), tmp_path, build(sampler=Groups(4), loop=LOOP))
    trackers.log({"reward": 0.5, "loss": float("nan")}, 3)
    made = collected(3)
    made = replace(made, rollouts=replace(made.rollouts, texts=(HOSTILE, "b", "c")), seconds={})
    trackers.show(samples_of(made), {"failed: ValueError": 2}, 3)
    trackers.close()
    events = EventAccumulator(str(tmp_path / "guerdon"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("reward")] == [(3, 0.5)]
    (text,) = events.Tensors("completions/text_summary")
    shown = text.tensor_proto.string_val[0].decode()
    assert text.step == 3
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "\x1b" not in shown
    assert shown.count("\n") == 4  # heading, line, three rows
    (text,) = events.Tensors("invalid rows/text_summary")
    assert "failed: ValueError | 2" in text.tensor_proto.string_val[0].decode()
    settings = [f.read_text() for f in tmp_path.rglob("hparams.yml")]
    assert len(settings) == 1
    assert "loop.steps: 2" in settings[0]


def test_held_out_sets_reach_the_tracker_before_and_after(monkeypatch):
    kept = Kept()
    monkeypatch.setattr("guerdon.training.telemetry.check_trackers", lambda names: None)
    exam = Exam("sums", Arithmetic(), count=2)
    loop = replace(LOOP, evaluation_tasks=2, evaluate_every=1)
    result = train(build(loop=loop, exams=(exam,)), trackers=[kept])
    first, step, *_, last = kept.rows
    before, after = result.exams["sums"]
    assert first[0] == 0
    assert first[1]["before/held_out"] == result.before.mean
    assert first[1]["before/exam/sums/mean"] == before.mean
    assert "exam/sums/mean" in step[1]
    assert last[0] == 1
    assert last[1]["exam/sums/mean"] == after.mean
