"""References that a reward can't read are told before anything is learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from guerdon.cli.commands import run
from guerdon.records import Task
from guerdon.rewards import AnswerMatch, ChoiceMatch, FormatReward, Router, WeightedSum
from guerdon.rewards.running.rows import answer_texts, read_reference
from guerdon.training.task_checks import unread_references

TASKS = [Task("a", "?", "7"), *(Task(str(n), "?", {"value": n}) for n in range(4))]


def test_it_tells_how_many_of_how_many_and_shows_three() -> None:
    reward = WeightedSum({"right": AnswerMatch(), "form": FormatReward()})
    (line,) = unread_references(reward, TASKS)
    assert "can't read 4 of 5 references" in line
    assert line.count("the reference is a dict") == 3
    assert "task '0'" in line
    assert "task '3'" not in line
    assert unread_references(reward, TASKS[:1]) == []


def test_parts_of_a_router_are_asked_for_the_tasks_of_their_route() -> None:
    number = [replace(task, columns={"task_type": "number"}) for task in TASKS[:2]]
    choice = [Task(f"c{n}", "?", answer, {"task_type": "choice"}) for n, answer in enumerate("B2")]
    inner = Router({"number": AnswerMatch(), "choice": ChoiceMatch()})
    lines = unread_references(WeightedSum({"all": inner}), [*number, *choice, TASKS[-1]])
    routed = "recipe.reward.rewards.all"
    assert [line.partition(" references")[0] for line in lines] == [
        f"{routed} can't read 1 of 5",
        f"{routed}.rewards.number can't read 1 of 2",
        f"{routed}.rewards.choice can't read 1 of 2",
    ]
    assert "no reward for task_type = None" in lines[0]
    assert (
        unread_references(Router({"x": ChoiceMatch()}, otherwise=inner), [*number[:1], *choice[:1]])
        == []
    )


@pytest.mark.parametrize(
    ("answer", "texts"),
    [
        (np.float64(0.5), ["0.5"]),
        (np.array([7, 8]), ["7", "8"]),
        (np.array(["a"]), ["a"]),
        (np.array(7), ["7"]),
        ([np.int64(7), " ", None], ["7"]),
        (float("nan"), []),
        (b"7", []),
    ],
)
def test_scalars_and_arrays_are_answers(answer: object, texts: list[str]) -> None:
    assert answer_texts(answer)[0] == texts


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("2+5 = <<2+5=7>>7 pens\n#### 7", "7"),
        (r"The answer is \boxed{72}.", "72"),
        ("$72$ clips", "72 clips"),
        ("<think>1</think><answer>72</answer>", "72"),
        ("x^2 + 1", "x^2 + 1"),
        ("Oslo", "Oslo"),
    ],
)
def test_references_are_read_as_answers_are(text: str, answer: str) -> None:
    assert read_reference(text) == answer


def test_score_says_that_references_themselves_earn_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.jsonl"
    rows = ('{"prompt": "?", "completion": "a\\nb", "answer": "a\\nb"}\n' * 2,)
    file.write_text("".join(rows))
    assert run(["score", str(file)]) == 0
    assert "though 2 of 2 completions are their own reference" in capsys.readouterr().err
    file.write_text('{"prompt": "?", "completion": "7", "answer": "7"}\n')
    assert run(["score", str(file)]) == 0
    assert "own reference" not in capsys.readouterr().err
