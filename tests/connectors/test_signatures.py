"""A user's function on the command line: its parameters say for which trainer it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rewards.completions import rollouts_of

from guerdon.cli.audit import subject_of
from guerdon.cli.part_names import part_of
from guerdon.judging import judged
from guerdon.parts import describe, rebuild
from guerdon.records import Progress, Task

MINE = """
def plain(completion, answer):
    return float(completion == answer)

def trl_texts(completions, solution, **kwargs):
    return [float(c == s) for c, s in zip(completions, solution)]

def trl_chats(completions: list[list[dict[str, str]]], prompts, answer):
    return [float(c[0]["content"] == a) for c, a in zip(completions, answer)]

def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    assert data_source == "sums" and extra_info["index"] == 3, (data_source, extra_info)
    return {"score": float(solution_str == ground_truth), "length": len(solution_str)}

def compute_scores(data_sources, solution_strs, ground_truths, extra_infos):
    return [0.0] * len(solution_strs)

def trl_contents(completions, **kwargs):
    contents = [completion[0]["content"] for completion in completions]
    return [float(c == s) for c, s in zip(contents, kwargs["ground_truth"])]

def compute_answer(solution_str, ground_truth, method="strict"):
    assert method == "strict"
    return float(solution_str == ground_truth)

def plain_needs(completion, answer, level):
    return float(completion == answer) * level

def trl_needs(completions, answer, level):
    return [float(c == a) * l for c, a, l in zip(completions, answer, level)]

def verl_needs(solution_str, ground_truth, level, **kwargs):
    assert kwargs["data_source"] == "sums"
    return float(solution_str == ground_truth) * level

def whole(rollouts, progress):
    from guerdon.records import Scores
    import torch
    return Scores(torch.ones(len(rollouts)))
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    return file


NAMES = ("plain", "trl_texts", "trl_chats", "trl_contents", "compute_score", "compute_answer")


@pytest.mark.parametrize("name", [*NAMES, "whole"])
def test_a_function_is_called_as_its_trainer_calls_it(mine: Path, name: str) -> None:
    reward: Any = part_of("reward", f"{mine}:{name}")
    columns = {"data_source": "sums", "extra_info": {"index": 3}, "method": "a column"}
    rollouts = rollouts_of(("5", "6"), Task("t", "2+3?", "5", columns))
    scores = judged(reward, rollouts, Progress())
    assert scores.valid.tolist() == [True, True], scores.errors
    assert scores.value.tolist() == ([1.0, 1.0] if name == "whole" else [1.0, 0.0])
    if name != "whole":
        assert rebuild(describe(reward)) == reward


@pytest.mark.parametrize("name", ["plain_needs", "trl_needs", "verl_needs"])
def test_a_column_that_is_needed_is_given_or_named(mine: Path, name: str) -> None:
    reward: Any = part_of("reward", f"{mine}:{name}")
    tasks = [Task("t", "2+3?", "5", {"data_source": "sums", "level": 0.5}), Task("u", "?", "5")]
    reward.check_tasks(tasks[:1])
    scores = judged(reward, rollouts_of(("5", "6"), tasks[0]), Progress())
    assert scores.value.tolist() == [0.5, 0.0]
    asked = rf"reward '{name}' asks for 'level', but task 'u' has no such column; it can name"
    with pytest.raises(ValueError, match=asked):
        reward.check_tasks(tasks)
    lacking = judged(reward, rollouts_of(("5", "6"), tasks[1]), Progress())
    assert lacking.valid.tolist() == [False, False]
    assert "asks for 'level'" in (lacking.reasons[0] or "")


def test_verls_function_of_a_batch_is_told(mine: Path) -> None:
    with pytest.raises(ValueError, match=r"compute_scores judges verl's batches \(solution_strs\)"):
        part_of("reward", f"{mine}:compute_scores")


def test_an_audit_takes_each_of_them(mine: Path) -> None:
    for name in ("trl_texts", "trl_chats"):
        subject = subject_of(f"{mine}:{name}", None, 2, 10.0)
        assert subject.probes[0].form == "{answer}"
