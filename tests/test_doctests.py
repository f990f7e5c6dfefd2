"""The examples in docstrings of the public mathematics are true."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = (
    "documented",
    "evaluation.intervals",
    "evaluation.repeated",
    "groups",
    "objectives.kl",
    "overlong",
    "parsing.boxed",
    "parsing.numbers",
    "records.written",
    "rewards.actions.boxes",
    "rewards.actions.tool_calls",
    "rewards.answers.choice",
    "rewards.answers.free_text",
    "rewards.answers.lists",
    "rewards.models.likelihood",
    "rewards.text.overlap",
    "rewards.text.repetition",
    "schedules",
    "shaping.curves",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"guerdon.{name}"))
    assert found.attempted > 0
    assert found.failed == 0
