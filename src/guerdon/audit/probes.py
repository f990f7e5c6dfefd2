"""The tasks that the rewards of this library are audited on.

Right and wrong answers are written out by hand where a wrong one made by machine could be
nearly right: a reward with partial credit may then pay it rightly.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from guerdon.audit.cases import Probe
from guerdon.records import Task

ANSWER = "<think>{think}</think><answer>{answer}</answer>"
BOXED = "<think>{think}</think><answer>\\boxed{{answer}}</answer>"


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


def lists() -> tuple[Probe, ...]:
    """Several items, in any order."""
    return (
        probe(
            *("primes", "Which primes lie below 6?", "2, 3, 5", ("7, 11", "4", "1, 4, 6, 8")),
            ("[2, 3, 5]", "5, 3 and 2", r"\{2, 3, 5\}", "- 2\n- 3\n- 5", "2; 3; 5.0"),
        ),
        probe(
            *("colours", "Which colours has the flag?", "red, white", ("green, black", "blue")),
            ("White, Red", '["red", "white"]', "red and white"),
        ),
    )


def dates() -> tuple[Probe, ...]:
    """A day and a month."""
    return (
        probe(
            *("day", "When was it signed?", "2 December 2024"),
            ("3 December 2024", "December 2024", "2 December 2023", "2", "2024"),
            ("2024-12-02", "Dec 2, 2024", "12/02/2024", "2nd of December 2024"),
        ),
        probe(
            *("month", "In which month?", "May 2024", ("June 2024", "May 2023", "5", "May")),
            ("2024-05", "2024-05-17", "17 May 2024"),
        ),
    )


def quantities() -> tuple[Probe, ...]:
    """A number with a unit."""
    return (
        probe(
            *("distance", "How far is it?", "5 km", ("5 m", "5", "5 kg", "6 km", "50 km")),
            ("5000 m", r"5\text{ km}", "5.0 km", "500000 cm"),
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


def regions(column: str) -> tuple[Probe, ...]:
    """A box, a point in it or an interval, by the task column."""
    if column == "interval":
        return (
            probe(
                *("event", "It starts at 20 and lasts 15. When?", "[20,35]"),
                ("[60,80]", "[35,20]", "[0,99]", "20"),
                ("[20.0, 35.0]", "from [20, 35]", "(20, 35)"),
                interval=(20, 35),
            ),
        )
    right, wrong = "[3,4,9,10]", ("[11,11,14,14]", "[0,0,1,1]", "[9,10,3,4]", "[3,4]")
    if column == "point":
        right, wrong = "[6, 7]", ("[12, 12]", "[0, 0]", "[3, 4, 9, 10]", "6")
    rewrites = ("[6.0,7.0]", "(6, 7)") if column == "point" else ("[3.0, 4.0, 9.0, 10.0]",)
    prompt = "A box at (3,4) is 6 wide and 6 high."
    return (probe("box", prompt, right, wrong, rewrites, box=(3, 4, 9, 10)),)


def counts() -> tuple[Probe, ...]:
    """How many there are."""
    rewrites = ("7.0", "7 birds", "There are 7")
    return (probe("birds", "How many birds?", "7", ("8", "17", "70", "-7"), rewrites, count=7),)


def chart() -> tuple[Probe, ...]:
    """A value read off a chart, and a name."""
    return (
        probe("sales", "Sales in May?", "2400", ("4800", "24", "-2400"), ("2,400", "$2400")),
        probe("who", "Which country leads?", "Norway", ("Chile", "Peru"), ("norway", " Norway ")),
    )


def programs() -> tuple[Probe, ...]:
    """A function with tests, and programs that try to pass without being right."""
    trick = "class Same:\n    def __eq__(self, other):\n        return True\n"
    return (
        probe(
            *("add", "Write add(a, b).", "def add(a, b):\n    return a + b"),
            (
                "def add(a, b):\n    return a - b",
                f"{trick}def add(a, b):\n    return Same()",
                "def add(a, b):\n    raise SystemExit(0)",
                "import os\nos._exit(0)",
                "def add(a, b):\n    while True:\n        pass",
                "print(5)\nprint(0)",
                "def add(a, b):\n    return {(2, 3): 5, (-1, 1): 0}[(a, b)]",
            ),
            ("add = lambda a, b: a + b", "from operator import add"),
            "{think}\n```python\n{answer}\n```",
            answer="",
            tests=["assert add(2, 3) == 5", "assert add(-1, 1) == 0"],
        ),
    )


def queries() -> tuple[Probe, ...]:
    """A query with its table."""
    columns: dict[str, Any] = {
        "schema": "CREATE TABLE pets (name TEXT, age INTEGER)",
        "rows": [("ada", 3), ("bela", 9), ("cora", 12), ("dino", 9)],
        "table": "pets",
    }
    by_heart = "SELECT 'bela' UNION SELECT 'cora' UNION SELECT 'dino'"
    return (
        probe(
            *("old", "Table pets(name, age). Show name where age > 5."),
            "SELECT name FROM pets WHERE age > 5",
            ("SELECT name FROM pets WHERE age < 5", "SELECT * FROM pets", by_heart),
            ("select name from pets where age > 5;", "SELECT name FROM pets WHERE 5 < age"),
            **columns,
        ),
    )


def calls() -> tuple[Probe, ...]:
    """A tool call."""
    call = {"name": "weather", "parameters": {"city": "Oslo", "day": "today"}}
    other = {"name": "alarm", "parameters": {"hour": 7}}
    turned = {"parameters": {"day": "today", "city": "Oslo"}, "name": "weather"}
    spaced = json.dumps(call).replace(":", " :").replace("{", "{ ")
    return (
        probe(
            *("rain", "Tools: weather(city,day) alarm(hour)\nWill it rain in Oslo today?"),
            json.dumps(call),
            (json.dumps(other), "{}", '{"name": "weather"}', "weather(Oslo)"),
            (json.dumps(turned), spaced),
            "<think>{think}</think>\n<tool_call>\n{answer}\n</tool_call>",
            calls=[call],
        ),
    )


def web() -> tuple[Probe, ...]:
    """Actions on a page."""

    def action(**fields: Any) -> str:
        return json.dumps({"rationale": "because", "action": fields})

    click = {"type": "click", "name": "add to cart"}
    typed = {"type": "type_and_submit", "name": "search", "text": "red running shoes"}
    others = (action(type="terminate"), action(type="click", name="log out"), "{}")
    return (
        probe(
            *("cart", "Buy it.", action(**click), others, (action(**click).replace(":", " : "),)),
            "{answer}",
            action=click,
        ),
        probe(
            *("search", "Look for red running shoes.", action(**typed)),
            (*others, action(type="type_and_submit", name="search", text="blue")),
            (action(type="type_and_submit", name="search", text="Red running shoes"),),
            "{answer}",
            action=typed,
        ),
    )


def mobile() -> tuple[Probe, ...]:
    """A tap within a box."""

    def step(**arguments: Any) -> str:
        return json.dumps({"name": "click", "arguments": arguments})

    label = {"name": "click", "arguments": {"x": 5, "y": 5}, "box": [0, 0, 10, 10]}
    form = "<think>{think}</think><action>tap</action><tool_call>{answer}</tool_call>"
    return (
        probe(
            *("tap", "Open the mail.", step(x=5, y=5)),
            ('{"name": "wait"}', step(x=50, y=5), step(x="5", y="5"), step(x=True, y=True)),
            *((step(x=6.5, y=0), step(y=5, x=5)), form),
            step=label,
        ),
    )


def sections() -> tuple[Probe, ...]:
    """Sections in order, and out of it."""
    right = "<think>I add.</think><answer>7</answer>"
    wrong = ("7", "<think>I add.</think>", "<think>I add.</think>7", "<answer>7</answer>")
    rewrites = (right.replace("><", ">\n<"), right.replace("7", "seven"), f"\n{right}\n")
    return (probe("form", "Compute 3+4.", right, wrong, rewrites, "{answer}", answer="7"),)


def template() -> tuple[Probe, ...]:
    """Times as JSON in the answer."""
    right = '<think>x</think><answer>{"start_time": "1", "end_time": "2.5"}</answer>'
    wrong = ("[1, 2.5]", right.replace('"1"', "1"), right.replace("end_time", "end"))
    return (probe("times", "When?", right, wrong, (right + "\n",), "{answer}", answer="x"),)


def short() -> tuple[Probe, ...]:
    """The right answer in few words, and a wrong one in many."""
    long = "75, as the sum of the tens and the ones is " + "checked again and " * 20 + "75"
    return (probe("sum", "Compute 37+48.", "85", (long,)),)


def stages() -> tuple[Probe, ...]:
    """A diagnosis told in stages."""
    told = (
        "On examination there is fever. The differential includes flu and measles. Measles is "
        "less likely without a rash. Therefore it is flu."
    )
    right, wrong = f"<think>{told}</think>flu", ("<think>It is flu.</think>flu", told, "flu")
    return (probe("ward", "What is it?", right, wrong, (), "{answer}", answer="flu"),)


def style(right: str, wrong: str) -> tuple[Probe, ...]:
    """One task with a text that is to be paid and one that is not."""
    return (probe("style", "Say 7.", right, (wrong,), (), "{answer}", answer="7"),)
