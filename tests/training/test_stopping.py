"""Ends in the middle of a step: evaluations broken off, parts that raise, rewards that fork."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from kills.comparing import differences, figures
from kills.entries import BRIEF, LOOP, Fragile, Lottery

from guerdon.objectives import ClippedSurrogate
from guerdon.recipes.grpo import build
from guerdon.records import Loss, Progress, Rollouts, Scores
from guerdon.rollout import Groups
from guerdon.sealed import fault
from guerdon.training import AdamW, PartFailed, PolicyRecipe, train


def recipe(**changes: Any) -> PolicyRecipe:
    made = build(reward=Lottery(), optimiser=AdamW(lr=3e-3), sampler=Groups(4, BRIEF), loop=LOOP)
    return replace(made, evaluation_sampling=BRIEF, **changes)


@dataclass(frozen=True)
class Wearing:
    """Pays less the more it has judged, evaluations too; the ``deadly``-th call is struck."""

    deadly: ClassVar[int] = 0
    calls: ClassVar[int] = 0
    seen: list[int] = field(default_factory=lambda: [0], init=False, compare=False)

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        Wearing.calls += 1
        self.seen[0] += len(rollouts)
        if Wearing.calls == self.deadly:
            os.kill(os.getpid(), signal.SIGTERM)
        paid = Lottery()(rollouts, progress)
        return replace(paid, value=paid.value / self.seen[0])

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen[0]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen[0] = state["seen"]


def test_an_evaluation_between_steps_is_broken_off_and_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made = recipe(reward=Wearing())
    made = replace(made, loop=replace(made.loop, evaluate_every=1))
    monkeypatch.setattr(Wearing, "calls", 0)
    train(made, tmp_path / "whole", quiet=True)
    # Evaluated first, then a step's batch and an evaluation in turns: the fifth call is the
    # evaluation after the second step. Broken off once more, when it is made up for.
    for resume, deadly in ((False, 5), (True, 1)):
        monkeypatch.setattr(Wearing, "calls", 0)
        monkeypatch.setattr(Wearing, "deadly", deadly)
        stopped = train(made, tmp_path / "run", quiet=True, resume=resume)
        assert stopped.signal == signal.SIGTERM
        assert "held-out results are left out" in capfd.readouterr().err
        assert ["held_out" in line for line in figures(tmp_path / "run")] == [True, False]
    monkeypatch.setattr(Wearing, "deadly", 0)
    train(made, tmp_path / "run", quiet=True, resume=True)
    assert ["held_out" in line for line in figures(tmp_path / "run")] == [True, True, True, False]
    assert differences(tmp_path / "whole", tmp_path / "run") == []


@dataclass(frozen=True)
class Tearing(ClippedSurrogate):
    """Raises in its ``at``-th call."""

    at: ClassVar[int] = 0
    calls: ClassVar[int] = 0

    def __call__(self, *arguments: Any) -> Loss:
        Tearing.calls += 1
        if Tearing.calls == self.at:
            raise IndexError("no such token")
        return super().__call__(*arguments)


def test_an_objective_that_raises_is_named_with_the_command_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = recipe(objective=Tearing())
    monkeypatch.setattr(Tearing, "calls", 0)
    train(made, tmp_path / "whole", quiet=True)
    assert Tearing.calls == 4
    monkeypatch.setattr(Tearing, "calls", 0)
    monkeypatch.setattr(Tearing, "at", 4)
    with pytest.raises(PartFailed) as caught:
        train(made, tmp_path / "run", quiet=True)
    told = str(caught.value)
    for part in ("the objective Tearing", "IndexError: no such token", __file__, "--resume"):
        assert part in told
    assert "what was done after step 2's checkpoint is done again" in told
    monkeypatch.setattr(Tearing, "at", 0)
    train(made, tmp_path / "run", quiet=True, resume=True)
    assert differences(tmp_path / "whole", tmp_path / "run") == []


@dataclass(frozen=True)
class Forking(Lottery):
    """Forks, and lets both go on."""

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        os.fork()
        return super().__call__(rollouts, progress)


def forking_run(folder: Path) -> None:
    """To be called in a process of its own, which has no other children to wait for."""
    train(recipe(reward=Forking()), folder, quiet=True)
    ends = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(6)]
    assert ends == [1] * 6  # two evaluations and four steps
    with pytest.raises(ChildProcessError):
        os.wait()


def test_a_reward_that_forks_does_not_make_two_of_the_run(tmp_path: Path) -> None:
    train(recipe(), tmp_path / "whole", quiet=True)
    code = "import pathlib, sys; from training.test_stopping import forking_run; "
    code += "forking_run(pathlib.Path(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=200,
        check=True,
    )
    assert figures(tmp_path / "run") == figures(tmp_path / "whole")


def test_what_a_reward_failed_on_is_sealed_and_rewound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = recipe(reward=Fragile())
    made = replace(made, loop=replace(made.loop, max_failed=1.0))
    train(made, tmp_path / "whole", quiet=True)
    run = tmp_path / "run"
    train(made, run, quiet=True, stop_after=3)
    noted = (run / "failures.jsonl").read_bytes()
    assert noted
    assert fault(run, alone=False) is None
    (run / "failures.jsonl").write_bytes(
        noted.replace(b"LookupError", b"LookupErrer", 1) + b"{\n[]\n"
    )
    assert (
        fault(run, alone=False) == "'failures.jsonl' is not what was written (its digest differs)"
    )
    (run / "failures.jsonl").write_bytes(noted + b'{\n[1]\n{"step": 3, "kind": "x"}\n{"ste')
    train(made, run, quiet=True, resume=True)
    told = capsys.readouterr().err
    lines = noted.count(b"\n")
    assert f"failures.jsonl, line {lines + 1} can't be read (no JSON" in told
    assert f"failures.jsonl, line {lines + 2} can't be read (it names no step)" in told
    assert (run / "failures.jsonl.damaged").exists()
    assert differences(tmp_path / "whole", run) == []
    for line in (run / "failures.jsonl").read_text().splitlines():
        assert json.loads(line)["error"].count("LookupError: eighth")
