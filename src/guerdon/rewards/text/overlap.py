"""Rewards by overlap with reference texts: BLEU, ROUGE-L and their harmonic mean."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from guerdon.examples import Example, sentences
from guerdon.rewards.text.references import AgainstReferences, Metric

ORDERS = (1, 2, 3, 4)

LONGEST = 100_000
"""Characters of a text that are compared; what follows is not read."""


def add_one_bleu(prediction: str, references: tuple[str, ...]) -> float:
    """Sentence BLEU of BLEUBERI (arXiv 2505.11080): add-one smoothing, shortest reference.

    Tokens by the mteval-13a rules, case kept. For n = 1..4, ``precision_n =
    (m_n + 1) / (p_n + 1)`` with ``m_n`` the n-grams matched, clipped by the largest count in
    any reference, and ``p_n = max(0, length - n + 1)``; their geometric mean times
    ``exp(1 - r / length)`` where the prediction is not longer than ``r``, the *shortest*
    reference. An empty prediction is 0. Note that one wrong word against one word scores
    0.84: smoothing every order favours very short outputs.
    """
    tokens = _tokens(prediction)
    if not tokens:
        return 0.0
    counts, shortest = _reference_counts(references)
    logs = 0.0
    for n in ORDERS:
        found = Counter(_ngrams(tokens, n))
        matched = sum(min(count, counts[gram]) for gram, count in found.items() if gram in counts)
        logs += math.log((matched + 1) / (max(0, len(tokens) - n + 1) + 1))
    return brevity_penalty(len(tokens), shortest) * math.exp(logs / len(ORDERS))


def brevity_penalty(length: int, reference_length: int) -> float:
    """1 where the prediction is longer, else ``exp(1 - reference_length / length)``; 0 if empty."""
    if length == 0:
        return 0.0
    return 1.0 if length > reference_length else math.exp(1 - reference_length / length)


def sacrebleu_bleu(prediction: str, references: tuple[str, ...]) -> float:
    """Sentence BLEU with sacrebleu's own defaults, scaled to [0, 1].

    Exponential smoothing of zero counts, effective order, closest reference length.
    """
    from sacrebleu import sentence_bleu

    _forget_texts()
    score = float(sentence_bleu(prediction[:LONGEST], list(references)).score)
    return min(1.0, score / 100)


def rouge_l(prediction: str, references: tuple[str, ...]) -> float:
    """ROUGE-L F: ``2 P R / (P + R)`` of the longest common subsequence; best reference.

    ``P = lcs / prediction words``, ``R = lcs / reference words``; words are lower-cased runs
    of letters and digits, unstemmed. 0 where either side has no word.

    >>> rouge_l("the cat sat", ("the cat sat down", "a dog"))
    0.8571428571428571
    """
    words = _words(prediction)
    return max((_lcs_f(words, _words(one)) for one in references), default=0.0)


def bleu_rouge(prediction: str, references: tuple[str, ...]) -> float:
    """Harmonic mean of `add_one_bleu` and `rouge_l`."""
    return harmonic_mean(add_one_bleu(prediction, references), rouge_l(prediction, references))


def harmonic_mean(one: float, two: float) -> float:
    """``2ab / (a + b)`` of two numbers at or above 0; 0 if both are 0.

    >>> harmonic_mean(0.5, 1.0), harmonic_mean(0.0, 0.0)
    (0.6666666666666666, 0.0)
    """
    return 2 * one * two / (one + two) if one + two > 0 else 0.0


@dataclass(frozen=True)
class ReferenceBLEU(AgainstReferences):
    """BLEU of the answer against the task's references (BLEUBERI, arXiv 2505.11080).

    References come from the column "references" (a text or a list), else from the task's
    answer. ``read`` takes the text to judge from the completion; ``metric`` is
    `add_one_bleu` or `sacrebleu_bleu`. Value and part "bleu": float[N] in [0, 1]. An empty
    answer is 0; a task without reference text makes its rows invalid.
    """

    name: ClassVar[str] = "bleu"

    metric: Metric = add_one_bleu

    part: ClassVar[str] = "bleu"

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), sentences())


@dataclass(frozen=True)
class RougeL(AgainstReferences):
    """ROUGE-L F of the answer against the task's references; see `rouge_l`, `ReferenceBLEU`.

    Value and part "rouge_l": float[N] in [0, 1].
    """

    name: ClassVar[str] = "rouge-l"

    metric: Metric = rouge_l

    part: ClassVar[str] = "rouge_l"

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), sentences())


@dataclass(frozen=True)
class HarmonicBleuRouge(AgainstReferences):
    """Harmonic mean of BLEU and ROUGE-L, ``2br / (b + r)``; see `ReferenceBLEU`.

    Value and part "bleu_rouge": float[N] in [0, 1].
    """

    name: ClassVar[str] = "bleu-rouge"

    metric: Metric = bleu_rouge

    part: ClassVar[str] = "bleu_rouge"

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), sentences())


@lru_cache(maxsize=1)
def _tokenizer() -> Callable[[str], str]:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenizer: Callable[[str], str] = Tokenizer13a()
    return tokenizer


def _tokens(text: str) -> list[str]:
    _forget_texts()
    return _tokenizer()(text[:LONGEST]).split()


_REMEMBERED = 256


def _forget_texts() -> None:
    """Empty what sacrebleu's tokenizers remember: up to 65,536 texts of any length."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

    for kind in (Tokenizer13a, TokenizerRegexp):
        remembered: Any = kind.__call__
        if hasattr(remembered, "cache_info") and remembered.cache_info().currsize > _REMEMBERED:
            remembered.cache_clear()


def _ngrams(tokens: Sequence[str], n: int) -> zip[tuple[str, ...]]:
    return zip(*(tokens[start:] for start in range(n)), strict=False)


@lru_cache(maxsize=4096)
def _reference_counts(references: tuple[str, ...]) -> tuple[Counter[tuple[str, ...]], int]:
    """For every n-gram its largest count in any reference, and the shortest length."""
    largest: Counter[tuple[str, ...]] = Counter()
    lengths = []
    for reference in references:
        tokens = _tokens(reference)
        lengths.append(len(tokens))
        largest |= Counter(gram for n in ORDERS for gram in _ngrams(tokens, n))
    return largest, min(lengths)


_WORD = re.compile(r"[^\W_]+")


def _words(text: str) -> list[str]:
    return _WORD.findall(text[:LONGEST].lower())


def _lcs_f(prediction: Sequence[str], reference: Sequence[str]) -> float:
    common = lcs_length(prediction, reference)
    return harmonic_mean(common / len(prediction), common / len(reference)) if common else 0.0


def lcs_length(one: Sequence[str], two: Sequence[str]) -> int:
    """Length of the longest common subsequence.

    Bit-parallel: the row of the dynamic programme is one integer with a bit per element of
    ``two``, 0 where the length grows, so a step costs a few machine words and not a loop.

    >>> lcs_length("abcd", "xbyd")
    2
    """
    places: dict[str, int] = {}
    for index, item in enumerate(two):
        places[item] = places.get(item, 0) | 1 << index
    full = (1 << len(two)) - 1
    row = full
    for item in one:
        matches = row & places.get(item, 0)
        if matches:
            row = ((row + matches) | (row - matches)) & full
    return len(two) - row.bit_count()
