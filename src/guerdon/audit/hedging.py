"""Not deciding: many answers, every choice, one answer after the other."""

from __future__ import annotations

from collections.abc import Iterator

from guerdon.examples import Probe


def many_answers(probe: Probe) -> Iterator[str]:
    """The right answer among wrong ones in one place, in form and bare."""
    wrong = list(probe.wrong[:4])
    for joined in (" or ", ", ", " ", "\n", "; "):
        for answers in (
            [wrong[0], probe.right],
            [probe.right, *wrong],
            [*wrong, probe.right, *wrong],
        ):
            yield probe.wrap(joined.join(answers))
            yield joined.join(answers)


def repeated_answer(probe: Probe) -> Iterator[str]:
    """The right answer many times over."""
    for joined in (" ", ", ", "\n"):
        yield probe.wrap(joined.join([probe.right] * 30))


def changing_answers(probe: Probe) -> Iterator[str]:
    """Several completions in one that end in a wrong answer, the right one among them."""
    yield probe.good + "\n" + probe.bad
    yield "\n".join([probe.bad, probe.good, probe.bad])


def every_choice(probe: Probe) -> Iterator[str]:
    """Every choice named, where not every one is right."""
    letters = probe.choices
    if len(letters) < 2 or set(letters) <= set(probe.right):
        return
    for joined in (", ", "", " or ", "\n", "/"):
        yield probe.wrap(joined.join(letters))
    yield probe.wrap("All of " + ", ".join(letters))
    yield probe.wrap("; ".join(f"{letter}: maybe" for letter in letters))
