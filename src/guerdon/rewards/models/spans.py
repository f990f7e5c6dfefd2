"""Rewards for spans and steps of a completion, placed where each one ends."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from guerdon.failures import told
from guerdon.models.loaded import loaded
from guerdon.models.loading import load_tokenizer
from guerdon.ranges import Finite, check_ranges
from guerdon.records import INVALID, Progress, Rollouts, Scores, Task
from guerdon.rewards.running.rows import Ungradable

Splitter = Callable[[str], Sequence[int]]
"""Completion text to the character after each of its spans, ascending."""

SpanScorer = Callable[[Task, str, Sequence[str]], Sequence[float]]
"""Task, completion and its spans to a score each."""

Form = Callable[[Sequence[float]], Sequence[float]]
"""Scores of a row's spans to rewards, one each."""

Locator = Callable[[Rollouts, int, Sequence[int]], Sequence[int]]
"""Rollouts, a row and ends in its text to the position whose token completes each."""


def place(row_rewards: Sequence[Sequence[tuple[int, float]]], mask: Tensor) -> Tensor:
    """float[N, T]: per row, (position, reward) pairs placed; several at one position add.

    ``mask`` bool[N, T] tells where the policy acted. A reward for a position where it did not,
    or beyond the row, falls on the last acted position before; where there is none, on the
    row's first. A row that never acted takes no reward: ValueError if it is given one.
    """
    placed_NT = torch.zeros(mask.shape)
    for row, pairs in enumerate(row_rewards):
        acted = mask[row].nonzero().flatten().tolist()
        if pairs and not acted:
            raise ValueError(f"row {row} has no acted position to place a reward on")
        if pairs:
            # All at once: a completion may be cut into half a million spans.
            at = [acted[max(bisect_right(acted, position) - 1, 0)] for position, _ in pairs]
            placed_NT[row].index_add_(
                0, torch.tensor(at), torch.tensor([float(r) for _, r in pairs])
            )
    return placed_NT


def as_scored(scores: Sequence[float]) -> Sequence[float]:
    """Every span's score is its reward."""
    return scores


def decrements(scores: Sequence[float]) -> Sequence[float]:
    """``s_{j-1} - s_j`` with s_0 = 0, of a harm measured on growing prefixes.

    Telescopes to minus the last score (Fine-Grained RLHF, 2306.01693: toxicity).
    """
    return [before - now for before, now in zip((0.0, *scores), scores, strict=False)]


def deltas(scores: Sequence[float]) -> Sequence[float]:
    """``r_k - r_{k+1}`` for k < K-1, then ``r_{K-1}``, then 0 (2410.15115).

    The return from step k <= K-1 is r_k however many steps follow, so good-looking steps can't
    be farmed. The last score never enters; one step alone gets 0.
    """
    kept = list(scores[:-1])
    steps = [now - after for now, after in zip(kept, (*kept[1:], 0.0), strict=False)]
    return [*steps, 0.0] if scores else []


@dataclass(frozen=True)
class Clipped:
    """``min(r_k - threshold, 0)``: only steps below the threshold cost (2410.15115).

    With ``then`` = `deltas` the clipped scores are telescoped: the recommended form.
    """

    threshold: Finite
    then: Form = as_scored

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, scores: Sequence[float]) -> Sequence[float]:
        return self.then([min(score - self.threshold, 0.0) for score in scores])


# A run of marks is tried once, from its first: otherwise "....a" costs the square of its length.
_SENTENCE = re.compile(r"(?<![.!?])[.!?]++(?=\s|$)|\n+")


def sentence_ends(text: str) -> list[int]:
    """Ends of sentences: after ``.``, ``!`` or ``?`` before white space, and at line breaks."""
    return _with_rest(text, [match.end() for match in _SENTENCE.finditer(text)])


def line_ends(text: str) -> list[int]:
    """Ends of lines, their break included: the steps of most process rewards."""
    return _with_rest(text, [match.end() for match in re.finditer("\n", text)])


def word_ends(text: str) -> list[int]:
    """Ends of words: runs of characters that are not white space."""
    return [match.end() for match in re.finditer(r"\S+", text)]


def _with_rest(text: str, ends: Sequence[int]) -> list[int]:
    """Ends of spans with something in them; what follows the last end is a span too."""
    kept: list[int] = []
    begun, something = 0, False
    for end in (*ends, len(text)):  # each character is looked at once, however many are blank
        something = something or bool(text[begun:end].strip())
        begun = end
        if something:
            kept.append(end)
            something = False
    return kept


@dataclass(frozen=True)
class Decoded:
    """Finds positions by decoding ever longer prefixes of the very tokens that were sampled.

    ``tokenizer`` is the policy's: ``seedling``, a Hub id or a folder. Encoding the text again
    could cut it into other tokens. A character counts as there once all its bytes are.
    """

    tokenizer: str

    def __call__(self, rollouts: Rollouts, row: int, ends: Sequence[int]) -> list[int]:
        ids = rollouts.ids[row, : int(rollouts.lengths[row])].tolist()
        return [self._position(ids, end) for end in ends]

    def _position(self, ids: Sequence[int], end: int) -> int:
        low, high = 0, max(len(ids) - 1, 0)
        decode = loaded(self, load_tokenizer, self.tokenizer).decode
        while low < high:
            middle = (low + high) // 2
            prefix = str(decode(ids[: middle + 1], skip_special_tokens=True))
            if len(prefix.rstrip("\ufffd")) >= end:
                high = middle
            else:
                low = middle + 1
        return low


@dataclass(frozen=True)
class SpanReward:
    """A reward at the end of every span of a completion (Fine-Grained RLHF, 2306.01693).

    ``split`` gives the spans, ``score`` one score for each, ``form`` makes rewards of a row's
    scores (`as_scored`, `decrements`, `deltas`, `Clipped`), and ``locate`` finds the position
    of each end. Ends that fall on one position add up. Several kinds of error, each with spans
    of its own, are several of these in a `WeightedSum`.

    ``placed`` float[N, T] sums to the value and part "spans", float[N]. A completion without
    spans is 0. Invalid: a scorer that fails or gives another number of scores, and a row
    that never acted but has spans.
    """

    name: ClassVar[str] = "span"
    made_of: ClassVar[str] = "your own functions"
    no_example: ClassVar[str] = "it places what your own function says of every span"

    score: SpanScorer
    locate: Locator
    split: Splitter = sentence_ends
    form: Form = as_scored

    scope: ClassVar[str] = "completion"
    range: ClassVar[tuple[float, float] | None] = None

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        rewards: list[Sequence[tuple[int, float]]] = []
        reasons: list[str | None] = []
        errors: list[str | None] = []
        acts = rollouts.mask.any(1).tolist()
        for row, text in enumerate(rollouts.texts):
            found = self._row(rollouts, row, text)
            if found and not acts[row] and not isinstance(found, Ungradable):
                found = Ungradable("the row has no acted position to place a reward on")
            reasons.append(found.reason if isinstance(found, Ungradable) else None)
            errors.append(found.error if isinstance(found, Ungradable) else None)
            rewards.append([] if isinstance(found, Ungradable) else found)
        placed_NT = place(rewards, rollouts.mask)
        valid_N = torch.tensor([reason is None for reason in reasons], dtype=torch.bool)
        total_N = torch.where(valid_N, placed_NT.sum(1), INVALID)
        parts = {"spans": total_N}
        return Scores(total_N, parts, valid_N, tuple(reasons), placed_NT, tuple(errors))

    def _row(self, rollouts: Rollouts, row: int, text: str) -> Ungradable | list[tuple[int, float]]:
        ends = list(self.split(text))
        spans = [text[a:b] for a, b in zip((0, *ends), ends, strict=False)]
        try:
            scores = [float(s) for s in self.score(rollouts.task_of(row), text, spans)]
        except Exception as error:
            return Ungradable(*told(error))
        if len(scores) != len(spans):
            reason = f"{len(scores)} scores for {len(spans)} spans"
            return Ungradable(reason, reason)
        if not torch.isfinite(torch.tensor(scores)).all():
            return Ungradable("a span's score is not finite")
        return list(zip(self.locate(rollouts, row, ends), self.form(scores), strict=True))
