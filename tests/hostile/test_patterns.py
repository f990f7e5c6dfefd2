"""Every pattern of the package takes linear time, or is only ever given short text."""

import ast
import importlib
import pkgutil
import re
import string
import time
from pathlib import Path

import pytest

import guerdon
from hostile.grammar import RUNS

ROOT = Path(guerdon.__file__).parent
SKIPPED = (
    "guerdon.reproduction",
    "guerdon.rewards.programs.sandbox.launcher",
    "guerdon.rewards.programs.sandbox.program",
)


def compiled():
    found = {}
    for module in pkgutil.walk_packages([str(ROOT)], "guerdon."):
        if module.name.startswith(SKIPPED) or module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                found.setdefault(value, f"{module.name}.{name}")
    return {place: pattern for pattern, place in found.items()}


PATTERNS = compiled()
SHORT = {
    "guerdon.parsing.choices._CONCLUDED": 200,
    "guerdon.parsing.choices._LEADING": 800,
    "guerdon.parsing.choices._LISTED": 200,
    "guerdon.parsing.last_number._GOES_ON": 100,
    "guerdon.parsing.numbers._FRACTION": 800,
    "guerdon.parsing.numbers._MIXED": 800,
    "guerdon.parsing.numbers._NUMBER": 800,
    "guerdon.parsing.stated._CALL": 400,
    "guerdon.parsing.stated._HASHED": 200,
    "guerdon.parsing.tokens._TOKEN": 300,
    "guerdon.parsing.plain.WRAPPED": 800,
    "guerdon.parsing.units._WRAPPED_END": 800,
    "guerdon.rewards.answers.dates_units._AMOUNT": 100,
    "guerdon.rewards.answers.dates_units._COMPOUND": 100,
    "guerdon.rewards.answers.dates_units._PARTS": 100,
    "guerdon.rewards.answers.equality._DATE": 300,
    "guerdon.rewards.answers.free_text._LETTERS": 80,
    "guerdon.rewards.answers.free_text._PLAIN_END": 80,
}
"""Patterns whose callers look at the length first: the longest text that they are given."""


def own_shapes(pattern):
    """What the pattern itself begins with and repeats, cut out of its source."""
    plain = re.sub(r"\\([.\\()\[\]{}$^|*+?/-])", r"\1", pattern.pattern)
    pieces = re.findall(r"[^\[\](){}|?*+^$\\]{1,12}", plain)
    return [*dict.fromkeys([*pieces, *string.ascii_letters[:2], "1", "."])]


def seconds(pattern, text):
    begun = time.thread_time()
    sum(1 for _ in pattern.finditer(text))
    pattern.fullmatch(text)
    pattern.match(text)
    return time.thread_time() - begun


def texts(pattern, size):
    own = own_shapes(pattern)
    for shape in dict.fromkeys([*RUNS, *own]):
        yield from (shape * (size // len(shape)) + end for end in ("", "x", "!\n"))
    for opening in own[:6]:
        for shape in ("a", " ", "9", "1-", "a "):
            yield opening + shape * (size // len(shape)) + "\x00"


def grows_faster(pattern, small=2_000):
    """A text on which four times the length costs far more than four times as long, or ""."""
    for short, long in zip(texts(pattern, small), texts(pattern, 4 * small), strict=True):
        # Below some milliseconds there is nothing to compare; beyond, a square would be 16 times.
        if seconds(pattern, long) > 0.02:
            late, soon = (min(seconds(pattern, text) for _ in range(3)) for text in (long, short))
            if late > 0.02 and late > 9 * soon:
                return long[:80]
    return ""


@pytest.mark.parametrize("place", sorted(set(PATTERNS) - set(SHORT)))
def test_four_times_the_text_takes_no_more_than_four_times_as_long(place):
    assert not grows_faster(PATTERNS[place])


@pytest.mark.parametrize("place", SHORT)
def test_what_sees_short_texts_alone_is_quick_there(place):
    assert place in PATTERNS
    assert all(
        seconds(PATTERNS[place], text) < 0.1 for text in texts(PATTERNS[place], SHORT[place])
    )


@pytest.mark.parametrize("slow", [r"[.!?]+(?=\s|$)", r"a*y", r"\s+\Z"])
def test_a_pattern_that_is_not_linear_is_found(slow):
    assert grows_faster(re.compile(slow))


KNOWN = {
    ("audit/bench.py", "match"): "a reason of ours, one line",
    ("rewards/text/language.py", "compile"): "one class of characters",
    (
        "rewards/programs/sql_duckdb.py",
        "compile",
    ): "names of functions, on a query of at most 10,000",
    ("rewards/programs/sql_duckdb.py", "escape"): "a name of the engine's own",
    ("rewards/answers/answer.py", "compile"): "the name of a tag, in brackets",
    ("rewards/answers/answer.py", "escape"): "a setting",
    ("rewards/models/spans.py", "finditer"): "one character; a run without backtracking",
    ("rewards/actions/tools.py", "escape"): "a setting",
    ("rewards/actions/tools.py", "fullmatch"): "each block but the first stands once (test below)",
}
"""Patterns that are not compiled once for their module, and why each takes linear time."""


def test_no_other_pattern_is_made_in_passing():
    found = set()
    for path in ROOT.rglob("*.py"):
        if "reproduction" in path.parts:
            continue
        tree = ast.parse(path.read_text())
        top = {
            id(node) for one in tree.body if isinstance(one, ast.Assign) for node in ast.walk(one)
        }
        calls = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call) and id(n) not in top]
        found |= {
            (str(path.relative_to(ROOT)), f.attr)
            for f in calls
            if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) and f.value.id == "re"
        }
    assert found <= set(KNOWN), found - set(KNOWN)


@pytest.mark.parametrize(
    "middle", ["</think>\n<tool_call>\n", "\n</tool_call>", "</think>\n", "\n"]
)
def test_the_form_of_tool_calls_is_read_in_linear_time(middle):
    from guerdon.rewards.actions.tools import _in_form, _in_released_form

    def text(times):
        return "<think>" + middle * times + "</think>\n<tool_call>\n{}\n</tool_call"

    blocks = ["think", "tool_call", "response"]
    spent = []
    for times in (10_000, 40_000):
        begun = time.thread_time()
        for whole in (text(times), text(times) + ">\n<response>a</response>"):
            _in_form(whole, blocks, "tool_call")
            _in_released_form(whole, blocks, "tool_call", newlines=True)
        spent.append(time.thread_time() - begun)
    assert spent[1] < max(0.05, 9 * spent[0])
