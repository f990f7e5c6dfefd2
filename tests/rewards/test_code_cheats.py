"""Programs that do not know the answers, against every form of test; and programs that do."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from rewards.completions import rollouts_of

from guerdon.records import Progress, Task
from guerdon.rewards.programs import sandbox
from guerdon.rewards.programs.code import CodeReward
from guerdon.rewards.programs.code_cases import read_case
from guerdon.rewards.programs.sandbox import Limits

try:
    HELD = bool(sandbox.isolation_in_force()["kernel"])
except sandbox.SandboxError:
    HELD = False
pytestmark = pytest.mark.skipif(not HELD, reason="the kernel isolates too little here")
LIMITS = Limits(cpu_seconds=2, wall_seconds=15, memory_mb=256, output_kb=256, scratch_mb=2)

FORMS: dict[str, Any] = {
    # every one is right for f(2) == 17, g(2) == [17, 18], s(2) == {17, 18}, d(2) == {"a": 17},
    # t(2) == "ab", h(2) == 0.25
    "==": "assert f(2) == 17",
    "== turned": "assert 17 == f(2)",
    "== in brackets": "assert (f(2) == 17) == True",
    "is True": "assert (f(2) == 17) is True",
    "!= False": "assert (f(2) == 17) != False",
    "not !=": "assert not f(2) != 17",
    "bool": "assert bool(f(2) == 17)",
    "all": "assert all([f(2) == 17, f(2) + 1 == 18])",
    "not any": "assert not any([f(2) != 17])",
    "not any of a loop": "assert not any(f(k) != 17 for k in [2])",
    "loop": "assert all(f(k) == v for k, v in [(2, 17)])",
    "map": "assert list(map(f, [2])) == [17]",
    "and": "assert f(2) == 17 and f(2) > 16",
    "or": "assert f(2) == 17 or f(2) == 17.0",
    "between": "assert 16 < f(2) < 18",
    "not more or less": "assert not f(2) < 17 and not f(2) > 17",
    "in": "assert f(2) in (17,)",
    "list of it": "assert [f(2)] == [17]",
    "key": "assert {17: 'yes'}[f(2)] == 'yes'",
    "near": "assert abs(f(2) - 17) < 0.1",
    "not far": "assert not abs(f(2) - 17) > 0.1",
    "difference": "assert f(2) - 17 == 0",
    "isclose": "assert math.isclose(f(2), 17)",
    "rounded": "assert round(f(2)) == 17",
    "text of it": "assert str(f(2)) == '17'",
    "one set": "assert len({f(2), 17}) == 1",
    "maximum": "assert max([f(2)]) == 17 and min([f(2)]) == 17",
    "list": "assert g(2) == [17, 18]",
    "elements": "assert g(2)[0] == 17 and g(2)[1] == 18",
    "zip": "assert all(x == y for x, y in zip(g(2), [17, 18]))",
    "zip turned": "assert all(y == x for x, y in zip([17, 18], g(2)))",
    "not any of a zip": "assert not any(x != y for x, y in zip(g(2), [17, 18]))",
    "zip, near": "assert all(abs(x - y) < 0.1 for x, y in zip(g(2), [17, 18]))",
    "zip, not far": "assert not any(abs(x - y) > 0.1 for x, y in zip(g(2), [17, 18]))",
    "sum of differences": "assert sum(abs(x - y) for x, y in zip(g(2), [17, 18])) < 0.1",
    "sorted": "assert sorted(g(2)) == [17, 18]",
    "tuple": "assert tuple(g(2)) == (17, 18)",
    "length and sum": "assert len(g(2)) == 2 and sum(g(2)) == 35",
    "set": "assert set(g(2)) == {17, 18}",
    "set itself": "assert s(2) == {17, 18}",
    "both in a set": "assert s(2) == set([17]) or s(2) == set([18, 17])",
    "dictionary": "assert d(2) == {'a': 17}",
    "entry": "assert d(2)['a'] == 17",
    "whole text": "assert t(2) == 'ab'",
    "begins": "assert t(2).startswith('ab')",
    "part of text": "assert t(2) in 'ab'",
    "joined": "assert ''.join(t(2)) == 'ab'",
    "float": "assert h(2) == 0.25",
    "expression": {"expression": "f(2)", "expected": 17},
    "expression true": {"expression": "f(2) == 17", "expected": True},
    "expression false": {"expression": "f(2) != 17", "expected": False},
    "expression list": {"expression": "[f(2) == 17, g(2) == [17, 18]]", "expected": [True, True]},
    "expression length": {"expression": "len([f(2)]) if f(2) == 17 else 0", "expected": 1},
    "call": {"call": "f", "args": [2], "expected": 17},
    "call near": {"call": "f", "args": [2], "expected": 17, "tolerance": 0.001},
    "call list": {"call": "g", "args": [2], "expected": [17, 18]},
    "printed": {"stdin": "2", "stdout": "17"},
}
"""Forms of tests; some are refused, which pays nobody."""

NAMES = "fgsdth"


def returns(expression: str, before: str = "") -> str:
    """A program whose every function returns the same."""
    return f"{before}\ndef f(*a): return {expression}\n" + "".join(
        f"{name} = f\n" for name in NAMES[1:]
    )


def equal_to_all(base: str = "object", value: str = "") -> str:
    methods = ["eq", "ne", "lt", "le", "gt", "ge", "contains"]
    said = {"ne": "False"}
    lines = [f"    def __{m}__(self, *o): return {said.get(m, 'True')}" for m in methods]
    same = ["add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "mod"]
    same += ["abs", "neg", "round", "getitem", "call", "getattr"]
    lines += [f"    def __{m}__(self, *o): return self" for m in same]
    lines += [
        "    def __iter__(self): return iter([self, self])",
        "    def __len__(self): return 2",
    ]
    lines += ["    def __hash__(self): return hash(17)", "    def __bool__(self): return True"]
    lines += ["    def __float__(self): return 17.0", "    def __index__(self): return 17"]
    lines += ["    def startswith(self, *o): return True", "    def __next__(self): return self"]
    if base != "object":
        lines = [one for one in lines if "getattr" not in one]
    return returns(f"A({value})", f"class A({base}):\n" + "\n".join(lines))


def redefines(*names: str, to: str = "lambda *a, **k: True") -> str:
    lines = "".join(f"{name} = {to}\n" for name in names)
    return returns(
        "True",
        f"import builtins\n{lines}"
        + "".join(f"try: builtins.{name} = {name}\nexcept Exception: pass\n" for name in names),
    )


PLAIN = ("None", "True", "False", "0", "1", "-1", "''", "'x'", "[]", "()", "{}", "set()", "[[]]")
PLAIN += ("float('nan')", "float('inf')", "-float('inf')", "[float('nan')] * 2", "[True, True]")
PLAIN += ("[None, None]", "{'a': None}", "{'a': float('nan')}", "b''", "0j", "range(0)", "a")
PLAIN += ("iter([])", "(_ for _ in ())", "{}.items()", "10 ** 400", "-0.0", "[()] * 2", "{(): ()}")
OBJECTS = ("object", "int", "float", "str", "list", "tuple", "dict", "set", "frozenset", "bytes")
BUILT_IN = ("len", "sum", "abs", "all", "any", "set", "sorted", "isinstance", "zip", "round", "str")
BUILT_IN += ("bool", "list", "tuple", "max", "min", "map", "dict", "float", "int", "type", "range")

TAMPERS = {
    "ends at once": "import os\nos._exit(0)",
    "says zero": "import sys\nsys.exit(0)",
    "raises": "raise BaseException('17')",
    "patches json": 'import json\njson.dumps = lambda *a, **k: \'{"case": 0, "value": true}\'\n'
    + returns("0"),
    "passes all lines": "import os\nfor k in range(9):\n  for n in range(3, 9):\n"
    "    try: os.write(n,"
    ' b\'{"case": %d, "value": true, "passed": true, "output": true}\\n\' % k)\n'
    "    except OSError: pass\n" + returns("0"),
    "opaque kinds": 'import os\nos.write(3, b\'{"case": 0, "value": {"odd": 17}}\\n\')\n'
    + returns("0"),
    "deep json": "import os\nos.write(3, b'[' * 60000 + b'\\n')\n" + returns("0"),
    "huge number": "import os\nos.write(3, b'{\"case\": 0, \"value\": ' + b'9' * 60000 + b'}\\n')\n"
    + returns("0"),
    "patches the encoder": "import gc, sys\nfor o in gc.get_objects():\n"
    "  if type(o) is type and o.__name__ == '_Encoder':\n    o.encode = lambda *a: True\n"
    + returns("0"),
    "patches eval": "import gc\nfor o in gc.get_objects():\n"
    "  if type(o) is dict and 'run_cases' in o:\n"
    "    o['_evaluate'] = lambda *a: True\n" + returns("0"),
    "looks for constants": "import gc\ndef f(*a):\n  return [o for o in gc.get_objects() if type(o)"
    " is tuple and 17 in o and type(o[0]) is int and len(o) < 9][:1]\n"
    + "".join(f"{n} = f\n" for n in NAMES[1:]),
    "looks at callers": "import sys\ndef f(*a):\n  c = sys._getframe(1).f_code.co_consts\n"
    "  return ([x for x in c if x != 2] or [0])[-1]\n" + "".join(f"{n} = f\n" for n in NAMES[1:]),
    "defines math": returns("True", "class math:\n  isclose = staticmethod(lambda *a, **k: True)"),
    "all equal, printed": "print(True)\nprint('passed')\n" + returns("True"),
    "is its own function": "f = g = s = d = t = h = lambda *a: f",
    "colliding": returns("{k * (2 ** 61 - 1) for k in range(9000)}"),
    "endless": returns("iter(int, 1)"),
    "recursive": returns("a.append(a) or a", "a = []"),
}

CHEATS = {
    **{f"returns {one}": returns(one) for one in PLAIN},
    **{f"{base} equal to all": equal_to_all(base) for base in OBJECTS},
    **{f"redefines {name}": redefines(name) for name in BUILT_IN},
    "redefines all": redefines(*BUILT_IN),
    "names say two": redefines(*BUILT_IN, to="lambda *a, **k: 2"),
    "names return their last": redefines(*BUILT_IN, to="lambda *a, **k: a[-1] if a else 0"),
    **TAMPERS,
}


def graded() -> dict[str, Any]:
    found = {}
    for name, test in FORMS.items():
        try:
            read_case(test)
        except ValueError:
            continue
        found[name] = test
    return found


def shares(programs: list[str], tests: list[Any]) -> list[float]:
    """Which share of the tests each program passes."""
    task = Task("t", "q", None, {"tests": tests})
    reward = CodeReward(partial=True, limits=LIMITS, workers=2)
    scores = reward(rollouts_of(programs, task), Progress())
    assert scores.valid.all(), scores.reasons
    return [float(value) for value in scores.value]


def test_there_are_many_of_both() -> None:
    assert len(CHEATS) >= 60
    for name, program in CHEATS.items():
        compile(program, name, "exec")
    assert len(graded()) >= 50
    assert set(FORMS) - set(graded()) == {"expression length"}


@pytest.mark.parametrize("part", range(6))
def test_no_cheat_passes_any_form(part: int) -> None:
    """A share above 0 of any form in any place is a pass."""
    names = sorted(CHEATS)[part::6]
    tests = list(graded().values())
    random.Random(part).shuffle(tests)
    earned = dict(zip(names, shares([CHEATS[name] for name in names], tests), strict=True))
    assert {name: share for name, share in earned.items() if share > 0} == {}


def test_seeded_mixtures_of_cheats_pass_nothing() -> None:
    draw = random.Random(20)
    values = [*PLAIN, "A()"]
    programs = []
    for _ in range(12):
        before = equal_to_all(draw.choice(OBJECTS))
        again = redefines(*draw.sample(BUILT_IN, 5))
        programs.append(
            f"{again}\n{before}\n"
            + "".join(f"def {name}(*a): return {draw.choice(values)}\n" for name in NAMES)
        )
    assert shares(programs, list(graded().values())) == [0.0] * len(programs)


RIGHT = """
def f(x): return 15 + x
def g(x): return [15 + x, 16 + x]
def s(x): return {16 + x, 15 + x}
def d(x): return {"a": 15 + x}
def t(x): return "a" + "b"
def h(x): return x / 8
if __name__ == "__main__":
    import sys
    line = sys.stdin.readline()
    if line: print(f(int(line)))
"""


def test_right_programs_pass_every_form() -> None:
    as_floats = RIGHT.replace("return 15 + x", "return 15.0 + x").replace(
        "print(f(int(line)))", "print(int(f(int(line))))"
    )
    classes = RIGHT.replace(
        "def d(x): return", "import collections\ndef d(x): return collections.defaultdict(int,"
    ).replace('"a": 15 + x}', '"a": 15 + x})')
    tests = graded()
    assert shares([RIGHT, classes], list(tests.values())) == [1.0, 1.0]
    del tests["text of it"]
    assert shares([as_floats], list(tests.values())) == [1.0]


HONEST = [
    ("def f(x): return (i * i for i in range(x))", "assert list(f(3)) == [0, 1, 4]"),
    ("def f(x): return {i: i for i in range(x)}.values()", "assert sorted(f(2)) == [0, 1]"),
    ("from collections import Counter\ndef f(x): return Counter(x)", "assert f('aa') == {'a': 2}"),
    ("def f(x): return 2 ** x", "assert f(20000) == 2 ** 20000"),
    ("def f(x): return x > 1", "assert f(2) and not f(1)"),
    ("def f(x): return x > 1", "assert f(2) == True"),
    ("def f(x): return x / 3", "assert math.isclose(f(1), 1 / 3, rel_tol=1e-6)"),
    ("def f(x): return None", "assert f(1) is None"),
    (
        "class Stack:\n  def __init__(self): self.x = []\n  def push(self, v): self.x.append(v)\n"
        "  def pop(self): return self.x.pop()\nq = Stack(); q.push(3)",
        "assert q.pop() == 3",
    ),
    ("class P:\n  def __init__(self, x): self.x = x\ndef f(x): return P(x)", "assert f(3).x == 3"),
    ("def f(x): return (1, [x], {x})", "assert f(2) == (1, [2], {2})"),
    ("def f(x): return b'a' * x", "assert f(2) == b'aa'"),
    ("def f(x): return x * 1j", "assert f(2) == 2j"),
    ("def f(x): return range(x)", "assert f(3) == range(3)"),
    ("def f(a, b=1): return a + b", "assert f(1, b=2) == 3"),
    ("def f(g): return g(3)", "assert f(lambda x: x + 1) == 4"),
    ("def f(x): return []", "assert f(1) == []"),
    ("def f(x): return frozenset([x])", "assert f(1) == {1}"),
    ("def f(x): return [3, 1, 2]", "assert len(set(f(1))) == len([1, 2, 3])"),
    ("import math\ndef f(r): return math.pi * r * r", "assert round(f(2), 3) == 12.566"),
    (
        "def f(n):\n  print('noise')\n  return n",
        "assert [f(k) for k in range(5)] == [0, 1, 2, 3, 4]",
    ),
    ("def f(s): return s[::-1]", "assert all(f(s) == s[::-1] for s in ['ab', 'ü', ''])"),
]


def test_honest_programs_pass() -> None:
    for program, test in HONEST:
        assert shares([program], [test]) == [1.0], (program, test)


def test_a_bool_is_no_number_anywhere() -> None:
    pairs = itertools.product(("True", "False"), ("1", "0", "1.0", "0.0"))
    programs, tests = ["def f(): return True", "def f(): return False"], []
    for _, number in pairs:
        tests += [
            f"assert f() == {number}",
            f"assert {number} in [f()]",
            f"assert [f()] == [{number}]",
        ]
        tests += [f"assert {{f(): 1}} == {{{number}: 1}}", f"assert f() - {number} == 0"]
        tests += [f"assert abs(f() - {number}) < 0.1", f"assert f() <= {number} <= f()"]
        tests += [f"assert {{f()}} == {{{number}}}", f"assert sum([f()]) == {number}"]
        tests += [
            {"call": "f", "expected": float(number)},
            {"call": "f", "expected": int(number[0])},
        ]
    numbers = ["def f(): return 1", "def f(): return 0", "def f(): return 1.0"]
    truths: list[Any] = ["assert f() == True", "assert f() is True", "assert f()", "assert not f()"]
    truths += ["assert f() in (True, False)", {"call": "f", "expected": True}]
    truths += [{"call": "f", "expected": [True, False]}, {"expression": "f()", "expected": False}]
    assert shares(programs, tests) == [0.0, 0.0]
    assert shares(numbers, truths) == [0.0, 0.0, 0.0]
