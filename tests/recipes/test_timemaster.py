"""TimeMaster: the reward by hand, the miniature in small, and the recipe in the real loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from making import make_rollouts, make_scores

from guerdon.advantages import GroupNormalised
from guerdon.claims import timemaster as miniature
from guerdon.recipes import load_recipe, timemaster
from guerdon.records import Experience, Progress, Scores, Task
from guerdon.rewards.answers.extension import LabelAndExtension, RepliedRating, bare_rating
from guerdon.rollout import Groups
from guerdon.training import Loop, PolicyRecipe, train


def judged(*texts: str, answer: str = "laptop", **settings: object) -> tuple[Scores, list[str]]:
    asked: list[str] = []

    def judge(task: Task, label: str, extension: str) -> float:
        asked.append(extension)
        return float(extension.split()[0])

    rows = replace(make_rollouts([0] * len(texts)), texts=texts, tasks=(Task("t", "", answer),))
    reward = LabelAndExtension(judge, ("Laptop", "desktop"), **settings)
    return reward(rows, Progress()), asked


def text(label: str, extension: str = "") -> str:
    return f"<think>.</think><class> {label} </class><extension>{extension}</extension>"


def test_levels_worked_by_hand() -> None:
    scores, asked = judged(
        text("Laptop"),
        text("tablet"),
        text("desktop", "1.0"),
        text("LAPTOP", "0.7 of it"),
        text("laptop", "0.7 after Physical examination"),
        text("laptop", "0.3 by physical examination"),
        text("laptop", "7"),
        "laptop",
        "",
    )
    expected = [1.0, 0, 0.1, 1.35, 1.2, 1.15, 1.5, 0, 0]
    assert scores.value.tolist() == pytest.approx(expected)
    assert len(asked) == 4  # never about a wrong class or without an extension
    total = sum(scores.parts.values())
    assert total.tolist() == pytest.approx(expected)


def test_without_the_gate_wrong_classes_are_paid_too() -> None:
    scores, asked = judged(text("desktop", "1.0"), text("tablet", "1.0"), gated=False)
    assert scores.value.tolist() == pytest.approx([0.6, 0.0])
    assert asked == ["1.0"]


def test_tags_are_read_in_any_case_and_the_strict_form_needs_all_of_them() -> None:
    loud = text("laptop", "0.5").replace("class>", "CLASS>").replace("think>", "Think>")
    bare = "<class>laptop</class>"
    turned = "<class>laptop</class><think>x</think><extension>1</extension>"
    cases = (loud, bare, turned, text("laptop"), "<Class>desktop</Class>")
    assert judged(*cases)[0].value.tolist() == pytest.approx([1.25, 1.0, 1.5, 1.0, 0.1])
    strict, asked = judged(*cases, strict=True)
    assert strict.value.tolist() == pytest.approx([1.25, 0.9, 0.9, 0.9, 0.0])
    assert asked == ["0.5"]


def test_a_failing_judge_is_no_zero() -> None:
    scores, _ = judged(text("laptop", "Score: 0.6"), text("laptop", "nan"), text("laptop", "0.5"))
    assert scores.valid.tolist()[::2] == [False, True]
    assert str(scores.reasons[0]).startswith("judge: ValueError")
    with pytest.raises(ValueError, match="task 't': its answer 'tablet' is none of the labels"):
        judged(text("laptop"), answer="tablet")


def test_a_judges_reply_is_a_number_alone_or_a_failure() -> None:
    assert bare_rating("0.625") == bare_rating(" .625\n") == 0.625
    for reply in ("Score: 0.6", "", "nan", "1.5", "-0.1", "0.6 or 0.7", "9" * 5000):
        with pytest.raises(ValueError, match="the judge replied"):
            bare_rating(reply)


def test_a_reply_that_can_not_be_read_is_asked_for_again_and_then_counts_as_told() -> None:
    rows = replace(make_rollouts([0]), texts=(text("laptop", "x"),))
    rows = replace(rows, tasks=(Task("t", "", "laptop"),))
    asked: list[str] = []

    def rated(*replies: str, **settings: object) -> Scores:
        given = iter(replies)
        asked.clear()

        def ask(task: Task, label: str, extension: str) -> str:
            asked.append(extension)
            return next(given)

        reward = LabelAndExtension(RepliedRating(ask), ("laptop",), **settings)
        return reward(rows, Progress())

    assert rated("0.625").value.item() == pytest.approx(1 + 0.5 * 0.625)
    assert rated("7", "Score: 0.6", "0.5").value.item() == pytest.approx(1.25)
    assert len(asked) == 3
    assert not rated("Score: 0.6", "2", "2").valid.any()
    assert len(asked) == 3
    released = rated("Score: 0.6", "2", "2", failed=0.0)
    assert released.value.item() == pytest.approx(1.0)


def test_a_group_worked_by_hand() -> None:
    credit = GroupNormalised()(
        Experience(make_rollouts([0] * 5), make_scores([1.25, 1.0, 0.1, 0, 1.0]))
    )
    expected = [1.0066, 0.5727, -0.9892, -1.1628, 0.5727]
    assert credit[:, 0].tolist() == pytest.approx(expected, abs=1e-4)


def test_the_rule_that_judges_the_seedling() -> None:
    task = Task("t", "", "B", {"choices": {"A": "4", "B": "54"}})
    texts = (
        r"<think>54</think><answer>\boxed{B}</answer>",
        r"<think>4</think><answer>\boxed{B}</answer>",
        r"<think>4</think><answer>\boxed{A}</answer>",
        r"<think>4</think><answer>\boxed{E}</answer>",
    )
    rows = replace(make_rollouts([0] * 4), texts=texts, tasks=(task,))
    scores = timemaster.build().reward(rows, Progress())
    assert scores.value.tolist() == pytest.approx([1.5, 1.0, 0.1, 0.0])


def test_the_miniature_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    monkeypatch.setattr(miniature, "UPDATES", 0)
    start = miniature.Miniature(allowance=0.03)(0, told.append)
    assert start["accuracy"] == pytest.approx(0.5 / 3)
    assert start["accuracy within 0.03"] == pytest.approx(0.5 / 3 - 0.03)
    assert start["extension quality"] == pytest.approx(0.325, abs=0.001)
    monkeypatch.setattr(miniature, "UPDATES", 20)
    gated = miniature.Miniature()(0, told.append)
    assert miniature.Miniature()(0, told.append) == gated
    assert gated["accuracy"] > start["accuracy"]


def test_recipe_round_trips(tmp_path: Path) -> None:
    recipe = load_recipe("timemaster").build()
    recipe.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == recipe


def test_runs_on_the_seedling() -> None:
    loop = Loop(steps=2, groups=3, evaluation_tasks=4, checkpoint_every=0)
    result = train(timemaster.build(loop=loop, sampler=Groups(5)), quiet=True)
    assert len(result.history) == 2
    assert all(h["invalid_share"] == 0 for h in result.history)
