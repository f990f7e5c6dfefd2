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


@pytest.mark.parametrize("name", ["plain", "trl_texts", "trl_chats", "compute_score", "whole"])
def test_a_function_is_called_as_its_trainer_calls_it(mine: Path, name: str) -> None:
    reward: Any = part_of("reward", f"{mine}:{name}")
    columns = {"data_source": "sums", "extra_info": {"index": 3}}
    rollouts = rollouts_of(("5", "6"), Task("t", "2+3?", "5", columns))
    scores = judged(reward, rollouts, Progress())
    assert scores.valid.tolist() == [True, True], scores.errors
    assert scores.value.tolist() == ([1.0, 1.0] if name == "whole" else [1.0, 0.0])
    if name != "whole":
        assert rebuild(describe(reward)) == reward


def test_verls_function_of_a_batch_is_told(mine: Path) -> None:
    with pytest.raises(ValueError, match=r"compute_scores judges verl's batches \(solution_strs\)"):
        part_of("reward", f"{mine}:compute_scores")


def test_an_audit_takes_each_of_them(mine: Path) -> None:
    for name in ("trl_texts", "trl_chats"):
        subject = subject_of(f"{mine}:{name}", None, 2, 10.0)
        assert subject.probes[0].form == "{answer}"
