"""What the seedling can do: accuracy per skill on held-out tasks, greedy and at temperature 1.

    python scripts/examine_seedling.py --tasks 200

Prints one row per skill and writes them to ``examination.json`` beside the weights. "form" is
the share of greedy answers in the form that the skill asks for, whether right or wrong;
"different" the mean number of different texts among eight samples of one task.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from guerdon.nursery import seedling_path
from guerdon.nursery.worked import moves
from guerdon.parsing import answer_text, json_object, last_boxed
from guerdon.records import Task
from guerdon.rollout import LanguagePolicy
from guerdon.stages import Sampling
from guerdon.tasks import (
    Arithmetic,
    FactQuestions,
    MultiChoice,
    MultipleChoice,
    SqlQueries,
    TextBoxes,
    TextIntervals,
    ToolCalls,
    stated_facts,
)

Judge = Callable[[str, Task], tuple[bool, bool]]
"""(completion, task) to (right, in form)."""


def tagged(text: str, task: Task) -> tuple[bool, bool]:
    """The text between answer tags equals the answer."""
    form = re.fullmatch(r"(<think>[^<]*</think>)?<answer>((?!</answer>).)*</answer>", text)
    return answer_text(text) == task.answer, form is not None


def boxed(text: str, task: Task) -> tuple[bool, bool]:
    """The boxed letters equal the answer."""
    form = re.fullmatch(r"<think>[^<]*</think><answer>\\boxed\{[A-H]+\}</answer>", text)
    return last_boxed(text) == task.answer, form is not None


def called(text: str, task: Task) -> tuple[bool, bool]:
    """The JSON between tool tags equals the call."""
    inside = re.fullmatch(r"<tool>(.*)</tool>", text, re.DOTALL)
    call = None if inside is None else json_object(inside[1])
    return call == json.loads(task.answer), call is not None


def stated(text: str, task: Task) -> tuple[bool, bool]:
    """The sentence names the person and the value, and no other."""
    people, values = stated_facts(text, task.columns["relation"])
    right = (people, values) == ({task.columns["person"]}, {task.answer})
    return right, len(people) == len(values) == 1


def moved(text: str, task: Task) -> tuple[bool, bool]:
    """The step leads nearer to the goal; down adds to y."""
    steps = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}
    step = steps.get(text.strip())
    if step is None:
        return False, False
    gap = [g - a for a, g in zip(task.columns["at"], task.columns["goal"], strict=True)]
    return sum(s * d for s, d in zip(step, gap, strict=True)) > 0, True


def examinations(count: int) -> list[tuple[str, Sequence[Task], Judge]]:
    """Name, tasks and judge of every skill."""
    sums = [
        (name, Arithmetic((name,), test=min(count, 100)).load("test"), tagged)
        for name in ("addition", "subtraction", "multiplication", "two_steps")
    ]
    return [
        ("arithmetic (default tasks)", Arithmetic(test=count).load("test"), tagged),
        *((f"  {name}", tasks, judge) for name, tasks, judge in sums),
        ("multiple choice", MultipleChoice(test=count).load("test"), boxed),
        ("multi-letter choice", MultiChoice(test=count).load("test"), boxed),
        ("tool calls", ToolCalls(test=count).load("test"), called),
        ("facts", FactQuestions(test=count).load("test"), stated),
        ("SQL", SqlQueries(test=min(count, 256)).load("test"), tagged),
        ("boxes", TextBoxes(test=count).load("test"), tagged),
        ("intervals", TextIntervals(test=count).load("test"), tagged),
        ("moves", moves(1, count), moved),
    ]


def main() -> None:
    """Examine every skill and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=128)
    parser.add_argument("--model", type=Path, default=seedling_path())
    parser.add_argument("--show", action="store_true", help="print some answers")
    arguments = parser.parse_args()
    policy = LanguagePolicy.load(str(arguments.model))
    rows = []
    print(f"{'skill':28}{'greedy':>8}{'t = 1':>8}{'form':>8}{'different':>11}")
    for skill, tasks, judge in examinations(arguments.tasks):
        with torch.no_grad():
            greedy = policy.sample(tasks, 1, Sampling(temperature=0.0), 0)
            sampled = policy.sample(tasks[: len(tasks) // 2], 8, Sampling(), 0)
        first = [judge(t, task) for t, task in zip(greedy.texts, tasks, strict=True)]
        drawn = [judge(t, sampled.task_of(n))[0] for n, t in enumerate(sampled.texts)]
        groups = [sampled.texts[n : n + 8] for n in range(0, len(sampled), 8)]
        row = {
            "skill": skill.strip(),
            "greedy": sum(right for right, _ in first) / len(first),
            "sampled": sum(drawn) / len(drawn),
            "form": sum(form for _, form in first) / len(first),
            "different": sum(len(set(g)) for g in groups) / len(groups),
        }
        rows.append({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})
        print(
            f"{skill:28}{row['greedy']:8.1%}{row['sampled']:8.1%}{row['form']:8.1%}"
            f"{row['different']:11.1f}",
            flush=True,
        )
        if arguments.show:
            for text, task in list(zip(greedy.texts, tasks, strict=True))[:3]:
                print("     ", repr(task.text[-40:]), repr(text), task.answer)
    (arguments.model / "examination.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
