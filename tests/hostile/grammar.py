"""A seeded grammar of hostile text: completions that no reward may fail at, hang on or pay."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

Make = Callable[[random.Random], str]

NUMBERS = (
    *("9**9**9", "9^9^9^9", "9^{9^{9^{9}}}", "10**10**10", "1e999", "-1e999", "1e-999", "1e308"),
    *("4.9e-324", "1e9999999999", "0x1p9999", "NaN", "-nan", "inf", "-Infinity", "∞", "-0", "0/0"),
    *("1/0", r"\frac{1}{0}", r"\frac00", "1_000_000", "٣٣٣", "²²²", "Ⅷ", "¼", "1,0,0,0", "--3333"),
    *("3333!!!!!!!!!", "0b1111", "1e", "e9", ".", "-", "%", "3333%%", "3333.3333.3333", "-.-"),
    *("j3333", "3333j", "1e400/1e400", "factorial(3333)", "99999999999999999999e-99999"),
)
"""Numbers that overflow, stand for nothing, or would take for ever to reckon."""

UNITS = (
    *("dBm/m", "dB", "Np", "decade", "degC/degF", "°C/°F", "delta_degC", "degC^2", "%", "‰", "ppm"),
    *("m^9^9^9", "m**9**9", "kg*m^-9", "[mass]", "pint", "lambda", "None", "import", "__class__"),
    *("m/m/m/m/m/m/m", "µ", "Ω", "ly", "planck_length", "count", "dimensionless", "a", "_", "m^-9"),
)
DATES = (
    *("0000-00-00", "99/99/9999", "2024-02-30", "2024-13-01", "31 Feb 1", "12:61:99", "25:00"),
    *("1e5 May", "Jan 1 1 1 1", "9999999999999-01-01", "2024-W99-9", "T", "00", "May May May"),
    *("2024-05-01T00:00:00+99:99", "-2024-01-01", "1/1/1 1/1/1", "Monday 32", "0x7e8-01-01", "::"),
    *("10:00 AM PM", "2024-01-01 BC", "99999999", "12.12.12.12", "Sat Sat 4", "now", "0 0 0 0"),
)
QUERIES = (
    *("SELECT", "SELECT 1; DROP TABLE pets", "SELECT * FROM pets --", "WITH RECURSIVE t(n) AS ("),
    *("ATTACH '/tmp/x' AS v", "PRAGMA journal_mode", "SELECT load_extension('x')", "'; --"),
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM t) SELECT n FROM t",
    "SELECT randomblob(1000000000)",
    "SELECT " + "(" * 300 + "1" + ")" * 300,
    "SELECT " + " UNION SELECT ".join(map(str, range(300))),
)
PROGRAMS = (
    *("def add(a, b): pass", "import os\nos.abort()", "while True: pass", "raise SystemExit", "("),
    *("def add(a, b):\n  return add(a, b)", "x = '" + "a" * 9_000 + "'", "\x00", "\tdef", "lambda"),
    *("class A:\n  __eq__ = lambda s, o: True\nadd = lambda a, b: A()", "9**9**9", "add = print"),
)
TAGS = (
    *("think", "answer", "tool_call", "tool", "response", "action", "reasoning", "search", "Think"),
    *("answer ", "/answer", "answer/", "tool_response", "br", "a" * 50, "аnswer", "answer\u200b"),
)
WORDS = (
    *("the", "and", "or", "yes", "no", "none", "null", "true", "I think", "Final Answer:", "####"),
    *("Solution", "Let's think step by step", "correct", "role:", "answer:", "[INST]", "</s>"),
    *("{{7*7}}", "${jndi:x}", "%s%n", "<script>", "' OR 1=1", "\\x00", "http://a.b/?" + "a" * 99),
)
BREAKS = (
    *("\ud800", "\udfff", "\ud800\udfff", "\x00", "\x1b[2J", "\r", "\x85", "\u2028", "\ufeff"),
    *("\u202e", "\u2066", "\u200b", "\u200d", "\ufe0f", "\u0301\u0323", "e\u0301", "ﷺ", "İ", "ß"),
    *(
        "ﬁ",
        "🙂",
        "👩‍👩‍👧‍👦",
        "🇦",
        "\U000e0041",
        "漢字",
        "กำ",
        "한",
        "א",
        "ا",
        "\u0345",
        "𝟗",
        "\uffff",
    ),
)
RUNS = (
    *(
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        '"',
        "'",
        "\\",
        "/",
        "$",
        "`",
        "-",
        "+",
        "=",
        "^",
        "_",
    ),
    *(
        ".",
        "!",
        "?",
        ",",
        ";",
        ":",
        "|",
        "&",
        "#",
        "*",
        "~",
        " ",
        "\n",
        "\t",
        "\r\n",
        "a",
        "y",
        "9",
    ),
    *("a.", ". ", "a ", "1,", "1,111", ",111", "1.", "1e", "1e1", "1/", "1/1", "1-", "1+1=", "- 1"),
    *("\\boxed{", "\\boxed ", "\\boxed", "\\frac{", "\\frac{1}{", "\\sqrt{", "\\sqrt[", "^{", "_{"),
    *("\\text{", "\\left(", "\\begin{pmatrix}", "\\\\", "\\[", "\\(", "\\{", "\\}", "$$", "$a$"),
    *(
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "<answer></answer>",
        "<a>",
        "</think> ",
        "<!--",
    ),
    *(
        "<tool_call>\n",
        "{}\n",
        '{"name":"a"}\n',
        "```",
        "```\n",
        "```sql\n",
        "~~~",
        "http://",
        "&lt;",
    ),
    *('{"a":', '{"a":[', "[[", "[{", '{"', '\\"', '"a":1,', "[1,2,3,4]", "[1,", "(1,", "e\u0301"),
    *(
        "\u0301\u0323",
        "\ud800",
        "\x00",
        "é",
        "漢",
        "🙂",
        "ﷺ",
        "İ",
        "'a",
        "a'",
        "a b c d ",
        "the the ",
    ),
    *("A, ", "(A)", "and ", " or ", "Jan ", "12:", "km ", "role: a\n", "answer: a\n", "aaa!", "?!"),
)
"""What a run repeats: openers, separators and the shapes that patterns backtrack on."""

KEYS = (
    *("name", "parameters", "arguments", "action", "rationale", "type", "text", "value", "point"),
    *(
        "start_time",
        "end_time",
        "x",
        "y",
        "x1",
        "city",
        "score",
        "answer",
        "__proto__",
        "",
        "a" * 200,
    ),
)


def number(source: random.Random) -> str:
    """A number, or what passes for one."""
    kind = source.randrange(8)
    if kind < 4:
        return source.choice(NUMBERS)
    digits = "".join(source.choices("3456789", k=source.choice((1, 4, 30, 199, 201, 400, 4_301))))
    if kind == 4:
        return f"\\frac{{{digits}}}{{{digits[::-1]}7}}"
    if kind == 5:
        return f"{source.choice(('-', '+', '−', '$', ''))}{digits}/{digits}7"
    if kind == 6:
        return f"{digits}.{digits}e{source.choice((-300, -301, 300, 301, 9999))}"
    return digits


def value(source: random.Random, depth: int = 3) -> Any:
    """A JSON value; floats may be NaN or infinite, which `json.dumps` writes as such."""
    kind = source.randrange(12 if depth else 8)
    if kind < 8:
        plain: list[Any] = [None, True, False, -1, 10**400, 1e308, float("nan"), float("inf")]
        plain += ["", "nan", "inf", "33", "\ud800", "\x00", "x" * 300, source.random() * 1e6]
        return source.choice(plain)
    size = source.choice((0, 1, 2, 3))
    if kind < 10:
        return [value(source, depth - 1) for _ in range(size)]
    return {source.choice(KEYS): value(source, depth - 1) for _ in range(size)}


def json_text(source: random.Random) -> str:
    """JSON that is valid, of wrong types, with repeated keys, or no JSON in the end."""
    fields = {key: value(source) for key in source.sample(KEYS, source.randrange(1, 6))}
    text = json.dumps(source.choice((fields, [fields], value(source))))
    kind = source.randrange(8)
    if kind == 0:
        return text[: source.randrange(len(text) + 1)]
    if kind == 1:
        return text.replace("{", '{"name": "a", "name": ["b"], ', 1)
    if kind == 2:
        return text.replace('"', "'")
    if kind == 3:
        return text + text
    return text


FORMS = (
    '{{"start_time": {}, "end_time": {}}}',
    '{{"name": "click", "arguments": {{"x": {}, "y": {}}}}}',
    '{{"name": "swipe", "arguments": {{"x1": 1, "y1": {}, "x2": {}, "y2": 1}}}}',
    '{{"name": {}, "parameters": {}}}',
    '{{"name": "weather", "parameters": {{"city": {}, "day": {}}}}}',
    '{{"rationale": {}, "action": {}}}',
    '{{"rationale": "", "action": {{"type": "click", "name": {}, "point": {}}}}}',
    '{{"rationale": "", "action": {{"type": "type_and_submit", "name": {}, "text": {}}}}}',
    "[{}, {}]",
    "[{}, {}, 3, 4]",
)
"""The forms in which rewards read JSON, with two places for values of any type."""


def filled(source: random.Random) -> str:
    """One of the forms that rewards read, with values of any type in its places."""
    one, two = (
        source.choice((json.dumps(value(source)), "1", "1", '"nan"', '"inf"', '"1"', "[1, true]"))
        for _ in range(2)
    )
    return source.choice(FORMS).format(one, two)


def deep(source: random.Random) -> str:
    """JSON nested from 3 to 100,000 deep, closed or not, bare or in a list."""
    depth = source.choice((3, 30, 33, 400, 3_000))
    if source.random() < 0.1:
        depth = source.choice((20_000, 100_000))
    opening, closing = source.choice((("[", "]"), ('{"a":', "}"), ('[{"a":', "}]"), ("(", ")")))
    inner = source.choice(("1", "", '"x"', "nan"))
    text = opening * depth + inner + closing * source.choice((depth, depth, 0, depth - 1))
    return source.choice(("{}", "[{}]", '{{"name": "a", "parameters": {}}}', "[1, {}]")).replace(
        "{}", text, 1
    )


def tags(source: random.Random) -> str:
    """Sections of every format, unbalanced, doubled, nested, and look-alikes."""
    pieces = []
    for _ in range(source.randrange(1, 9)):
        tag = source.choice(TAGS)
        pieces.append(source.choice((f"<{tag}>", f"</{tag}>", f"<{tag}>{word(source)}</{tag}>")))
    return "".join(pieces)


def boxes(source: random.Random) -> str:
    """Boxes of LaTeX, and boxes of numbers with what is no number."""
    if source.random() < 0.5:
        depth = source.choice((1, 2, 50, 3_000))
        return "\\boxed{" * depth + number(source) + "}" * source.choice((depth, depth - 1, 0))
    parts = [source.choice((number(source), "33", '"33"', "nan", "", "33.")) for _ in range(4)]
    return source.choice("[(") + ", ".join(parts[: source.randrange(1, 5)]) + source.choice("])")


def latex(source: random.Random) -> str:
    """Bombs of LaTeX: towers of powers, fractions in fractions, roots in roots, matrices."""
    opening = source.choice(("\\frac{1}{", "\\sqrt{", "9^{", "\\left(", "\\text{", "\\sqrt[", "-"))
    depth = source.choice((2, 8, 23, 25, 60, 290, 3_000))
    text = opening * depth + source.choice(("9", "x", number(source)))
    text += "}" * source.choice((depth, 0))
    return source.choice(
        (text, f"$${text}$$", f"x = {text}", "\\begin{pmatrix}" + "9&" * depth, f"{text},{text}")
    )


def run(source: random.Random) -> str:
    """One shape again and again, with something after it that fails a pattern."""
    shape = source.choice(RUNS)
    times = source.choice((20, 200, 600)) if source.random() < 0.98 else 20_000
    return shape * times + source.choice(("", "x", "\n", "}", "</answer>", "=", "!"))


def word(source: random.Random) -> str:
    """A word, a broken character, a number, a unit, a date."""
    pools: Sequence[Sequence[str]] = (WORDS, BREAKS, UNITS, DATES, NUMBERS)
    return source.choice(source.choice(pools))


def amount(source: random.Random) -> str:
    """A number with a unit."""
    size = source.choice(("3333", "3333", "-.3e3", number(source)))
    return f"{size} {source.choice(UNITS)}"


def prose(source: random.Random) -> str:
    """Words and broken characters, with broken sentences."""
    pieces = [word(source) for _ in range(source.choice((0, 1, 5, 40)))]
    return source.choice((" ", "", "\n", ", ", ". ")).join(pieces)


def fenced(source: random.Random) -> str:
    """A query or a program in a fence, or in half of one."""
    language = source.choice(("", "python", "sql", "py", "PYTHON", "sql\x00"))
    inside = source.choice(source.choice((QUERIES, PROGRAMS)))
    return f"```{language}\n{inside}\n{source.choice(('```', '``', ''))}"


def many_tags(source: random.Random) -> str:
    """Thousands of tiny sections."""
    tag = source.choice(TAGS)
    return f"<{tag}>{source.choice('3x ')}</{tag}>" * source.choice((10, 100, 1_000))


LEAVES: tuple[Make, ...] = (
    *(number, json_text, filled, filled, deep, tags, boxes, latex, run, word, amount, amount),
    *(prose, fenced, many_tags),
)


def leaf(source: random.Random) -> str:
    """One hostile piece of text."""
    return source.choice(LEAVES)(source)


LARGEST = 1_000_000
"""Characters of a large text."""


def large(source: random.Random) -> str:
    """A megabyte of one shape, in one line or in many."""
    shape = source.choice(RUNS) + source.choice(("", "", "\n", " ", "x"))
    return shape * (LARGEST // len(shape)) + source.choice(("", "x", "}", "</answer>"))
