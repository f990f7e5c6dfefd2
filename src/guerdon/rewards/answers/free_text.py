"""Short free-text answers: the same words, and F1 over them.

SQuAD's rule (`exact_match`, `token_f1`) drops every punctuation mark, so that C++ is C and 3.5 is
35. It is an option; the default (`same_words`, `words_f1`) drops only what means nothing.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from guerdon.examples import Example, sentences
from guerdon.parsing import answer_text, parse_number, stated_answer, undecorated
from guerdon.rewards.text.references import AgainstReferences, Metric

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_LETTERS = re.compile(r"[\"'(\[]*[^\W\d_](?:[^\W\d_]|[.'’,-](?=[^\W\d_]))*[.!?,;:)\]\"']*")
_DROPPED = re.compile(r"[.!?,;:'’\"()\[\]]")
_PARTS = re.compile(r"-")
_PLAIN_END = re.compile(r"(?<![\d)])[.!?,;:]+\Z|[.?,;:]+\Z")
_ALIKE = str.maketrans("’‘“”−–‐‑₀₁₂₃₄₅₆₇₈₉", "''\"\"----0123456789")
_LONGEST, _LONGEST_WORD = 20_000, 80
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> str:
    """Lower case, without ASCII punctuation and articles, one space between words (SQuAD)."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def words_of(text: str) -> tuple[str, ...]:
    """The words of a short answer without what means nothing: case, articles, emphasis, quotes.

    In words of letters, full stops, apostrophes and brackets go and hyphens part; commas and the
    like at the end of any word go. Lowered digits are digits (H₂O). Numbers come in one form:
    1,000 and 1000.0 are the same word. All other signs stay: C++, -5, 3.5, 50%, A+, x*. Articles
    stay where there is nothing else.
    """
    plain = unicodedata.normalize("NFC", text[:_LONGEST]).translate(_ALIKE)
    words: list[str] = []
    for word in undecorated(plain).casefold().split():
        words.extend(_bare(word))
    words = [word for word in words if word]
    return tuple(word for word in words if word not in ("a", "an", "the")) or tuple(words)


def _bare(word: str) -> list[str]:
    if len(word) > _LONGEST_WORD:
        return [word]
    word = word.strip("\"'`").rstrip(",;:?") if len(word) > 1 else word
    number = parse_number(word)
    if number is not None:
        return [f"{number}%" if word.endswith("%") else str(number)]
    if _LETTERS.fullmatch(word):
        return _PARTS.sub(" ", _DROPPED.sub("", word)).split()
    return [_PLAIN_END.sub("", word)]


def same_words(prediction: str, references: tuple[str, ...]) -> float:
    """1 where the prediction is one of the references, word by word (`words_of`), else 0.

    >>> same_words("The Oslo!", ("oslo",)), same_words("C++", ("C",))
    (1.0, 0.0)
    """
    found = words_of(prediction)
    if not found:  # marks alone are themselves
        return float(prediction.strip() in references)
    return float(any(found == words_of(one) for one in references))


def words_f1(prediction: str, references: tuple[str, ...]) -> float:
    """``2 P R / (P + R)`` over `words_of` as multisets; the best reference counts.

    >>> words_f1("two grey cats", ("grey cats and dogs",))
    0.5714285714285714
    """
    given = words_of(prediction)
    return max((_overlap(given, words_of(one)) for one in references), default=0.0)


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


def short_answer(text: str) -> str:
    """The answer of a completion (`answer_text`), or what it says its answer is."""
    answer = answer_text(text)
    stated = stated_answer(answer)
    return answer if stated is None else stated


def _f1(prediction: str, reference: str) -> float:
    return _overlap(prediction.split(), reference.split())


def _overlap(given: Sequence[str], right: Sequence[str]) -> float:
    if not given or not right:
        return float(list(given) == list(right))
    common = (Counter(given) & Counter(right)).total()
    return 2 * common / (len(given) + len(right))


@dataclass(frozen=True)
class TextMatch(AgainstReferences):
    """1 where the answer is one of the task's references, word by word (see `same_words`).

    ``metric`` may be `exact_match`, SQuAD's rule.

    References come from the column "references", else from the task's answer (a text or a
    list). Value and part "exact": float[N] of 0 and 1; no reference: invalid.
    """

    name: ClassVar[str] = "text-match"

    metric: Metric = same_words
    """From the answer and the references to a score."""
    read: Callable[[str], str] = short_answer
    """From a completion to its answer."""

    part: ClassVar[str] = "exact"

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), sentences(short=True))


@dataclass(frozen=True)
class TokenF1(AgainstReferences):
    """F1 of the answer's words against the best reference (see `words_f1`, `TextMatch`).

    ``metric`` may be `token_f1`, SQuAD's rule.

    Value and part "f1": float[N] in [0, 1].
    """

    name: ClassVar[str] = "token-f1"

    metric: Metric = words_f1
    """From the answer and the references to a score."""
    read: Callable[[str], str] = short_answer
    """From a completion to its answer."""

    part: ClassVar[str] = "f1"

    @classmethod
    def example(cls) -> Example:
        return Example(cls(), sentences(short=True))
