"""Form: tags, stages, repetition, length that depends on accuracy, script."""

import pytest
import torch
from completions import START, rollouts_of, task

from guerdon.rewards import (
    AnswerMatch,
    CosineLength,
    GroupRelativeLength,
    RepetitionPenalty,
    ScriptShare,
    StageShare,
    TagShare,
    characters,
)
from guerdon.rewards.text.length import cosine_between
from guerdon.rewards.text.repetition import repetition


def judge(part: object, *texts: str) -> list[float]:
    return part(rollouts_of(texts, task("7")), START).value.tolist()  # type: ignore[operator]


def test_tags_earn_a_quarter_each_when_they_occur_once() -> None:
    texts = (
        "<think>a</think><answer>b</answer>",
        "</answer><answer></think><think>",
        "<think>a</think>",
        "<think><think>a</think><answer>b</answer>",
        "",
    )
    assert judge(TagShare(), *texts) == [1, 1, 0.5, 0.75, 0]


def test_stages_are_looked_for_in_their_section_only() -> None:
    part = StageShare({"one": ("first",), "two": ("then", "next")})
    texts = ("<think>First a, next b</think>", "<think>first</think> then", "first then", "")
    assert judge(part, *texts) == [1, 0.5, 0, 0]
    assert judge(StageShare({"one": ("first",)}, section=""), "at FIRST") == [1]
    with pytest.raises(ValueError, match="at least one phrase"):
        StageShare({"one": ()})


def test_repetition_in_numbers() -> None:
    texts = ("a a a a a", "a b c d e", "a b", "A a a")
    assert judge(RepetitionPenalty(), *texts) == pytest.approx([-2 / 3, 0, 0, 0])
    assert judge(RepetitionPenalty(penalty=-0.5), "a a a a a") == pytest.approx([-1 / 3])
    # abab, n = 2: ab ba ab, two of three distinct
    assert judge(RepetitionPenalty(2, split=characters), "abab") == pytest.approx([-1 / 3])
    assert repetition("aaaa", 1) == 0.75
    with pytest.raises(ValueError, match="below 0"):
        RepetitionPenalty(penalty=1.0)


def test_cosine_between_its_ends() -> None:
    lengths = torch.tensor([0, 50, 100, 150])
    assert cosine_between(lengths, 100, 0.5, 1.0).tolist() == pytest.approx([0.5, 0.75, 1, 1])
    assert cosine_between(lengths, 100, -0.5, 0.0).tolist() == pytest.approx([-0.5, -0.25, 0, 0])


def with_lengths(texts: list[str], lengths: list[int], group: list[int]) -> object:
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    tasks = [task("7" if g < 2 else None, str(g)) for g in range(max(group) + 1)]
    return rollouts_of(texts, *tasks, group=group, mask=mask)


def test_cosine_length_of_right_wrong_and_cut_answers() -> None:
    rollouts = with_lengths(["7", "8", "7", "7"], [5, 5, 10, 5], [0, 1, 0, 2])
    part = CosineLength(AnswerMatch(), limit=10)
    scores = part(rollouts, START)  # type: ignore[arg-type]
    assert scores.value[:3].tolist() == pytest.approx([0.75, -0.25, 0.5])
    assert not scores.valid[3]
    cut = CosineLength(AnswerMatch(), limit=10, exceeded=-2.0)
    assert cut(rollouts, START).value[:3].tolist() == pytest.approx([0.75, -0.25, -2])  # type: ignore[arg-type]
    assert cut.range == (-2, 1)


def test_relative_length_within_groups() -> None:
    # Lengths 2, 4, 6: lambda 1/2, 0, -1/2; a wrong answer keeps only the negative ones.
    texts = ["7", "7", "7", "8", "8", "8", "7"]
    rollouts = with_lengths(texts, [2, 4, 6, 2, 4, 6, 9], [0, 0, 0, 1, 1, 1, 2])
    scores = GroupRelativeLength()(rollouts, START)  # type: ignore[arg-type]
    assert scores.value[:6].tolist() == pytest.approx([0.5, 0, -0.5, 0, 0, -0.5])
    assert not scores.valid[6]
    even = with_lengths(["7", "8"], [3, 3], [0, 0])
    assert GroupRelativeLength()(even, START).value.tolist() == [0, 0]  # type: ignore[arg-type]
    alone = with_lengths(["7"], [3], [0])
    assert GroupRelativeLength()(alone, START).value.tolist() == [0]  # type: ignore[arg-type]


def test_script_shares() -> None:
    texts = ("plain text", "да ab", "答案 is", "12 + 3", "", "<think>ф</think> $ж$ \\alpha ok")
    # "答案 is": two of four; inside tags text counts, the tag and the formula do not
    assert judge(ScriptShare(), *texts) == pytest.approx([1, 0.5, 0.5, 1, 1, 2 / 3])
    assert judge(ScriptShare(("han", "latin")), "答案 is") == [1]
    with pytest.raises(ValueError, match="not \\['runes'\\]"):
        ScriptShare(("runes",))
