"""Monitors in a run: figures in metrics and curves; one that raises ends the run by name."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
import torch
from making import ShareOfSevens

from guerdon.advantages import Imitation
from guerdon.cli.settings import recipe_from
from guerdon.curriculum import ReplayedRows
from guerdon.monitors import CommonestAnswer, GroupSpread
from guerdon.objectives import PolicyGradient
from guerdon.recipes.grpo import build
from guerdon.report import read_metrics
from guerdon.report.curves import _monitors
from guerdon.schedules import Linear
from guerdon.selection import BestOfN
from guerdon.training import Loop, PartFailed, PolicyRecipe, train

LOOP = Loop(steps=3, groups=2, evaluation_tasks=0, checkpoint_every=1)


def recipe(*monitors, **changes):
    return build(**{"loop": LOOP, "reward": ShareOfSevens(), "monitors": monitors, **changes})


@dataclass(frozen=True)
class Counting:
    """Remembers every row it was shown, and what it observed."""

    seen: list[int] = field(default_factory=lambda: [0, 0], compare=False)
    raises: int = -1
    value: float = 0.0

    name: ClassVar[str] = "counting"

    def __call__(self, experience):
        self.seen[0] += len(experience)
        if experience.progress.step == self.raises:
            raise KeyError("lost")
        credited = (experience.advantage != 0).any(1)
        return {
            "rows": self.seen[0],
            "observed": self.seen[1],
            "credited": int(credited.sum()),
            "value": self.value,
        }

    def observe(self, rollouts, scores):
        self.seen[1] += len(rollouts)

    def state_dict(self):
        return {"seen": list(self.seen)}

    def load_state_dict(self, state):
        self.seen[:] = state["seen"]


def stripped(text):
    return text.strip()


def unknown(experience):
    return {"nan": math.nan, "inf": math.inf, "step": experience.progress.step}


def test_figures_are_logged_and_drawn(tmp_path):
    folder = tmp_path / "run"
    train(recipe(CommonestAnswer(), GroupSpread(), CommonestAnswer(stripped), unknown), folder)
    for step, figures in enumerate(read_metrics(folder)):
        assert 0 < figures["monitor/commonest-answer/in_group"] <= 1
        assert 0 < figures["monitor/commonest-answer-2/in_batch"] <= 1
        assert 0 <= figures["monitor/group-spread/dead"] <= 1
        assert figures["monitor/unknown/step"] == step
        assert figures["monitor/unknown/nan"] is None  # and the run went on
        assert figures["monitor/unknown/inf"] is None
    titles = [panel.title for panel in _monitors(read_metrics(folder))]
    assert titles == [
        "Monitor: commonest-answer",
        "Monitor: commonest-answer-2",
        "Monitor: group-spread",
        "Monitor: unknown",
    ]


def test_it_sees_every_row_and_the_advantage_of_those_that_were_chosen():
    changes = {"selection": BestOfN(), "advantage": Imitation(), "objective": PolicyGradient()}
    result = train(recipe(Counting(), **changes))
    assert [f["monitor/counting/rows"] for f in result.history] == [16, 32, 48]
    assert [f["monitor/counting/observed"] for f in result.history] == [16, 32, 48]
    assert [f["monitor/counting/credited"] for f in result.history] == [2, 2, 2]


def test_it_sees_what_was_sampled_and_not_what_a_buffer_adds():
    result = train(recipe(Counting(), buffer=ReplayedRows(share=0.5)))
    assert [f["monitor/counting/rows"] for f in result.history] == [16, 32, 48]
    assert result.history[2]["learned_rows"] > 16


def test_what_it_remembers_is_in_checkpoints(tmp_path):
    train(recipe(Counting()), tmp_path / "run", stop_after=2)
    result = train(recipe(Counting()), tmp_path / "run", resume=True)
    assert [f["monitor/counting/rows"] for f in result.history] == [16, 32, 48]


def test_one_that_raises_ends_the_run_whole_as_it_was_before_the_step(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(PartFailed, match="the monitor Counting raised KeyError"):
        train(recipe(Counting(raises=1)), folder)
    assert (folder / "summary.json").exists()
    state = torch.load(folder / "checkpoints" / "step-000001" / "state.pt", weights_only=True)
    assert state["parts"]["recipe.monitors[0]"] == {"seen": [16, 16]}


@pytest.mark.parametrize(("said", "told"), [([1.0], "a list"), ({"a": "b"}, "ValueError")])
def test_what_are_no_figures_is_named(said, told):
    def odd(experience):
        return said

    with pytest.raises(PartFailed, match=f"the monitor odd raised .*{told}"):
        train(recipe(odd))


def test_a_number_of_a_monitor_may_follow_the_run():
    result = train(recipe(Counting(value=Linear(0.0, 1.0))))
    assert [f["monitor/counting/value"] for f in result.history] == [0.0, 0.5, 1.0]


@dataclass(frozen=True)
class Needy:
    what: str
    needs: ClassVar[frozenset[str]] = frozenset({"entropy"})

    def __call__(self, experience):
        known = getattr(experience.rollouts, self.what)
        return {"mean": float(known[experience.rollouts.mask].mean())}


@dataclass(frozen=True)
class NeedsReference(Needy):
    needs: ClassVar[frozenset[str]] = frozenset({"reference"})


def test_what_it_needs_is_there_or_refused():
    result = train(recipe(Needy("entropy")))
    assert result.history[0]["monitor/Needy/mean"] > 0
    with pytest.raises(ValueError, match=r"has none; set recipe\.reference"):
        recipe(NeedsReference("reference_logps"))


def test_monitors_and_buffer_by_name_and_in_a_file(tmp_path):
    given = ["--monitors", "commonest-answer,group-spread", "--buffer", "replayed-rows"]
    more = ["--monitors.1.tolerance", "0.1", "--buffer.share", "0.4", "--buffer.keep", "best"]
    made = recipe_from("grpo", [*given, *more])
    assert made.monitors == (CommonestAnswer(), GroupSpread(tolerance=0.1))
    assert made.buffer == ReplayedRows(share=0.4, keep="best")
    made.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == made
    assert recipe_from("grpo", [*given, "--monitors", "none", "--buffer", "none"]).monitors == ()
