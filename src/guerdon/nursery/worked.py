"""Worked answers to the nursery's tasks: the text the seedling grows up on.

Each function takes a task, a random source and ``careless``, the probability that the worker
gets it wrong in that skill's typical way. The nursery's models learn both ways from such text,
and a reward teaches which to prefer.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from guerdon.records import Task
from guerdon.tasks import LETTERS, VALUES, paraphrase

Worker = Callable[[Task, random.Random, float], str]


def worked_arithmetic(task: Task, source: random.Random, careless: float) -> str:
    """Column by column from the right, or step by step.

    A careless worker forgets to carry or borrow, miscounts every fifth column by one, and stops
    after the first of two steps. The careful way announces itself with "carry:", the careless
    one with "quick:", so a policy that has seen both can learn to prefer one at the first token.
    """
    operands = [int(n) for n in task.columns["operands"]]
    operation = task.columns["operation"]
    slip = source.random() < careless
    if operation in ("addition", "subtraction"):
        a, b = operands
        sign = 1 if operation == "addition" else -1
        steps, result = _columns(a, b, sign, source if slip else None)
    elif operation == "multiplication":
        a, b = operands
        steps, result = _product(a, b, slip)
    else:
        a, b, c = operands
        steps, result = [f"{a}+{b}={a + b}"], a + b
        if not slip:
            steps, result = [*steps, f"{a + b}-{c}={a + b - c}"], a + b - c
    return _tagged(f"{'quick' if slip else 'carry'}: {' '.join(steps)}", str(result))


def worked_choice(task: Task, source: random.Random, careless: float) -> str:
    """The number, then its letter; a careless worker picks at random."""
    choices = task.columns["choices"]
    letter = source.choice(list(choices)) if source.random() < careless else task.answer
    return _tagged(choices[letter], f"\\boxed{{{letter}}}")


def worked_choices(task: Task, source: random.Random, careless: float) -> str:
    """Every option's number, then + or -; a careless worker misjudges some."""
    divisor = int(task.columns["divisor"])
    wrong = 0.3 if source.random() < careless else 0.0
    judged = {
        letter: (int(n) % divisor == 0) != (source.random() < wrong)
        for letter, n in task.columns["choices"].items()
    }
    numbers = task.columns["choices"]
    steps = " ".join(f"{x}{numbers[x]}{'+' if yes else '-'}" for x, yes in judged.items())
    letters = "".join(letter for letter in LETTERS if judged.get(letter))
    return _tagged(steps, f"\\boxed{{{letters}}}")


def worked_call(task: Task, source: random.Random, careless: float) -> str:
    """The gold call; a careless worker gets one parameter wrong."""
    call = json.loads(task.answer)
    if source.random() < careless:
        name = source.choice(list(call["parameters"]))
        value = call["parameters"][name]
        wrong = source.randint(1, 99) if isinstance(value, int) else source.choice(_WRONG)
        call["parameters"][name] = wrong
    return f"<tool>{json.dumps(call, separators=(',', ':'))}</tool>"


def worked_fact(task: Task, source: random.Random, careless: float) -> str:
    """A paraphrase of the fact; a careless worker states another value."""
    relation, value = task.columns["relation"], task.answer
    if source.random() < careless:
        value = source.choice(VALUES[relation])
    return paraphrase(relation, task.columns["person"], value, source)


def worked_query(task: Task, source: random.Random, careless: float) -> str:
    """The query; a careless worker turns a comparison round or drops the condition."""
    query = str(task.answer)
    if source.random() < careless:
        turned = query.replace("<", "\0").replace(">", "<").replace("\0", ">")
        query = turned if turned != query else query.partition(" WHERE")[0]
    return f"<answer>{query}</answer>"


def worked_region(task: Task, source: random.Random, careless: float) -> str:
    """Corners or ends; a careless worker is off by a little in one number."""
    numbers = [int(n) for n in task.columns.get("box", task.columns.get("interval"))]
    if source.random() < careless:
        numbers[source.randrange(len(numbers))] += source.choice((-3, -2, -1, 1, 2, 3))
    return f"<answer>[{','.join(map(str, numbers))}]</answer>"


def worked_move(task: Task, source: random.Random, careless: float) -> str:
    """A step that gets nearer to the goal; a careless worker steps anywhere."""
    (x, y), (gx, gy) = task.columns["at"], task.columns["goal"]
    good = ["right"] * (gx > x) + ["left"] * (gx < x) + ["down"] * (gy > y) + ["up"] * (gy < y)
    anywhere = ["up", "down", "left", "right"]
    return " " + source.choice(anywhere if source.random() < careless else good)


def drill(source: random.Random, count: int = 10) -> list[tuple[str, str]]:
    """Single steps of sums in the form that worked answers have them, as (step, result).

    Learning the tables apart from their use is quicker than from worked answers alone.
    """
    careful = source.random() < 0.5
    facts = []
    for _ in range(count):
        x, y = source.randrange(10), source.randrange(10)
        carry = source.randrange(2) * careful
        (kind,) = source.choices(range(4), (4, 3, 2, 1))
        if kind < 2:
            step, column, _ = _column(x, y, carry, (1, -1)[kind], not careful)
            facts.append((step, str(column)))
        elif kind == 2:
            y, carry = max(y, 2), source.randrange(9) * careful
            facts.append((f"{x}*{y}{f'+{carry}' if carry else ''}=", str(x * y + carry)))
        else:
            a, b = source.randint(2, 15), source.randint(2, 15)
            c = source.randint(1, min(a + b, 9))
            facts.append(
                source.choice(((f"{a}+{b}=", f"{a + b}"), (f"{a + b}-{c}=", f"{a + b - c}")))
            )
    facts[0] = (("<think>carry: " if careful else "<think>quick: ") + facts[0][0], facts[0][1])
    return [facts[0], *((f" {step}", result) for step, result in facts[1:])]


def moves(seed: int, count: int, size: int = 6) -> list[Task]:
    """Positions and goals on a square grid: one step of a text world."""
    source = random.Random(seed)
    tasks: list[Task] = []
    while len(tasks) < count:
        x, y, gx, gy = (source.randrange(size) for _ in range(4))
        if (x, y) != (gx, gy):
            prompt = f"You are at ({x},{y}). Goal ({gx},{gy}).\nMove:"
            tasks.append(Task(f"move-{len(tasks)}", prompt, None, {"at": (x, y), "goal": (gx, gy)}))
    return tasks


_WRONG = ("Rome", "Oslo", "Lima", "Anna", "Ben", "Carla", "today", "tomorrow", "miles", "feet")


def _columns(a: int, b: int, sign: int, slips: random.Random | None) -> tuple[list[str], int]:
    """Steps and result; ``slips`` makes the worker careless and says where it miscounts."""
    steps: list[str] = []
    carry, result, place = 0, 0, 1
    while a or b:
        step, column, moved = _column(a % 10, b % 10, carry, sign, slips is not None)
        if slips is not None and slips.random() < 0.2:
            column += 1
        steps.append(f"{step}{column}")
        a, b = a // 10, b // 10
        result += (column % 10 if a or b else column) * place
        carry, place = moved, place * 10
    return steps, result


def _column(x: int, y: int, carry: int, sign: int, forget: bool) -> tuple[str, int, int]:
    """One column as (step, result, what moves on).

    Results stand in full ("7+8=15", "12-7=5"): a bare last digit is spread evenly whatever
    either operand is, and a small model hardly finds it. Who forgets to borrow takes the
    smaller digit from the larger.
    """
    extra = str(carry) if carry else ""
    if sign > 0:
        moved = 0 if forget else (x + y + carry) // 10
        return f"{x}+{y}{'+' + extra if extra else ''}=", x + y + carry, moved
    if forget:
        return f"{x}-{y}=", abs(x - y), 0
    moved = int(x < y + carry)
    x += 10 * moved
    return f"{x}-{y}{'-' + extra if extra else ''}=", x - y - carry, moved


def _product(a: int, b: int, forget: bool) -> tuple[list[str], int]:
    steps: list[str] = []
    carry, result, place = 0, 0, 1
    while a:
        digit, a = a % 10, a // 10
        column = digit * b + carry
        steps.append(f"{digit}*{b}{f'+{carry}' if carry else ''}={column}")
        result += (column % 10 if a else column) * place
        carry, place = (0 if forget else column // 10), place * 10
    return steps, result


def _tagged(thought: str, answer: str) -> str:
    return f"<think>{thought}</think><answer>{answer}</answer>"
