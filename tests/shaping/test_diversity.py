"""How varied a text is: worked by hand, bounded, and what it does to the advantage."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_rollouts, make_scores

from guerdon.advantages import GroupNormalised
from guerdon.records import Experience, Progress
from guerdon.shaping import Diversity, signals_of
from guerdon.shaping.words import (
    distinct_ngrams,
    function_word_entropy,
    neighbour_distance,
    sentence_length_variation,
    sentence_patterns,
    sentences_of,
    type_token_ratio,
    word_entropy,
    words_of,
    yule_diversity,
    yule_k,
)

NOW = Progress()


def with_texts(*texts):
    return replace(make_rollouts([0] * len(texts)), texts=texts)


def test_words_and_sentences():
    assert words_of("Don't STOP, x_1 Ärger!") == ["don't", "stop", "x", "1", "ärger"]
    assert sentences_of("A b. ...! C?") == [["a", "b"], ["c"]]


def test_worked_values():
    aaaa, abcd, aabb = (["a", "a", "a", "a"], ["a", "b", "c", "d"], ["a", "a", "b", "b"])
    assert yule_k(aabb) == pytest.approx(2500)
    assert yule_diversity(aabb) == pytest.approx(1 / 26)
    assert (yule_k(abcd), yule_diversity(abcd)) == (0.0, 1.0)
    assert distinct_ngrams(aaaa, (1,)) == 0.25
    assert distinct_ngrams(aaaa) == pytest.approx((1 / 4 + 1 / 3 + 1 / 2) / 3)
    assert distinct_ngrams(["a"]) == pytest.approx(1 / 3)  # no pairs, no triples
    assert word_entropy(abcd) == pytest.approx(1.0)
    assert word_entropy(aaaa) == 0.0
    assert word_entropy(aabb) == pytest.approx(0.5)
    assert word_entropy(["a"]) == 0.0
    assert function_word_entropy(["the", "cat", "of", "the", "dog", "of"]) == pytest.approx(0.5)
    assert function_word_entropy(["cat", "dog"]) == 0.0
    two = sentences_of("One two three. One four.")
    assert sentence_length_variation(two) == pytest.approx(0.5 / 2.5)
    assert neighbour_distance(two) == pytest.approx(1 - 1 / 4)
    assert sentence_patterns(two) == 0.5  # same first word, same bucket of length
    assert sentence_patterns(sentences_of("One two. Two one.")) == 1.0


def test_a_moving_window_forgets():
    words = ["a"] * 50 + ["b"] * 50
    # The window of 50 holds one type at its two ends, two at the 49 places between.
    assert type_token_ratio(words) == pytest.approx((2 * 1 + 49 * 2) / 50 / 51)
    assert type_token_ratio(["a", "b", "a"]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("text", ["", " \n", "...", "\u202e\u200b"])
def test_nothing_said_is_not_diverse(text):
    assert set(signals_of(text).values()) == {0.0}


@settings(deadline=None)
@given(st.text(max_size=300))
def test_every_signal_lies_between_0_and_1(text):
    assert all(-1e-9 <= value <= 1 + 1e-9 for value in signals_of(text).values())


def test_a_very_long_text_ends():
    assert signals_of("the quick brown fox. " * 20_000)["lexical"] == pytest.approx(4 / 50)


def test_nine_tenths_accuracy_and_a_tenth_diversity():
    rows = with_texts("a a b b", "a b c d")
    entropy = Diversity(0.9, {"entropy": 1.0})
    made = entropy(make_scores([1.0, 0.0]), rows, NOW)
    assert made.value.tolist() == pytest.approx([0.95, 0.1])
    assert made.parts["diversity"].tolist() == pytest.approx([0.05, 0.1])
    assert made.parts["diversity/entropy"].tolist() == pytest.approx([0.5, 1.0])
    gated = replace(entropy, only_where_above=0.5)(make_scores([1.0, 0.0]), rows, NOW)
    assert gated.value.tolist() == pytest.approx([0.95, 0.0])
    all_eight = Diversity(0.0)(make_scores([1.0, 0.0]), rows, NOW).value
    expected = [sum(signals_of(text).values()) / 8 for text in rows.texts]
    assert all_eight.tolist() == pytest.approx(expected)


def test_placed_rewards_take_it_at_the_end():
    rows = replace(make_rollouts([0], [3]), texts=("a a b b",))
    placed = torch.tensor([[1.0, 0.0, 0.0]])
    made = Diversity(0.9, {"entropy": 1.0})(make_scores([1.0], placed=placed), rows, NOW)
    assert made.placed[0].tolist() == pytest.approx([0.9, 0.0, 0.05])


@pytest.mark.parametrize("keep", [0.9, 0.5])
def test_in_a_group_of_equal_rewards_diversity_alone_decides(keep):
    words = ["a a a a", "a a a b", "a a b b", "a b c d"]
    rows = with_texts(*words)
    signal = torch.tensor([word_entropy(w.split()) for w in words])
    alone = GroupNormalised()(Experience(rows, make_scores(signal.tolist())))
    made = Diversity(keep, {"entropy": 1.0})(make_scores([1.0] * 4), rows, NOW)
    assert torch.allclose(GroupNormalised()(Experience(rows, made)), alone, atol=1e-3)
    assert math.isclose(alone.sum().item(), 0.0, abs_tol=1e-5)


def test_settings_are_checked():
    with pytest.raises(ValueError, match=r"from 0 to 1"):
        Diversity(1.5)
    with pytest.raises(ValueError, match="the signals are lexical"):
        Diversity(weights={"rhyme": 1.0})
