"""What a part shows itself with: settings that do something and, for rewards, known answers.

A part's ``example()`` feeds the contract tests: one of its class, ready to be called. A reward's is
an `Example`, with tasks that fit, and feeds the audit and the gallery too. One that can't show
itself (it needs a policy, or a function of the user's) says why: ``no_example: ClassVar[str]``.

Right and wrong answers are written out by hand where a wrong one made by machine could be
nearly right: a reward with partial credit may then pay it rightly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from guerdon.records import Task
from guerdon.stages import Reward

THOUGHT = "I work it out."
"""What stands in the thinking section of a completion that nothing else is put into."""

ANSWER = "<think>{think}</think><answer>{answer}</answer>"
BOXED = "<think>{think}</think><answer>\\boxed{{answer}}</answer>"


class Judges(StrEnum):
    """What a reward looks at: whether the answer is right, the sections, the style, or files."""

    ANSWER = "answer"
    FORM = "form"
    STYLE = "style"
    FILES = "files"


@dataclass(frozen=True)
class Probe:
    """One task with its right answer and some that are wrong beyond dispute.

    ``right``, ``wrong`` and ``rewrites`` (right answers written otherwise) are bare answers;
    ``form`` makes a completion of one: a text with ``{answer}`` and, if it has a place for
    thinking, ``{think}``. ``choices``: the letters of a multiple-choice task.
    """

    task: Task
    right: str
    wrong: tuple[str, ...]
    rewrites: tuple[str, ...] = ()
    form: str = "{answer}"
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.wrong:
            raise ValueError(f"task {self.task.id!r}: an audit needs at least one wrong answer")

    def wrap(self, answer: str, thought: str = THOUGHT) -> str:
        """The completion that gives this answer in form."""
        return self.form.replace("{think}", thought).replace("{answer}", answer)

    def with_columns(self, **columns: Any) -> Probe:
        """The same, with further columns of its task."""
        return replace(self, task=replace(self.task, columns={**self.task.columns, **columns}))

    @property
    def good(self) -> str:
        """The right answer in form."""
        return self.wrap(self.right)

    @property
    def bad(self) -> str:
        """The first wrong answer in form."""
        return self.wrap(self.wrong[0])


@dataclass(frozen=True)
class Example:
    """A ready reward with tasks that fit it, and what it looks at.

    ``stays`` tells by attack of the audit why what it finds in this reward is no fault.
    """

    reward: Reward
    probes: tuple[Probe, ...]
    judges: Judges = Judges.ANSWER
    stays: Mapping[str, str] = field(default_factory=dict)


def probe(
    name: str,
    prompt: str,
    right: str,
    wrong: Sequence[str],
    rewrites: Sequence[str] = (),
    form: str = ANSWER,
    answer: Any = None,
    choices: str = "",
    **columns: Any,
) -> Probe:
    """A probe by hand: ``answer`` is the reference where it is not the right answer itself."""
    task = Task(name, prompt, right if answer is None else answer, columns)
    return Probe(task, right, tuple(wrong), tuple(rewrites), form, tuple(choices))


def sums() -> tuple[Probe, ...]:
    """Sums and other numbers: what a reward without tasks of its own is tried on."""
    return numbers()[:2]


def numbers() -> tuple[Probe, ...]:
    """Sums, fractions, a polynomial: answers that can be written in many ways."""
    return (
        probe("sum", "Compute 37+48.", "85", ("75", "86", "58", "850", "-85")),
        probe(
            *("large", "Compute 1234567*1.", "1234567", ("1234568", "123456.7", "7654321")),
            ("1,234,567", "1234567.0", "1.234567e6", r"1{,}234{,}567", r"\(1234567\)"),
        ),
        probe(
            *("fraction", "What is half of a quarter?", "1/8", ("1/4", "8", "-1/8", "0.8", "1")),
            ("0.125", r"\frac{1}{8}", r"\dfrac18", "2/16", ".125", "12.5%"),
        ),
        probe(
            *("square", "Expand (x+1)^2.", "x^2+2x+1", ("x^2+1", "x^2+2x-1", "2x+1", "x")),
            ("1+2x+x^2", "(x+1)^2", "x^{2} + 2x + 1", r"x^2+2\cdot x+1"),
        ),
        probe(*("none", "Compute 3-3.", "0", ("1", "3", "-3", "00.1")), ("-0", "0.0", "0/5", "0%")),
    )


def choices(form: str) -> tuple[Probe, ...]:
    """One letter and several, in ``form``."""
    offered = {"A": "17", "B": "90", "C": "44", "D": "3"}
    several = {"A": "4", "B": "9", "C": "6", "D": "8", "E": "15"}
    return (
        probe(
            *("largest", "Which is the largest? A) 17 B) 90 C) 44 D) 3", "B", ("A", "D", "E")),
            *(("B.", "(B)", r"\text{B}", "**B**", "B) 90", "The answer is B."), form),
            choices="ABCD",
            offered=offered,
        ),
        probe(
            *("even", "Which are even? A) 4 B) 9 C) 6 D) 8 E) 15", "ACD", ("BE", "B", "E")),
            *(("A, C, D", "A C D", "A,C,D"), form),
            choices="ABCDE",
            offered=several,
        ),
    )


def sentences(short: bool = False) -> tuple[Probe, ...]:
    """Questions with a sentence as reference, or with its deciding words if ``short``."""
    rows = (
        ("Where does Anna live?", "Anna lives in the old harbour of Oslo.", "Oslo"),
        ("What keeps Ben?", "Ben keeps two grey cats and a dog.", "two grey cats"),
        ("Who baked the bread?", "Carla baked the bread before sunrise.", "Carla"),
    )
    probes = []
    for number, (prompt, sentence, word) in enumerate(rows):
        right = word if short else sentence
        others = [row[2 if short else 1] for row in rows if row[0] != prompt]
        rewrites = (right.lower(), right.upper(), f"The {right}!") if short else (right + " ",)
        name = f"sentence-{number}"
        probes.append(probe(name, prompt, right, others, rewrites, references=[right]))
    return tuple(probes)


def tagged() -> tuple[Probe, ...]:
    """Sections in order, and out of it."""
    right = "<think>I add.</think><answer>7</answer>"
    wrong = ("7", "<think>I add.</think>", "<think>I add.</think>7", "<answer>7</answer>")
    rewrites = (right.replace("><", ">\n<"), right.replace("7", "seven"), f"\n{right}\n")
    return (probe("form", "Compute 3+4.", right, wrong, rewrites, "{answer}", answer="7"),)


def style(right: str, wrong: str) -> tuple[Probe, ...]:
    """One task with a text that is to be paid and one that is not."""
    return (probe("style", "Say 7.", right, (wrong,), (), "{answer}", answer="7"),)
