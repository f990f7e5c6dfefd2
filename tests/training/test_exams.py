"""Exams: further held-out sets, each with a reward of its own, measured as the run's own set is."""

import json
import re
from dataclasses import dataclass, replace

import pytest
import torch
from making import ShareOfSevens

from guerdon.cli import main
from guerdon.cli.settings import recipe_from
from guerdon.recipes.grpo import build
from guerdon.records import Scores, Task
from guerdon.report import build_report, read_metrics
from guerdon.rewards import AnswerMatch, FormatReward
from guerdon.rollout import Groups
from guerdon.schedules import Linear
from guerdon.stages import Sampling
from guerdon.tasks import Arithmetic, FileTasks
from guerdon.training import Exam, Loop, PolicyRecipe, TooManyFailed, train
from guerdon.training.held_out import OWN, HeldOut
from guerdon.training.held_out_summary import figures_of

LOOP = Loop(steps=3, groups=2, evaluation_tasks=6, evaluate_every=1)
SHORT = Sampling(max_tokens=6)


@dataclass(frozen=True)
class Listed:
    """Tasks of these ids, all held out but those that ``trained`` names."""

    ids: tuple[str, ...] = ("x", "y", "z")
    trained: tuple[str, ...] = ()

    def load(self, split):
        ids = self.ids if split == "test" else self.trained
        return [Task(name, f"{name}+1=", "7") for name in ids]


@dataclass(frozen=True)
class Length:
    """A number that no range bounds: characters, times ``weight``."""

    weight: float = 1.0

    def __call__(self, rollouts, progress):
        return Scores(self.weight * torch.tensor([float(len(t)) for t in rollouts.texts]))


@dataclass(frozen=True)
class Raises:
    def __call__(self, rollouts, progress):
        raise AttributeError("no such thing")


def recipe(*exams, **changes):
    made = {"loop": LOOP, "reward": ShareOfSevens(), "sampler": Groups(4, SHORT)}
    return build(**{**made, "evaluation_sampling": SHORT, "exams": exams, **changes})


OTHER = Exam("other", Listed(), Length())


def test_an_exam_is_measured_before_between_and_after(tmp_path, capsys):
    folder = tmp_path / "run"
    made = recipe(OTHER, Exam("same", Listed(ids=("p", "q")), count=1))
    result = train(made, folder)
    before, after = result.exams["other"]
    assert [len(one.results) for one in (before, after)] == [3, 3]
    assert len(result.exams["same"][0].results) == 1  # count
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["exams"]["other"]["before"]["mean"] == before.mean
    assert summary["exams"]["other"]["after"]["mean"] == after.mean
    assert {"mean", "low", "high"} <= summary["exams"]["other"]["gain"].keys()
    between = [figures.get("exam/other/mean") for figures in read_metrics(folder)]
    assert all(value is not None for value in between[:2])
    assert between[2] is None  # the last is the one after
    page = (folder / "report.html").read_text()
    assert re.search(r"<h2>Exams</h2>.*other.*before → <b>.*after.*gain", page, re.S)
    shown = capsys.readouterr().out
    assert "exam other: value" in shown
    assert re.search(r"exam other +value .*→", shown)


def test_an_exam_changes_nothing_else():
    plain, with_one = (train(recipe(*exams)) for exams in ((), (OTHER,)))
    assert plain.before == with_one.before
    assert plain.after == with_one.after
    assert [h["loss"] for h in plain.history] == [h["loss"] for h in with_one.history]


def test_figures_have_the_interval_and_the_own_set_keeps_its_name():
    result = HeldOut((0.0, 1.0, 1.0, 0.0), "accuracy", 0.0, 1.0)
    told = figures_of({OWN: result, "e": result})
    assert told["held_out"] == told["exam/e/mean"] == 0.5
    # Wilson's interval of 2 of 4
    assert told["exam/e/low"] == pytest.approx(0.150, abs=1e-3)
    assert told["exam/e/high"] == pytest.approx(0.850, abs=1e-3)


def test_without_an_own_reward_the_runs_is_asked_and_sampling_may_differ():
    long = Sampling(max_tokens=9, temperature=0.0)
    made = recipe(Exam("short", Listed()), Exam("long", Listed(), sampling=long))
    result = train(replace(made, loop=replace(LOOP, steps=1)))
    short, longer = (result.exams[name][0] for name in ("short", "long"))
    assert short.metric == "value"
    assert short.mean_length <= 6
    assert short.mean_length < longer.mean_length <= 9


def test_exams_alone_are_enough_to_tell_whether_training_helped(tmp_path, capsys):
    loop = replace(LOOP, evaluation_tasks=0, steps=1)
    result = train(recipe(OTHER, loop=loop), tmp_path / "run")
    assert result.before is None
    assert result.exams["other"][1] is not None
    page = (tmp_path / "run" / "report.html").read_text()
    for text in (page, capsys.readouterr().out):
        assert "nothing here tells" not in text
        assert "nothing tells whether" not in text
        assert "no held-out tasks" not in text


def test_a_shared_id_names_the_exam():
    with pytest.raises(ValueError, match=r"1 held-out tasks of the exam 'twin' are also .*'y'"):
        train(recipe(Exam("twin", Listed()), tasks=Listed(("a",), ("y", "b"))))


def test_an_exam_without_tasks_is_named():
    with pytest.raises(ValueError, match="the exam 'empty' has no tasks"):
        train(recipe(Exam("empty", Listed(()))))


def test_names_are_apart_and_fit_for_figures():
    with pytest.raises(ValueError, match="two exams are called 'other'"):
        recipe(OTHER, OTHER)
    for name in ("", "a/b", "../x", "-x"):
        with pytest.raises(ValueError, match=r"exam\.name is"):
            Exam(name, Listed())


def test_a_reward_that_fails_on_an_exam_ends_the_run_and_names_it():
    with pytest.raises(TooManyFailed, match=r"exam 'sore': .*AttributeError"):
        train(recipe(Exam("sore", Listed(), Raises())))


def test_a_number_of_an_exams_reward_may_be_a_schedule_and_no_other():
    rising = Exam("rising", Listed(), Length(Linear(0.0, 1.0)))
    result = train(recipe(rising))
    before, after = result.exams["rising"]
    assert before.mean == 0
    assert after.mean > 0
    with pytest.raises(ValueError, match=r"exams\[0\]\.sampling\.temperature .*read once"):
        recipe(replace(OTHER, sampling=Sampling(temperature=Linear(1.0, 0.0))))


def test_an_exams_reward_may_not_need_what_is_not_known_when_rows_are_judged():
    @dataclass(frozen=True)
    class Needy(Length):
        needs = frozenset({"reference"})

    with pytest.raises(ValueError, match="needs reference"):
        recipe(Exam("needy", Listed(), Needy()))


def test_a_resumed_run_knows_what_exams_were_before(tmp_path):
    whole = train(recipe(OTHER), tmp_path / "whole")
    train(recipe(OTHER), tmp_path / "cut", stop_after=1)
    gone_on = train(recipe(OTHER), tmp_path / "cut", resume=True)
    assert gone_on.exams == whole.exams
    assert gone_on.before == whole.before


def test_exams_go_to_a_recipe_file_and_back(tmp_path):
    made = recipe(Exam("sums", Arithmetic(), AnswerMatch(), SHORT, 5), reward=AnswerMatch())
    made.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == made


def test_the_command_line_lays_exams_over_a_recipe(tmp_path):
    file = tmp_path / "hard, or so.jsonl"
    file.write_text('{"prompt": "1+1=", "answer": "2"}\n{"prompt": "2+1=", "answer": "3"}\n')
    given = ["--exams", f"hard={file}", "--exams=form=arithmetic,format", "--exams.0.count", "7"]
    made = recipe_from("grpo", given)
    assert made.exams[0] == Exam("hard", FileTasks(str(file), held_out=1.0), count=7)
    assert made.exams[1] == Exam("form", Arithmetic(), FormatReward())
    assert len(made.exams[0].tasks.load("test")) == 2
    assert recipe_from("grpo", [*given[:2], "--exams", f"hard={file},format"]).exams == (
        Exam("hard", FileTasks(str(file), held_out=1.0), FormatReward()),
    )
    assert recipe_from("grpo", [*given[:2], "--exams", "none"]).exams == ()


@pytest.mark.parametrize("given", ["hard", "=x", "hard=", "", "hard=no-such-file"])
def test_an_exam_that_can_not_be_read_is_told(given, capsys):
    assert main(["train", "--exams", given, "--settings"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_evaluate_answers_exams_too(tmp_path, capsys):
    file = tmp_path / "two.jsonl"
    file.write_text('{"prompt": "1+1=", "answer": "2"}\n{"prompt": "2+1=", "answer": "3"}\n')
    arguments = ["evaluate", "--loop.evaluation-tasks", "3", "--exams", f"two={file}"]
    arguments += ["--evaluation-sampling.max-tokens", "8"]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tasks"] == 3
    assert found["exams"]["two"]["tasks"] == 2
    assert main(arguments) == 0
    assert "exam two: accuracy" in capsys.readouterr().out


def test_the_page_shows_an_exams_name_as_text(tmp_path):
    folder = tmp_path / "run"
    train(recipe(OTHER, loop=replace(LOOP, steps=1)), folder)
    summary = json.loads((folder / "summary.json").read_text())
    summary["exams"] = {"<b>x</b>": summary["exams"]["other"]}
    (folder / "summary.json").write_text(json.dumps(summary))
    page = build_report(folder).read_text()
    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
