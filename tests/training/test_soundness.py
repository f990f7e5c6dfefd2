"""Runs whose reward or shaper raises, or that have nothing to learn from: told and whole."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest
import torch
from making import ShareOfSevens

from guerdon.cli import main
from guerdon.curriculum import Informative
from guerdon.failures import Failure, RewardFailed, Tally
from guerdon.recipes.grpo import build
from guerdon.report import read_failures, read_metrics
from guerdon.rewards import FunctionReward, reward
from guerdon.rollout import Groups
from guerdon.shaping import RunningStandardise
from guerdon.training import (
    Loop,
    PartFailed,
    PolicyRecipe,
    TooManyFailed,
    TrainingStopped,
    held_out_summary,
    train,
)
from guerdon.training.soundness import Soundness

LOOP = Loop(steps=3, groups=2, evaluation_tasks=4, checkpoint_every=0)
HERE = __file__


def deep(n=0):
    return deep(n + 1)


@dataclass(frozen=True)
class Fragile:
    """Judges a batch and raises as a whole: at texts with ``sign``, from ``since`` on."""

    sign: str = ""
    since: int = 0
    kind: str = "recursion"

    def __call__(self, rollouts, progress):
        if progress.step >= self.since and any(self.sign in t for t in rollouts.texts):
            if self.kind == "recursion":
                deep()
            raise AttributeError("no such thing")
        return ShareOfSevens()(rollouts, progress)


def recipe(**changes):
    return build(**{"loop": LOOP, "sampler": Groups(4), "reward": ShareOfSevens(), **changes})


def test_a_completion_on_which_the_reward_raises_costs_its_row_and_not_the_run(tmp_path):
    made = recipe(
        reward=Fragile("8", kind="attribute"), loop=replace(LOOP, max_failed=1.0, steps=2)
    )
    result = train(made, tmp_path / "run", quiet=True)
    assert len(result.history) == 2
    failed = sum(h["failed_rows"] for h in result.history)
    assert failed > 0
    assert all(h["updates"] for h in result.history)
    noted = read_failures(tmp_path / "run")
    assert sum(one["count"] for one in noted) == failed
    assert all(one["kind"] == "AttributeError" for one in noted)
    assert all("8" in one["completion"] and HERE in one["error"] for one in noted)
    # metrics, summary and page agree
    metrics = read_metrics(tmp_path / "run")
    summed = sum((Counter(m.get("invalid", {})) for m in metrics), Counter())
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["invalid"] == dict(summed) == {"failed: AttributeError": int(failed)}
    page = (tmp_path / "run/report.html").read_text()
    assert f"<b>{int(failed)}</b></td><td>failed: AttributeError" in page
    assert "Traceback (most recent call last)" in page
    assert "failed rewards" in result.history[0]["alarms"]


def test_a_reward_that_always_raises_ends_the_run_before_its_first_step(tmp_path, capsys):
    with pytest.raises(TooManyFailed) as caught:
        train(recipe(reward=Fragile()), tmp_path / "run", quiet=True)
    for part in ("4 of 4", "RecursionError", HERE, "line ", "Mend the reward"):
        assert part in str(caught.value)
    assert not (tmp_path / "run").exists()
    assert isinstance(caught.value, RewardFailed)


USER = """
from guerdon.rewards import reward


@reward
def broken(completion):
    return {"a": 1}["b"]
"""


def test_the_command_line_says_it_in_one_message_with_the_users_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(USER)
    arguments = ["train", "--reward", "mine.py:broken", "--out", "run", "--quiet"]
    small = ["--loop.steps", "2", "--loop.evaluation-tasks", "4", "--loop.groups", "2"]
    assert main([*arguments, *small]) == 1
    said = capsys.readouterr().err.strip().split("\n")[-1]
    for part in ("guerdon train:", "KeyError: 'b'", "mine.py, line 7", "4 of 4"):
        assert part in said
    assert not (tmp_path / "run").exists()


def test_without_held_out_tasks_the_first_step_finds_it(tmp_path):
    made = recipe(reward=Fragile(), loop=replace(LOOP, evaluation_tasks=0))
    before = [p.clone() for p in policy_of(made).module.parameters()]
    policy = policy_of(made)
    with pytest.raises(TooManyFailed, match="8 of 8"):
        train(made, tmp_path / "run", policy=policy, quiet=True)
    after = list(policy.module.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not (tmp_path / "run").exists()


def policy_of(made):
    from guerdon.rollout import LanguagePolicy

    return LanguagePolicy.load(made.model.name)


def test_a_reward_that_begins_to_fail_stops_the_run_whole_and_it_can_be_resumed(tmp_path):
    made = recipe(reward=Fragile(since=1), loop=replace(LOOP, steps=4))
    with pytest.raises(TooManyFailed, match="8 of 8"):
        train(made, tmp_path / "run", quiet=True)
    assert len(read_metrics(tmp_path / "run")) == 2
    assert (tmp_path / "run/checkpoints/step-000002").is_dir()
    assert (tmp_path / "run/model").is_dir()
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["stopped"]["next"].startswith("guerdon train --resume")
    assert "RecursionError" in summary["stopped"]["why"]
    page = (tmp_path / "run/report.html").read_text()
    assert "in deep" in page
    assert "RecursionError" in page
    mended = replace(made, reward=Fragile(since=9))
    resumed = train(mended, tmp_path / "run", quiet=True, resume=True)
    assert len(resumed.history) == 4
    assert "stopped" not in json.loads((tmp_path / "run/summary.json").read_text())


@dataclass(frozen=True)
class Later:
    """A filter that lets the failing through: none of this is the filter's to decide."""

    def __call__(self, experience):
        raise AssertionError("a filter is not asked of rows that nobody could judge")


def test_what_the_filter_would_drop_is_counted_too(tmp_path):
    made = recipe(
        reward=Fragile(), filter=Later(), loop=replace(LOOP, evaluation_tasks=0, resample=2)
    )
    with pytest.raises(TooManyFailed, match="16 of 16"):
        train(made, tmp_path / "run", quiet=True)


@dataclass(frozen=True)
class Breaks:
    """A shaper of the user's own that raises at a step."""

    at: int

    def __call__(self, scores, rollouts, progress):
        if progress.step == self.at:
            raise KeyError("my column")
        return scores


@dataclass
class Counting:
    """A reward with memory that its scores depend on."""

    seen: list = field(default_factory=list)

    def __call__(self, rollouts, progress):
        self.seen.append(len(rollouts))
        made = ShareOfSevens()(rollouts, progress)
        return made.map(lambda value_N: value_N + 0.001 * len(self.seen))

    def state_dict(self):
        return {"seen": list(self.seen)}

    def load_state_dict(self, state):
        self.seen[:] = state["seen"]


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_shaper_that_raises_ends_the_run_whole_and_a_resume_equals_the_unbroken(tmp_path, ahead):
    loop = replace(LOOP, steps=3, evaluation_tasks=2, ahead=ahead)
    whole = recipe(reward=Counting(), shaping=(RunningStandardise(), Breaks(99)), loop=loop)
    broken = replace(whole, shaping=(RunningStandardise(), Breaks(2)))
    with pytest.raises(PartFailed) as caught:
        train(broken, tmp_path / "run", quiet=True)
    for part in ("the shaper Breaks raised", "KeyError: 'my column'", HERE, "mend it and resume"):
        assert part in str(caught.value)
    assert len(read_metrics(tmp_path / "run")) == 2
    assert (tmp_path / "run/checkpoints/step-000002").is_dir()
    resumed = train(whole, tmp_path / "run", quiet=True, resume=True)
    assert len(resumed.history) == 3
    if ahead:
        return  # the batch in flight is sampled again, with the newest weights
    unbroken = train(whole, tmp_path / "unbroken", quiet=True)
    pairs = zip(resumed.model.module.parameters(), unbroken.model.module.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert resumed.history[-1]["reward"] == unbroken.history[-1]["reward"]


def test_a_shaper_that_raises_at_once_leaves_nothing(tmp_path):
    with pytest.raises(PartFailed, match="my column"):
        train(recipe(shaping=(Breaks(0),)), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


@reward
def equal(completion):
    return 1.0


def test_a_filter_that_drops_everything_is_said_at_once_and_ends_the_run(tmp_path, capsys):
    loop = replace(LOOP, steps=9, evaluation_tasks=0, max_empty=2)
    made = recipe(reward=equal, filter=Informative(), loop=loop)
    with pytest.raises(TrainingStopped, match=r"2 steps in a row.*loop.max_empty"):
        train(made, tmp_path / "run", quiet=True)
    metrics = read_metrics(tmp_path / "run")
    assert len(metrics) == 2
    assert "nothing to learn from" in metrics[0]["alarms"]


@reward
def ungradable(completion):
    return None


def test_a_run_without_a_single_grade_says_so_and_does_not_end_in_success(tmp_path, capsys):
    made = recipe(reward=ungradable, loop=replace(LOOP, steps=1))
    result = train(made, tmp_path / "run")
    assert result.nothing_learned.startswith("nothing was learned in 1 steps")
    said = capsys.readouterr().out
    assert "nan" not in said
    assert "4 tasks, none of them could be graded: 4 × the reward returned None" in said
    assert "nothing graded" in said
    (figures,) = result.history
    assert figures["failed_rows"] == 0
    assert figures["invalid"] == {"the reward returned None": 8}
    summary = held_out_summary(result.before, result.after)
    assert summary["after"]["tasks"] == summary["after"]["invalid"] == 4
    page = re.sub(r"base64,[^\"]*", "", (tmp_path / "run/report.html").read_text())
    assert not re.search(r"\bnan\b", page)


def test_the_command_line_fails_where_nothing_was_learned(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(USER.replace('return {"a": 1}["b"]', "return None"))
    small = ["--loop.steps", "1", "--loop.evaluation-tasks", "2", "--loop.groups", "1"]
    assert main(["train", "--reward", "mine.py:broken", "--out", "run", "--quiet", *small]) == 1
    assert "nothing was learned in 1 steps" in capsys.readouterr().err


# ---- the counting, by hand


def counted(rows, failed=0):
    failures = (Failure("E", failed, "E: x (at f.py, line 1)", "t", "c"),) if failed else ()
    return Tally(rows, failures)


def test_failures_are_counted_over_steps_until_there_are_enough():
    sound = Soundness(Loop())
    sound.step(counted(2, 2), {"updates": 1.0})
    assert sound.stopped is None  # two rows are too few
    sound.step(counted(2, 2), {"updates": 1.0})
    assert isinstance(sound.stopped, TooManyFailed)


@pytest.mark.parametrize(("failed", "stops"), [(4, False), (5, True)])
def test_half_of_the_rows_may_fail_and_not_more(failed, stops):
    sound = Soundness(Loop())
    sound.step(counted(8, failed), {"updates": 1.0})
    assert (sound.stopped is not None) is stops


def test_empty_steps_count_in_a_row_and_a_resumed_run_counts_on():
    sound = Soundness(Loop(max_empty=3))
    sound.take_up([{"updates": 1.0}, {"updates": 0.0}, {"updates": 0.0}])
    sound.step(counted(8), {"updates": 0.0})
    assert sound.stopped is not None
    sound = Soundness(Loop(max_empty=3))
    sound.take_up([{"updates": 0.0}, {"updates": 0.0}, {"updates": 1.0}])
    sound.step(counted(8), {"updates": 0.0})
    assert sound.stopped is None
    never = Soundness(Loop(max_empty=0))
    for _ in range(50):
        never.step(counted(8), {"updates": 0.0})
    assert never.stopped is None


@pytest.mark.parametrize("wrong", [{"max_failed": -0.1}, {"max_failed": 1.5}, {"max_empty": -1}])
def test_the_settings_have_ranges(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Loop(**wrong)


def test_a_recipe_with_the_settings_reads_back(tmp_path):
    made = build(sampler=Groups(4), loop=replace(LOOP, max_failed=0.25, max_empty=4))
    made.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == made


def test_a_row_that_fails_takes_no_part_in_the_update():
    """The same run with the failing rows ungradable instead: the weights must be the same."""

    def failing(completion):
        if "8" in completion:
            raise ValueError("eight")
        return float(completion.count("7"))

    def refusing(completion):
        return None if "8" in completion else float(completion.count("7"))

    loop = replace(LOOP, steps=2, evaluation_tasks=0, max_failed=1.0)
    runs = [
        train(recipe(reward=FunctionReward(f), loop=loop), quiet=True) for f in (failing, refusing)
    ]
    pairs = zip(*(run.model.module.parameters() for run in runs), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert [h["invalid_rows"] for h in runs[0].history] == [
        h["invalid_rows"] for h in runs[1].history
    ]
    assert sum(h["failed_rows"] for h in runs[1].history) == 0
    assert sum(h["failed_rows"] for h in runs[0].history) > 0
