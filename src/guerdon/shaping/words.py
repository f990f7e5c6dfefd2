"""Eight signals of how varied a text is, each in [0, 1] and none growing with length alone.

MultiRole-R1 (2507.20187) names the eight; these formulas are a choice where it gives none.
Words are lower-cased runs of letters, digits and apostrophes; sentences end at ``.``, ``?`` or
``!``. All are surface statistics: random words score high.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SENTENCE_END = re.compile(r"[.?!]+")
WINDOW = 50
BUCKET = 5

_FUNCTION_WORDS = """
a about after all also although am an and another any are as at be because been before being both
but by can could did do does each either else even every few for from had has have he her hers him
his how however i if in into is it its just may me might mine more most much must my neither no nor
not of on once only or other our out over own same shall she should since so some such than that
the their them then there these they this those though through to too under until up us very was
we were what when where whether which while who whom whose why will with without would yet you your
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


def words_of(text: str) -> list[str]:
    """The lower-cased words of a text."""
    return _WORD.findall(text.lower())


def sentences_of(text: str) -> list[list[str]]:
    """The words of each sentence; sentences without a word are left out."""
    return [words for part in _SENTENCE_END.split(text) if (words := words_of(part))]


def type_token_ratio(words: Sequence[str]) -> float:
    """Distinct words over words, averaged over moving windows of 50 (MATTR); plain if shorter."""
    if not words:
        return 0.0
    size = min(WINDOW, len(words))
    counts = Counter(words[:size])
    total = len(counts)
    for i in range(size, len(words)):
        counts[words[i]] += 1
        counts[words[i - size]] -= 1
        if not counts[words[i - size]]:
            del counts[words[i - size]]
        total += len(counts)
    return total / size / (len(words) - size + 1)


def word_entropy(words: Sequence[str]) -> float:
    """Entropy of the words over ``ln N``; 0 below two words."""
    return _entropy(words) / math.log(len(words)) if len(words) > 1 else 0.0


def sentence_length_variation(sentences: Sequence[Sequence[str]]) -> float:
    """Population std over mean of the sentences' lengths in words, at most 1."""
    if not sentences:
        return 0.0
    lengths = [len(s) for s in sentences]
    mean = sum(lengths) / len(lengths)
    spread = math.sqrt(sum((n - mean) ** 2 for n in lengths) / len(lengths))
    return min(spread / mean, 1.0)


def sentence_patterns(sentences: Sequence[Sequence[str]]) -> float:
    """Distinct pairs of first word and length (in buckets of 5) over sentences."""
    patterns = {(s[0], len(s) // BUCKET) for s in sentences}
    return len(patterns) / len(sentences) if sentences else 0.0


def neighbour_distance(sentences: Sequence[Sequence[str]]) -> float:
    """Mean over adjacent sentences of ``1 - Jaccard`` of their words; 0 below two sentences."""
    sets = [set(s) for s in sentences]
    pairs = list(pairwise(sets))
    return sum(1 - len(a & b) / len(a | b) for a, b in pairs) / len(pairs) if pairs else 0.0


def yule_diversity(words: Sequence[str]) -> float:
    """``1 / (1 + K / 100)`` of Yule's ``K``; 0 without words."""
    return 1 / (1 + yule_k(words) / 100) if words else 0.0


def yule_k(words: Sequence[str]) -> float:
    """``1e4 (sum_i V_i i^2 - N) / N^2``, ``V_i`` the words that occur i times; 0 if empty."""
    n = len(words)
    return 1e4 * (sum(c * c for c in Counter(words).values()) - n) / n**2 if n else 0.0


def distinct_ngrams(words: Sequence[str], orders: Sequence[int] = (1, 2, 3)) -> float:
    """Mean over ``orders`` of distinct over all n-grams; an order without n-grams counts 0."""
    total = 0.0
    for n in orders:
        grams = list(zip(*(words[i:] for i in range(n)), strict=False))
        total += len(set(grams)) / len(grams) if grams else 0.0
    return total / len(orders)


def function_word_entropy(words: Sequence[str]) -> float:
    """Entropy of the function words over that of equal use; 0 below two of them."""
    used = [w for w in words if w in FUNCTION_WORDS]
    if len(used) < 2:
        return 0.0
    return _entropy(used) / math.log(min(len(used), len(FUNCTION_WORDS)))


def _entropy(items: Iterable[str]) -> float:
    counts = Counter(items).values()
    total = sum(counts)
    # Largest first: equal multisets then sum in one order and give one float.
    return -sum(c / total * math.log(c / total) for c in sorted(counts, reverse=True))
