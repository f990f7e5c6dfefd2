"""Probes from given tasks: wrong answers, rewrites, and the form that the reward pays for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from guerdon.audit.bench import Bench
from guerdon.audit.numerals import number_of
from guerdon.examples import Probe
from guerdon.records import Task
from guerdon.stages import Reward

FORMS = (
    "<think>{think}</think><answer>\\boxed{{answer}}</answer>",
    "<think>{think}</think><answer>{answer}</answer>",
    "<think>{think}</think>\n<answer>\n{answer}\n</answer>",
    "{think} \\boxed{{answer}}",
    "{think}\n#### {answer}",
    "{think}\n```\n{answer}\n```",
    "<think>{think}</think>\n\n{answer}",
    "{think}\nThe answer is {answer}",
    "{answer}",
)
"""Where an answer may stand in a completion, the stricter forms first."""

_MOST_WRONG = 8


def probes_of(tasks: Sequence[Task], form: str = FORMS[-1]) -> list[Probe]:
    """A probe per task that has an answer; a list as answer counts as its first member.

    Columns ``wrong_answers`` and ``right_answers`` (lists of texts), where a task has them, are
    tried before what is made from the answer itself: neighbours of a number, other letters of
    ``choices``, the answers of other tasks. Raises ValueError where no task has a right and a
    wrong answer.
    """
    answers = {task.id: _answer(task) for task in tasks}
    probes = []
    for task in tasks:
        right = answers[task.id]
        if not right:
            continue
        letters = _letters(task, right)
        others = [text for name, text in answers.items() if text and name != task.id]
        given = _texts(task.columns.get("wrong_answers"))
        wrong = [*given, *_wrong(right, letters, others)]
        accepted = {right, *_texts(task.columns.get("right_answers")), *_accepted(task)}
        wrong = [text for text in dict.fromkeys(wrong) if text not in accepted]
        if wrong:
            rewrites = tuple(one for one in accepted if one != right)
            shown = tuple(wrong[:_MOST_WRONG])
            probes.append(Probe(task, right, shown, tuple(sorted(rewrites)), form, letters))
    if not probes:
        raise ValueError(
            "none of the tasks has an answer to make a wrong one from; give rows with prompt, "
            "answer and, where answers are long, wrong_answers (a list of texts)"
        )
    return probes


def best_form(reward: Reward, probes: Sequence[Probe], seconds: float = 10.0) -> str:
    """The one of `FORMS` in which right answers earn most beyond wrong ones (first on a tie).

    Three probes are tried. The form matters: a reward that reads ``<answer>`` gives nothing to
    a bare answer, however right.
    """
    gaps = dict.fromkeys(FORMS, 0.0)
    with Bench(reward, seconds) as bench:
        for form in FORMS:
            for probe in probes[:3]:
                formed = replace(probe, form=form)
                good, bad = (bench.one(formed, text) for text in (formed.good, formed.bad))
                if good.value is not None and bad.value is not None:
                    gaps[form] += good.value - bad.value
    # A form must be better by more than rounding to be preferred over an earlier one.
    return max(FORMS, key=lambda form: (round(gaps[form], 6), -FORMS.index(form)))


def _answer(task: Task) -> str:
    accepted = _accepted(task)
    return accepted[0] if accepted else ""


def _accepted(task: Task) -> list[str]:
    return _texts(task.answer)


def _texts(given: Any) -> list[str]:
    if given is None:
        return []
    several = given if isinstance(given, list | tuple) else [given]
    return [text for one in several if (text := str(one).strip())]


def _letters(task: Task, right: str) -> tuple[str, ...]:
    """The letters of the task's choices, if its answer is made of them."""
    choices = task.columns.get("choices")
    if isinstance(choices, Mapping):
        letters = tuple(map(str, choices))
    elif isinstance(choices, list | tuple):
        letters = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(choices)])
    else:
        return ()
    plain = set(right) - set(", ")
    return letters if plain and plain <= set(letters) else ()


def _wrong(right: str, letters: Sequence[str], others: Sequence[str]) -> list[str]:
    if letters:
        return [letter for letter in letters if letter not in right]
    value = number_of(right)
    if value is not None:
        bare = right.replace(",", "")
        if "." in bare or "e" in bare.lower():
            return [f"{value + 1:g}", f"{10 * value + 3:g}"]
        number = int(bare)
        turned = bare[::-1]
        near = [str(number + 1), str(number - 1), str(10 * number + 3), str(number + 100)]
        return [*near, *([turned] if turned.isdigit() and int(turned) != number else [])]
    unlike = [text for text in others if text.casefold() != right.casefold()]
    return [*unlike[:4], "none of these", right[::-1] if right[::-1] != right else right + right]
