"""The rewards of this library with the tasks they are audited on.

Right and wrong answers are written out by hand where a wrong one made by machine could be
nearly right: a reward with partial credit may then pay it rightly.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from typing import Any

from guerdon import rewards
from guerdon.audit.cases import Judges, Probe, Subject
from guerdon.records import Task
from guerdon.rewards.sandbox import Limits, isolation_in_force
from guerdon.stages import Reward

ANSWER = "<think>{think}</think><answer>{answer}</answer>"
BOXED = "<think>{think}</think><answer>\\boxed{{answer}}</answer>"

LEFT_OUT = {
    "environment-return": "it reads the environment's rewards, not the completion",
    "reasoning-gym": "its scorers are reasoning-gym's; give --tasks to try one data set",
}
"""Rewards by name that are not audited, and why."""


def subjects() -> dict[str, Subject]:
    """Every reward on the command line's list that reads text, and those of the extras here."""
    found: dict[str, Subject] = {}
    for name, make in (*_ANSWERS.items(), *_WORDS.items(), *_ACTIONS.items(), *_FORMS.items()):
        found[name] = make()
    if importlib.util.find_spec("pint"):
        found["quantity-match"] = Subject(rewards.QuantityMatch(), _quantities())
    if importlib.util.find_spec("rapidfuzz"):
        found["edit"] = Subject(rewards.EditSimilarity(), _sentences())
    if importlib.util.find_spec("py3langid"):
        found["language-share"] = Subject(
            rewards.LanguageShare(),
            _style("Seven it is, as the sum shows.", "Sieben ist es, wie die Summe zeigt."),
            Judges.STYLE,
        )
    if importlib.util.find_spec("nltk"):
        found["meteor"] = Subject(rewards.Meteor(), _sentences())
    if not isolation_in_force()["kernel"]:
        found.pop("code")
    return dict(sorted(found.items()))


def _probe(
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
    task = Task(name, prompt, right if answer is None else answer, columns)
    return Probe(task, right, tuple(wrong), tuple(rewrites), form, tuple(choices))


def sums() -> tuple[Probe, ...]:
    """Sums and other numbers: what a reward without tasks of its own is tried on."""
    return _numbers()[:2]


def _numbers() -> tuple[Probe, ...]:
    return (
        _probe("sum", "Compute 37+48.", "85", ("75", "86", "58", "850", "-85")),
        _probe(
            *("large", "Compute 1234567*1.", "1234567", ("1234568", "123456.7", "7654321")),
            ("1,234,567", "1234567.0", "1.234567e6", r"1{,}234{,}567", r"\(1234567\)"),
        ),
        _probe(
            *("fraction", "What is half of a quarter?", "1/8", ("1/4", "8", "-1/8", "0.8", "1")),
            ("0.125", r"\frac{1}{8}", r"\dfrac18", "2/16", ".125", "12.5%"),
        ),
        _probe(
            *("square", "Expand (x+1)^2.", "x^2+2x+1", ("x^2+1", "x^2+2x-1", "2x+1", "x")),
            ("1+2x+x^2", "(x+1)^2", "x^{2} + 2x + 1", r"x^2+2\cdot x+1"),
        ),
        _probe(
            *("none", "Compute 3-3.", "0", ("1", "3", "-3", "00.1")), ("-0", "0.0", "0/5", "0%")
        ),
    )


def _choices(form: str) -> tuple[Probe, ...]:
    offered = {"A": "17", "B": "90", "C": "44", "D": "3"}
    several = {"A": "4", "B": "9", "C": "6", "D": "8", "E": "15"}
    return (
        _probe(
            *("largest", "Which is the largest? A) 17 B) 90 C) 44 D) 3", "B", ("A", "D", "E")),
            *(("B.", "(B)", r"\text{B}", "**B**", "B) 90", "The answer is B."), form),
            choices="ABCD",
            offered=offered,
        ),
        _probe(
            *("even", "Which are even? A) 4 B) 9 C) 6 D) 8 E) 15", "ACD", ("BE", "B", "E")),
            *(("A, C, D", "A C D", "A,C,D"), form),
            choices="ABCDE",
            offered=several,
        ),
    )


def _lists() -> tuple[Probe, ...]:
    return (
        _probe(
            *("primes", "Which primes lie below 6?", "2, 3, 5", ("7, 11", "4", "1, 4, 6, 8")),
            ("[2, 3, 5]", "5, 3 and 2", r"\{2, 3, 5\}", "- 2\n- 3\n- 5", "2; 3; 5.0"),
        ),
        _probe(
            *("colours", "Which colours has the flag?", "red, white", ("green, black", "blue")),
            ("White, Red", '["red", "white"]', "red and white"),
        ),
    )


def _dates() -> tuple[Probe, ...]:
    return (
        _probe(
            *("day", "When was it signed?", "2 December 2024"),
            ("3 December 2024", "December 2024", "2 December 2023", "2", "2024"),
            ("2024-12-02", "Dec 2, 2024", "12/02/2024", "2nd of December 2024"),
        ),
        _probe(
            *("month", "In which month?", "May 2024", ("June 2024", "May 2023", "5", "May")),
            ("2024-05", "2024-05-17", "17 May 2024"),
        ),
    )


def _quantities() -> tuple[Probe, ...]:
    return (
        _probe(
            *("distance", "How far is it?", "5 km", ("5 m", "5", "5 kg", "6 km", "50 km")),
            ("5000 m", r"5\text{ km}", "5.0 km", "500000 cm"),
        ),
    )


def _sentences(short: bool = False) -> tuple[Probe, ...]:
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
        probes.append(_probe(name, prompt, right, others, rewrites, references=[right]))
    return tuple(probes)


def _regions(column: str) -> tuple[Probe, ...]:
    if column == "interval":
        return (
            _probe(
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
    return (_probe("box", prompt, right, wrong, rewrites, box=(3, 4, 9, 10)),)


def _counts() -> tuple[Probe, ...]:
    rewrites = ("7.0", "7 birds", "There are 7")
    return (_probe("birds", "How many birds?", "7", ("8", "17", "70", "-7"), rewrites, count=7),)


def _chart() -> tuple[Probe, ...]:
    return (
        _probe("sales", "Sales in May?", "2400", ("4800", "24", "-2400"), ("2,400", "$2400")),
        _probe("who", "Which country leads?", "Norway", ("Chile", "Peru"), ("norway", " Norway ")),
    )


def _programs() -> tuple[Probe, ...]:
    trick = "class Same:\n    def __eq__(self, other):\n        return True\n"
    return (
        _probe(
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


def _queries() -> tuple[Probe, ...]:
    columns: dict[str, Any] = {
        "schema": "CREATE TABLE pets (name TEXT, age INTEGER)",
        "rows": [("ada", 3), ("bela", 9), ("cora", 12), ("dino", 9)],
        "table": "pets",
    }
    by_heart = "SELECT 'bela' UNION SELECT 'cora' UNION SELECT 'dino'"
    return (
        _probe(
            *("old", "Table pets(name, age). Show name where age > 5."),
            "SELECT name FROM pets WHERE age > 5",
            ("SELECT name FROM pets WHERE age < 5", "SELECT * FROM pets", by_heart),
            ("select name from pets where age > 5;", "SELECT name FROM pets WHERE 5 < age"),
            **columns,
        ),
    )


def _calls() -> tuple[Probe, ...]:
    call = {"name": "weather", "parameters": {"city": "Oslo", "day": "today"}}
    other = {"name": "alarm", "parameters": {"hour": 7}}
    turned = {"parameters": {"day": "today", "city": "Oslo"}, "name": "weather"}
    spaced = json.dumps(call).replace(":", " :").replace("{", "{ ")
    return (
        _probe(
            *("rain", "Tools: weather(city,day) alarm(hour)\nWill it rain in Oslo today?"),
            json.dumps(call),
            (json.dumps(other), "{}", '{"name": "weather"}', "weather(Oslo)"),
            (json.dumps(turned), spaced),
            "<think>{think}</think>\n<tool_call>\n{answer}\n</tool_call>",
            calls=[call],
        ),
    )


def _web() -> tuple[Probe, ...]:
    def action(**fields: Any) -> str:
        return json.dumps({"rationale": "because", "action": fields})

    click = {"type": "click", "name": "add to cart"}
    typed = {"type": "type_and_submit", "name": "search", "text": "red running shoes"}
    others = (action(type="terminate"), action(type="click", name="log out"), "{}")
    return (
        _probe(
            *("cart", "Buy it.", action(**click), others, (action(**click).replace(":", " : "),)),
            "{answer}",
            action=click,
        ),
        _probe(
            *("search", "Look for red running shoes.", action(**typed)),
            (*others, action(type="type_and_submit", name="search", text="blue")),
            (action(type="type_and_submit", name="search", text="Red running shoes"),),
            "{answer}",
            action=typed,
        ),
    )


def _mobile() -> tuple[Probe, ...]:
    def step(**arguments: Any) -> str:
        return json.dumps({"name": "click", "arguments": arguments})

    label = {"name": "click", "arguments": {"x": 5, "y": 5}, "box": [0, 0, 10, 10]}
    form = "<think>{think}</think><action>tap</action><tool_call>{answer}</tool_call>"
    return (
        _probe(
            *("tap", "Open the mail.", step(x=5, y=5)),
            ('{"name": "wait"}', step(x=50, y=5), step(x="5", y="5"), step(x=True, y=True)),
            *((step(x=6.5, y=0), step(y=5, x=5)), form),
            step=label,
        ),
    )


def _format() -> tuple[Probe, ...]:
    right = "<think>I add.</think><answer>7</answer>"
    wrong = ("7", "<think>I add.</think>", "<think>I add.</think>7", "<answer>7</answer>")
    rewrites = (right.replace("><", ">\n<"), right.replace("7", "seven"), f"\n{right}\n")
    return (_probe("form", "Compute 3+4.", right, wrong, rewrites, "{answer}", answer="7"),)


def _template() -> tuple[Probe, ...]:
    right = '<think>x</think><answer>{"start_time": "1", "end_time": "2.5"}</answer>'
    wrong = ("[1, 2.5]", right.replace('"1"', "1"), right.replace("end_time", "end"))
    return (_probe("times", "When?", right, wrong, (right + "\n",), "{answer}", answer="x"),)


def _short() -> tuple[Probe, ...]:
    long = "75, as the sum of the tens and the ones is " + "checked again and " * 20 + "75"
    return (_probe("sum", "Compute 37+48.", "85", (long,)),)


def _stages() -> tuple[Probe, ...]:
    told = (
        "On examination there is fever. The differential includes flu and measles. Measles is "
        "less likely without a rash. Therefore it is flu."
    )
    right, wrong = f"<think>{told}</think>flu", ("<think>It is flu.</think>flu", told, "flu")
    return (_probe("ward", "What is it?", right, wrong, (), "{answer}", answer="flu"),)


def _style(right: str, wrong: str) -> tuple[Probe, ...]:
    return (_probe("style", "Say 7.", right, (wrong,), (), "{answer}", answer="7"),)


def _simple(reward: Callable[[], Reward], probes: Callable[[], tuple[Probe, ...]]) -> Any:
    return lambda: Subject(reward(), probes())


def _of(judges: Judges, reward: Callable[[], Reward], probes: Callable[[], Any]) -> Any:
    return lambda: Subject(reward(), probes(), judges)


_ANSWERS: dict[str, Callable[[], Subject]] = {
    "answer-match": _simple(rewards.AnswerMatch, _numbers),
    "chart": _simple(rewards.ChartAnswer, _chart),
    "choice-credit": _simple(rewards.ChoiceCredit, lambda: _choices(ANSWER)),
    "choice-match": _simple(rewards.ChoiceMatch, lambda: _choices(BOXED)),
    "cosine-length": _simple(rewards.CosineLength, _numbers),
    "count": _simple(rewards.CountReward, _counts),
    "date-match": _simple(rewards.DateMatch, _dates),
    "dianjin": _simple(rewards.DianjinReward, lambda: _choices(BOXED)),
    "list-match": _simple(rewards.ListMatch, _lists),
    "relative-length": _of(Judges.STYLE, rewards.GroupRelativeLength, _short),
}
_WORDS: dict[str, Callable[[], Subject]] = {
    "bleu": _simple(rewards.ReferenceBLEU, _sentences),
    "bleu-rouge": _simple(rewards.HarmonicBleuRouge, _sentences),
    "chrf": _simple(rewards.ChrF, _sentences),
    "rouge-l": _simple(rewards.RougeL, _sentences),
    "text-match": _simple(rewards.TextMatch, lambda: _sentences(short=True)),
    "token-f1": _simple(rewards.TokenF1, lambda: _sentences(short=True)),
}
_ACTIONS: dict[str, Callable[[], Subject]] = {
    "box": _simple(rewards.BoxReward, lambda: _regions("box")),
    "code": _simple(lambda: rewards.CodeReward(limits=Limits(wall_seconds=4)), _programs),
    "interval": _simple(rewards.IntervalReward, lambda: _regions("interval")),
    "mobile-step": _simple(rewards.MobileStepReward, _mobile),
    "point": _simple(rewards.PointReward, lambda: _regions("point")),
    "sql": _simple(rewards.SqlExecution, _queries),
    "tools": _simple(rewards.ToolReward, _calls),
    "web-action": _simple(rewards.WebActionReward, _web),
}
_FORMS: dict[str, Callable[[], Subject]] = {
    "format": _of(Judges.FORM, rewards.FormatReward, _format),
    "interval-format": _of(Judges.FORM, rewards.IntervalFormat, _template),
    "stage-share": _of(Judges.STYLE, rewards.StageShare, _stages),
    "tag-share": _of(Judges.FORM, rewards.TagShare, _format),
    "length": _of(
        Judges.STYLE, rewards.LengthReward, lambda: _style("a word or two", "word " * 900)
    ),
    "overlong": _of(
        Judges.STYLE,
        lambda: rewards.OverlongReward(limit=1024, buffer=256),
        lambda: _style("a word or two", "word " * 900),
    ),
    "repetition": _of(
        Judges.STYLE,
        rewards.RepetitionPenalty,
        lambda: _style("no word comes twice here", "the same words " * 40),
    ),
    "script-share": _of(
        Judges.STYLE, rewards.ScriptShare, lambda: _style("Seven it is.", "Это семь.")
    ),
}
