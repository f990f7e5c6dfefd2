"""Variety of wording as a share of the reward (MultiRole-R1, 2507.20187)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch

from guerdon.ranges import Finite, Share, check_ranges
from guerdon.records import Progress, Rollouts, Scores
from guerdon.shaping.linear import Affine, add_to_rows
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
)


def signals_of(text: str) -> dict[str, float]:
    """The eight signals of a text by name, each in [0, 1]; all 0 for a text without words."""
    words, sentences = words_of(text), sentences_of(text)
    return {
        "lexical": type_token_ratio(words),
        "entropy": word_entropy(words),
        "sentence_length": sentence_length_variation(sentences),
        "sentence_pattern": sentence_patterns(sentences),
        "neighbours": neighbour_distance(sentences),
        "yule": yule_diversity(words),
        "distinct": distinct_ngrams(words),
        "function_words": function_word_entropy(words),
    }


SIGNALS = tuple(signals_of(""))


@dataclass(frozen=True)
class Diversity:
    """``keep * r + (1 - keep) * D``, ``D = sum_k weight_k signal_k`` of the row's text.

    ``weights`` name signals of `signals_of`; empty = all eight at 1/8. With
    ``only_where_above`` only rows whose reward is above that number are paid for diversity, so
    that gibberish is not (off by default, as in the paper). ``keep`` 1 changes nothing. In a
    group of equal rewards the std-normalised advantage is that of D alone, for every ``keep``
    below 1. Adds the parts "diversity" (what was paid) and "diversity/<signal>" (raw).
    """

    name: ClassVar[str] = "diversity"

    keep: Share = 0.9
    """The reward's own share; the rest is diversity's."""
    weights: Mapping[str, Finite] = field(default_factory=dict)
    """What each signal counts; empty: all alike."""
    only_where_above: Finite | None = None
    """The reward above which a row is paid for diversity; null: every row."""

    def __post_init__(self) -> None:
        check_ranges(self)
        unknown = set(self.weights) - set(SIGNALS)
        if unknown:
            raise ValueError(
                f"Diversity.weights names {sorted(unknown)}; the signals are {', '.join(SIGNALS)}"
            )

    def __call__(self, scores: Scores, rollouts: Rollouts, progress: Progress) -> Scores:
        rows = [signals_of(text) for text in rollouts.texts]
        weights = self.weights or dict.fromkeys(SIGNALS, 1 / len(SIGNALS))
        signals = {name: torch.tensor([row[name] for row in rows]) for name in weights}
        total_N = torch.zeros(len(scores))
        for name, weight in weights.items():
            total_N = total_N + weight * signals[name]
        if self.only_where_above is not None:
            total_N = torch.where(scores.value > self.only_where_above, total_N, 0.0)
        paid_N = (1 - self.keep) * total_N
        shaped = add_to_rows(Affine(self.keep)(scores, rollouts, progress), rollouts, paid_N)
        named = {f"diversity/{name}": signal for name, signal in signals.items()}
        return replace(shaped, parts={**scores.parts, "diversity": paid_N, **named})

    @classmethod
    def example(cls) -> Diversity:
        return cls(0.8)

    @classmethod
    def trivial(cls) -> Diversity:
        return cls(1.0)
