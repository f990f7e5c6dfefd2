"""Completions for one task: hostile text alone, in the reward's form, and broken right answers."""

from __future__ import annotations

import random
from dataclasses import dataclass

from guerdon.examples import Probe
from hostile import grammar


@dataclass(frozen=True)
class Completion:
    """A text, and whether whoever made it knew the answer: then being paid is no fault."""

    text: str
    knows: bool = False


def completion(probe: Probe, source: random.Random, large: float = 0.0) -> Completion:
    """One completion for the probe's task; a share ``large`` of them has a megabyte."""
    if source.random() < large:
        text = grammar.large(source)
        return Completion(source.choice((text, probe.wrap(text), f"{probe.bad}{text}")))
    kind = source.randrange(10)
    if kind < 3:
        return Completion(probe.wrap(grammar.leaf(source), source.choice(("", "I add."))))
    if kind == 3:
        return Completion(probe.wrap(source.choice(probe.wrong) + grammar.leaf(source)))
    if kind == 4:
        return Completion(mutated(probe.bad, source))
    if kind < 7:
        return Completion("".join(grammar.leaf(source) for _ in range(source.randrange(4))))
    # Whoever breaks a right answer knows it: what such a text is paid is the reward's own rule.
    return Completion(mutated(probe.good, source), knows=True)


def mutated(text: str, source: random.Random) -> str:
    """A text with up to four things done to it."""
    for _ in range(source.randrange(1, 5)):
        text = _once(text, source)
    return text


def _once(text: str, source: random.Random) -> str:
    start, end = sorted(source.randrange(len(text) + 1) for _ in range(2))
    kind = source.randrange(9)
    if kind == 0:
        return text[:start] + text[end:]
    if kind == 1:
        return text[:start] + text[start:end] * source.choice((2, 3, 50)) + text[end:]
    if kind == 2:
        return text[:start] + grammar.leaf(source) + text[start:]
    if kind == 3:
        return text[:start] + grammar.leaf(source) + text[end:]
    if kind == 4:
        return text[:start] + text[start:end].swapcase() + text[end:]
    if kind == 5:
        return text[:start] + text[start:end][::-1] + text[end:]
    if kind == 6:
        return text[:start] + source.choice(grammar.BREAKS) + text[start:]
    if kind == 7:
        return text.replace(text[start : start + 1], source.choice(grammar.BREAKS))
    return text + text


def says_answer(probe: Probe, text: str) -> bool:
    """Whether a text says the right answer all the same, by chance."""
    said = _signs(text)
    return any(_signs(one) in said for one in (probe.right, *probe.rewrites) if _signs(one))


def _signs(text: str) -> str:
    """Letters and digits alone, which survive separators, brackets and case."""
    return "".join(c for c in text.casefold() if c.isalnum())
