"""Short free-text answers: exact match and F1 over words, as reading-comprehension data have it."""

from __future__ import annotations

import re
import string
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from guerdon.examples import Example, sentences
from guerdon.rewards.text.references import AgainstReferences, Metric

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> str:
    """Lower case, without ASCII punctuation and articles, one space between words (SQuAD)."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact_match(prediction: str, references: tuple[str, ...]) -> float:
    """1 where the normalised prediction is one of the normalised references, else 0.

    >>> exact_match("The Oslo!", ("oslo",))
    1.0
    """
    found = normalised(prediction)
    return float(any(found == normalised(one) for one in references))


def token_f1(prediction: str, references: tuple[str, ...]) -> float:
    """``2 P R / (P + R)`` over normalised words as multisets; the best reference counts.

    Where prediction or reference has no word left, 1 if both have none, else 0.

    >>> token_f1("two grey cats", ("grey cats and dogs",))
    0.5714285714285714
    """
    return max((_f1(normalised(prediction), normalised(one)) for one in references), default=0.0)


def _f1(prediction: str, reference: str) -> float:
    given, right = prediction.split(), reference.split()
    if not given or not right:
        return float(given == right)
    common = (Counter(given) & Counter(right)).total()
    return 2 * common / (len(given) + len(right))


@dataclass(frozen=True)
class TextMatch(AgainstReferences):
    """1 where the answer is one of the task's references, words alone (see `exact_match`).

    References come from the column "references", else from the task's answer (a text or a
    list). Value and part "exact": float[N] of 0 and 1; no reference: invalid.
    """

    name: ClassVar[str] = "text-match"

    metric: Metric = exact_match

    part: ClassVar[str] = "exact"

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), sentences(short=True))


@dataclass(frozen=True)
class TokenF1(AgainstReferences):
    """F1 of the answer's words against the best reference (see `token_f1`, `TextMatch`).

    Value and part "f1": float[N] in [0, 1].
    """

    name: ClassVar[str] = "token-f1"

    metric: Metric = token_f1

    part: ClassVar[str] = "f1"

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), sentences(short=True))
