"""The data turned round: wrong answers, right ones written otherwise, and more of the same."""

from __future__ import annotations

from collections.abc import Iterator

from guerdon.examples import Probe

FILLER = "So far nothing speaks against it, and I go on. "
PADDING = (0, 2, 8, 32, 128)
"""How many times the filler stands in the thought: what length alone earns is read off this."""


def wrong_answers(probe: Probe) -> Iterator[str]:
    """Wrong answers in form."""
    yield from map(probe.wrap, probe.wrong)


def rewritten(probe: Probe) -> Iterator[str]:
    """The right answer in form, with white space around it, and written otherwise."""
    yield probe.good
    yield probe.good + "\n"
    if "\n" not in probe.right:  # white space before a line of a program is no white space
        yield probe.wrap(f" {probe.right} ")
    yield from map(probe.wrap, probe.rewrites)


def padded_right(probe: Probe) -> Iterator[str]:
    """The right answer after a thought that grows and says nothing."""
    yield from (_padded(probe, probe.right, count) for count in PADDING)


def padded_wrong(probe: Probe) -> Iterator[str]:
    """A wrong answer after a thought that grows and says nothing."""
    yield from (_padded(probe, probe.wrong[0], count) for count in PADDING)


def _padded(probe: Probe, answer: str, count: int) -> str:
    filler = FILLER * count
    if "{think}" in probe.form:
        return probe.wrap(answer, filler + "Done.")
    return filler + probe.wrap(answer)
