"""Rewards at the ends of spans: placement, telescoping forms, positions of tokens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from rewards.completions import rollouts_of

from guerdon.nursery import load_seedling, seedling_path
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards import WeightedSum
from guerdon.rewards.models.spans import (
    Clipped,
    Decoded,
    SpanReward,
    as_scored,
    decrements,
    deltas,
    line_ends,
    place,
    sentence_ends,
    word_ends,
)


def by_letter(rollouts: Rollouts, row: int, ends: Sequence[int]) -> list[int]:
    """One position per character."""
    return [end - 1 for end in ends]


def lengths(task: Task, text: str, spans: Sequence[str]) -> list[float]:
    return [float(len(span)) for span in spans]


def letters(text: str, mask: Sequence[int] | None = None) -> Rollouts:
    table = torch.tensor([mask or [1] * len(text)]).bool()
    return rollouts_of([text], Task("t", "q"), mask=table)


def judged(rollouts: Rollouts, **settings: object) -> Scores:
    given = {"score": lengths, "locate": by_letter, **settings}
    return SpanReward(**given)(rollouts, Progress())  # type: ignore[arg-type]


def test_rewards_at_one_position_add() -> None:
    mask = torch.ones(1, 6).bool()
    aspects = [(2, 0.3), (5, -0.3), (5, 0.5), (5, 0.3)]
    torch.testing.assert_close(place([aspects], mask), torch.tensor([[0, 0, 0.3, 0, 0, 0.5]]))


def test_rewards_fall_on_acted_positions() -> None:
    mask = torch.tensor([[0, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0]]).bool()
    placed = place([[(0, 1.0), (3, 2.0), (9, 4.0)], []], mask)
    assert placed.tolist() == [[0, 1, 2, 0, 4, 0], [0] * 6]
    with pytest.raises(ValueError, match="row 0 has no acted position"):
        place([[(0, 1.0)]], torch.zeros(1, 3).bool())


def test_falling_harm_telescopes() -> None:
    harm = (0.1, 0.1, 0.4, 0.35)
    assert decrements(harm) == pytest.approx([-0.1, 0, -0.3, 0.05])
    assert sum(decrements(harm)) == pytest.approx(-0.35)
    assert list(decrements(())) == []


def test_deltas_and_clipping_worked_by_hand() -> None:
    r = (0.9, 0.8, 0.7, 0.6)
    assert deltas(r) == pytest.approx([0.1, 0.1, 0.7, 0])
    assert Clipped(0.75)(r) == pytest.approx([0, 0, -0.05, -0.15])
    assert Clipped(0.75, deltas)(r) == pytest.approx([0, 0.05, -0.05, 0])
    assert deltas((0.4,)) == [0]
    assert deltas((0.4, 0.9)) == [0.4, 0]
    assert deltas(()) == []
    assert as_scored(r) is r


@pytest.mark.parametrize("repeats", [0, 5, 20])
def test_useless_steps_pay_only_unbounded_forms(repeats: int) -> None:
    steps = (0.8, 0.7, *[0.95] * repeats, 0.6)
    returns = {
        "raw": 1 + 0.5 * sum(steps),
        "clip": 1 + 0.5 * sum(Clipped(0.7)(steps)),
        "delta": 1 + 0.5 * sum(deltas(steps)),
        "both": 1 + 0.5 * sum(Clipped(0.7, deltas)(steps)),
    }
    raw = {0: 2.05, 5: 4.425, 20: 11.55}[repeats]
    assert returns == pytest.approx({"raw": raw, "clip": 0.95, "delta": 1.4, "both": 1.0})


def test_spans_of_a_text() -> None:
    assert sentence_ends("One. Two 3.5 is!\n\nThree") == [4, 16, 23]
    assert word_ends(" a bc\nd ") == [2, 5, 7]
    assert word_ends(" ") == []
    assert sentence_ends("") == sentence_ends(" \n") == []
    assert line_ends("a\n\nb\nc") == [2, 5, 6]
    assert len(sentence_ends("." * 100_000 + "\n" * 100_000)) == 1


def test_span_rewards_are_placed_and_sum() -> None:
    scores = judged(letters("ab. cd."))
    assert scores.placed is not None
    assert scores.placed.tolist() == [[0, 0, 3, 0, 0, 0, 4]]
    assert scores.value.tolist() == scores.parts["spans"].tolist() == [7]
    late = judged(letters("ab. cd.", [1, 1, 0, 1, 1, 0, 0]))
    assert late.placed is not None
    assert late.placed.tolist() == [[0, 3, 0, 0, 4, 0, 0]]
    assert judged(letters("ab. cd."), form=deltas).value.tolist() == [3]


def test_one_span_is_an_ordinary_reward() -> None:
    rollouts = letters("abc def")
    scores = judged(rollouts, split=lambda text: [len(text)])
    plain = Scores(torch.tensor([7.0]))
    assert torch.equal(scores.at_positions(rollouts.mask), plain.at_positions(rollouts.mask))


def test_aspects_add_in_a_weighted_sum() -> None:
    rollouts = letters("ab. cd.")
    whole = SpanReward(lengths, by_letter, split=lambda text: [len(text)])
    both = WeightedSum(
        {"sentences": SpanReward(lengths, by_letter), "whole": whole}, {"whole": -0.5}
    )(rollouts, Progress())
    assert both.placed is not None
    assert both.placed.tolist() == [[0, 0, 3, 0, 0, 0, 4 - 3.5]]


def test_a_scorer_that_fails_makes_its_row_invalid() -> None:
    def fails(task: Task, text: str, spans: Sequence[str]) -> list[float]:
        raise RuntimeError("no answer")

    assert judged(letters("ab."), score=fails).reasons == ("RuntimeError: no answer",)
    short = judged(letters("a. b."), score=lambda *_: [1.0])
    assert short.reasons == ("1 scores for 2 spans",)
    endless = judged(letters("a."), score=lambda *_: [float("inf")])
    assert endless.reasons == ("a span's score is not finite",)
    silent = judged(letters("ab.", [0, 0, 0]))
    assert silent.reasons == ("the row has no acted position to place a reward on",)
    assert judged(letters("")).value.tolist() == [0]


def test_positions_are_those_of_the_sampled_tokens() -> None:
    _, tokenizer = load_seedling()
    text = "One cat. É漢🙂 two!\nThree"
    ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False)])
    assert tokenizer.decode(ids[0]) == text
    mask = torch.ones_like(ids).bool()
    rollouts = rollouts_of([text], Task("t", "q"), mask=mask)
    object.__setattr__(rollouts, "ids", ids)
    ends = list(range(1, len(text) + 1))
    found = Decoded(str(seedling_path()))(rollouts, 0, ends)
    for end, position in zip(ends, found, strict=True):
        now, before = (tokenizer.decode(ids[0, : position + k]) for k in (1, 0))
        assert now.startswith(text[:end])
        assert not before.startswith(text[:end])
