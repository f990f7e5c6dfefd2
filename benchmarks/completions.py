"""Ten thousand made-up but realistic solutions, each with its true verdict.

Every task has a reference, several right ways of writing it and several wrong answers; what is
right is known from how the answer was made, not from any checker.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import gcd

import torch

from guerdon.records import Rollouts, Task


@dataclass(frozen=True)
class Problem:
    """A reference answer, right writings of it, and wrong answers."""

    kind: str
    gold: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]


def integer(r: random.Random) -> Problem:
    n = r.randint(1000, 9999)
    comma = f"{n // 1000},{n % 1000:03d}"
    right = (f"{n}", comma, f"{n}.0", f"x = {n}", rf"{n}\text{{ cm}}", rf"\${n}")
    return Problem("integer", str(n), right, (f"{n + 1}", f"{n * 10}", f"-{n}"))


def fraction(r: random.Random) -> Problem:
    a, b = r.randint(1, 30), r.randint(2, 31)
    a, b = a // gcd(a, b), b // gcd(a, b)
    b += b == 1
    right = (rf"\frac{{{a}}}{{{b}}}", rf"\dfrac{{{a}}}{{{b}}}", f"{a}/{b}")
    wrong = (rf"\frac{{{a + 1}}}{{{b}}}", rf"-\frac{{{a}}}{{{b}}}", f"{a}/{b + 1}")
    return Problem("fraction", right[0], (*right, rf"\frac{{{3 * a}}}{{{3 * b}}}"), wrong)


def decimal(r: random.Random) -> Problem:
    cents = 4 * r.randint(3, 500) + 1
    text = f"{cents // 100}.{cents % 100:02d}"
    right = (text, text + "0", rf"\frac{{{cents}}}{{100}}", f"{text}.")
    return Problem("decimal", text, right, (f"{cents}", f"-{text}", f"{text}5"))


def surd(r: random.Random) -> Problem:
    k, m = r.randint(2, 9), r.choice([2, 3, 5, 6, 7, 10, 11])
    right = (
        rf"{k}\sqrt{{{m}}}",
        rf"{k} \sqrt{{{m}}}",
        rf"\sqrt{{{k * k * m}}}",
        rf"\sqrt{{{m}}} \cdot {k}",
    )
    wrong = (rf"{k + 1}\sqrt{{{m}}}", rf"\sqrt{{{k * m}}}", rf"{k}\sqrt{{{m + 1}}}")
    return Problem("surd", right[0], right, wrong)


def polynomial(r: random.Random) -> Problem:
    p, q = r.randint(1, 9), r.randint(1, 9)
    gold = f"x^2+{p + q}x+{p * q}"
    right = (gold, f"{p * q} + {p + q}x + x^2", f"(x+{p})(x+{q})", f"y = {gold}")
    return Problem("polynomial", gold, right, (f"x^2-{p + q}x+{p * q}", f"(x+{p})(x-{q})"))


def point(r: random.Random) -> Problem:
    a, b = r.sample(range(1, 40), 2)
    right = (
        f"({a}, {b})",
        rf"\left({a}, {b}\right)",
        f"({a},{b})",
        rf"({a}, \frac{{{2 * b}}}{{2}})",
    )
    return Problem("point", f"({a},{b})", right, (f"({b},{a})", f"({a},-{b})"))


def interval(r: random.Random) -> Problem:
    a, b = sorted(r.sample(range(-20, 20), 2))
    right = (f"[{a},{b})", rf"\left[{a}, {b}\right)", rf"[{a}, {b})")
    return Problem("interval", f"[{a},{b})", right, (f"[{a},{b}]", f"({a},{b})", f"[{a},{b + 1})"))


def solutions(r: random.Random) -> Problem:
    a, b, c = r.sample(range(1, 50), 3)
    right = (rf"\{{{a}, {b}, {c}\}}", rf"\{{{c}, {a}, {b}\}}", rf"\left\{{{b},{a},{c}\right\}}")
    return Problem("set", right[0], right, (rf"\{{{a}, {b}\}}", rf"\{{{a}, {b}, {c + 1}\}}"))


def matrix(r: random.Random) -> Problem:
    a, b, c, d = (r.randint(-9, 9) for _ in range(4))
    gold = rf"\begin{{pmatrix}} {a} & {b} \\ {c} & {d} \end{{pmatrix}}"
    right = (gold, rf"\begin{{pmatrix}}{a}&{b}\\{c}&{d}\end{{pmatrix}}")
    return Problem("matrix", gold, right, (gold.replace(f"{d} \\end", f"{d + 1} \\end"),))


def percent(r: random.Random) -> Problem:
    n = r.randint(3, 97)
    right = (rf"{n}\%", f"{n}%", rf"{n}.0\%")
    return Problem("percent", rf"{n}\%", right, (rf"{n + 1}\%", rf"{100 - n + (n == 50)}\%"))


def area(r: random.Random) -> Problem:
    k = r.randint(2, 60)
    right = (rf"{k}\pi", rf"{k} \pi", rf"\pi \cdot {k}", rf"{k}\pi\text{{ cm}}^2")
    return Problem("area", rf"{k}\pi", right, (rf"{k + 1}\pi", f"{3.14 * k:.2f}", f"{k}"))


def name(r: random.Random) -> Problem:
    one, two = r.sample(["Evelyn", "Angela", "Briana", "Carla", "Debra", "Monday", "odd"], 2)
    text = rf"\text{{{one}}}"
    return Problem("name", text, (text, one), (two, rf"\text{{{two}}}"))


KINDS: tuple[Callable[[random.Random], Problem], ...] = (
    *(integer, fraction, decimal, surd, polynomial, point),
    *(interval, solutions, matrix, percent, area, name),
)

STEPS = (
    "First we write down what is given: the total is ${0}$ and there are ${1}$ parts.",
    "Substituting into the equation gives ${0} = {1}y + r$ with a remainder that must vanish.",
    "Since both sides are positive, we may divide by $\\frac{{{0}}}{{{1}}}$ without losing a case.",
    "Checking with $n = {0}$, the left side is ${0} \\cdot {1}$, which is too large.",
    "Wait, let me recheck that step. The coefficient was {0}, not {1}, so the sign changes.",
    "By symmetry the other case contributes the same amount, and we add the two together.",
)


def solution(r: random.Random, answer: str | None) -> str:
    """Some hundred words of work; cut off where there is no answer."""
    steps = [s.format(r.randint(10_000, 99_999), r.randint(10_000, 99_999)) for s in STEPS * 2]
    r.shuffle(steps)
    work = "<think>" + "\n".join(steps[:9])
    if answer is None:
        return work
    return f"{work}</think>\n<answer>Therefore the answer is $\\boxed{{{answer}}}$.</answer>"


def solutions_of(
    rows: int, group_size: int = 8, seed: int = 0
) -> tuple[Rollouts, list[bool], list[str]]:
    """Rollouts of solutions, the true verdict of each row, and each row's kind of problem."""
    r = random.Random(seed)
    tasks, texts, truth, kinds = [], [], [], []
    for group in range(rows // group_size):
        problem = KINDS[group % len(KINDS)](r)
        tasks.append(Task(str(group), "?", problem.gold, {"references": [problem.gold]}))
        for _ in range(group_size):
            right, cut = r.random() < 0.5, r.random() < 0.03
            answer = r.choice(problem.right if right else problem.wrong)
            texts.append(solution(r, None if cut else answer))
            truth.append(right and not cut)
            kinds.append(problem.kind)
    return rollouts_of(texts, tasks, group_size), truth, kinds


def choices_of(rows: int, group_size: int = 8, seed: int = 0) -> Rollouts:
    """Rollouts of multiple-choice solutions."""
    r = random.Random(seed)
    tasks = [Task(str(g), "?", r.choice("ABCD")) for g in range(rows // group_size)]
    texts = [solution(r, r.choice("ABCD")) for _ in range(rows // group_size * group_size)]
    return rollouts_of(texts, tasks, group_size)


def rollouts_of(texts: list[str], tasks: list[Task], group_size: int) -> Rollouts:
    """Rows of texts, ``group_size`` to a task."""
    n = len(texts)
    return Rollouts(
        tasks=tuple(tasks),
        group=torch.arange(n) // group_size,
        prompts=(torch.zeros(1).long(),) * len(tasks),
        ids=torch.zeros(n, 8).long(),
        mask=torch.ones(n, 8).bool(),
        lengths=torch.full((n,), 8),
        logps=torch.zeros(n, 8),
        texts=tuple(texts),
        turn=torch.zeros(n, 8).long(),
        turn_rewards=torch.ones(n, 1),
    )
