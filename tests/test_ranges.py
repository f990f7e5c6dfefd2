"""What a setting may hold: numbers, texts, several of them, and where the fault is said to be."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import pytest

from guerdon.ranges import (
    Count,
    Filled,
    Finite,
    NonNegative,
    OneOf,
    Positive,
    PositiveInt,
    Range,
    RangeError,
    Seed,
    Share,
    Unbounded,
    above,
    at_least,
    between,
    check_composition,
    check_ranges,
    check_value,
    checked_later,
    expected,
)


class Curve(Protocol):
    """A protocol that isinstance can't be asked about."""

    def __call__(self, x: float) -> float: ...


@dataclass(frozen=True)
class Inner:
    """A part of somebody's, checked by nobody but the walk."""

    rate: float = 0.5
    note: str = ""


@dataclass(frozen=True)
class Outer:
    """A part with every kind of setting."""

    heat: Annotated[float, at_least(0, "0 is greedy")] = 1.0
    rows: PositiveInt = 1
    cap: Positive | None = None
    weights: Mapping[str, Finite | Curve] = field(default_factory=dict)
    betas: tuple[Share, Share] = (0.9, 0.99)
    words: tuple[str, ...] = ()
    kind: Annotated[str | None, OneOf("lora", "dora")] = None
    mode: Literal["a", "b"] = "a"
    flag: bool = False
    inner: Inner = field(default_factory=Inner)
    function: Callable[[], int] | None = None
    anything: Any = None
    plain: int = 0
    __post_init__ = check_ranges


HELD: list[tuple[Any, Any]] = [
    (float, 1),
    (float, -1e300),
    (float, np.float64(2)),
    (int, np.int64(2)),
    (Unbounded, math.inf),
    (Annotated[float, Range(0, infinite=True)], math.inf),
    (Share, 0),
    (Share, 1.0),
    (Count, 0),
    (Seed, 2**32 - 1),
    (Annotated[float, between(0, 1), above(0)], 1),
    (float | None, None),
    (Annotated[float | None, above(1)], 1.5),
    (Positive | Curve, math.sqrt),
    (tuple[int, ...], [1, 2]),
    (tuple[float, float], (1, 2)),
    (Mapping[str, float], {"a": 1}),
    (Mapping[str, Any], {"a": object()}),
    (list[str], ["a"]),
    (Any, math.nan),
    (object, "x"),
    (frozenset[str], frozenset()),
    (Inner, Inner()),
    (Callable[[], int], print),
]
REFUSED: list[Any] = [
    (float, math.nan, "x is nan; give a number that is finite"),
    (float, math.inf, "x is inf; give a number that is finite"),
    (float, 10**400, "x is 1000000"),
    (float, "one", "x is 'one'; give a number that is finite, not a text"),
    (float, "1e-3", "x is '1e-3'; give a number that is finite, not a text (write 0.001)"),
    (int, "8", "x is '8'; give a whole number, not a text (write 8)"),
    (tuple[Filled, ...], ("",), "x[0] is ''; give a text that is not empty"),
    (float, True, "x is True; give a number that is finite, not true or false"),
    (float, None, "x is None; give a number that is finite"),
    (float, 1j, "x is 1j; give a number"),
    (Unbounded, math.nan, "x is nan; give a number or infinity"),
    (Annotated[float, Range(0)], math.inf, "x is inf; give a number of 0 or more"),
    (Annotated[float, Range(0, infinite=True)], -1, "a number of 0 or more, or infinity"),
    (int, 8.0, "x is 8.0; give a whole number, without a point"),
    (int, 8.5, "x is 8.5; give a whole number"),
    (int, 2**63, "give a whole number"),
    pytest.param(int, 10**5000, "x is a number of thousands of digits; give", id="huge"),
    (Count, -1, "x is -1; give a whole number of 0 or more"),
    (Seed, 2**32, "x is 4294967296; give a whole number from 0 to 4294967295"),
    (NonNegative, -1e-9, "x is -1e-09; give a number of 0 or more"),
    (Positive, 0, "x is 0; give a number above 0"),
    (Share, 1.1, "x is 1.1; give a number from 0 to 1"),
    (Annotated[float, Range(0, 1, open_low=True)], 0, "give a number above 0 and at most 1"),
    (Annotated[float, Range(0, 1, open_high=True)], 1, "give a number of 0 or more and below 1"),
    (Annotated[float, Range(high=0, open_high=True)], 0, "give a number below 0"),
    (Annotated[float, Range(high=0)], 1, "give a number of 0 or less"),
    (Positive | None, 0, "x is 0; give a number above 0 or None"),
    (Annotated[float | None, above(1)], 1, "x is 1; give a number above 1 or None"),
    (Finite | Curve, math.nan, "x is nan; give a number that is finite or a part (Curve)"),
    (Curve, "sqrt", "x is 'sqrt'; give a part (Curve)"),
    (bool, "no", "x is 'no'; give true or false"),
    (str, 1, "x is 1; give a text"),
    (Annotated[str, OneOf("a", "b", "c")], "d", 'x is \'d\'; give "a", "b" or "c"'),
    (Literal["a", "b"], "c", 'x is \'c\'; give "a" or "b"'),
    (tuple[str, ...], "stop", "x is 'stop'; give several values, each a text"),
    (tuple[float, float], (1.0,), "x is (1.0,); give 2 values"),
    (tuple[float, float], (1.0, math.nan), "x[1] is nan; give a number"),
    (tuple[Share, ...] | None, (2,), "x[0] is 2; give a number from 0 to 1"),
    (Sequence[str], "stop", "x is 'stop'; give several values, each a text"),
    (list[int], [1, "2"], "x[1] is '2'; give a whole number, not a text"),
    (Mapping[str, Finite], {"a": math.inf}, "x.a is inf; give a number that is finite"),
    (Mapping[str, Finite], 3, "x is 3; give names, each with a number that is finite"),
    (Inner, 3, "x is 3; give a part (Inner)"),
    (Callable[[], int], "print", "x is 'print'; give a function"),
    (Callable[[], int] | Finite, [1], "x is [1]; give a function or a number that is finite"),
    (Curve, (1,), "x is (1,); give a part (Curve)"),
]


@pytest.mark.parametrize(("hint", "value"), HELD)
def test_what_belongs_to_a_range_is_held(hint: Any, value: Any) -> None:
    check_value("x", value, hint)


@pytest.mark.parametrize(("hint", "value", "told"), REFUSED)
def test_what_does_not_is_refused_in_one_sentence(hint: Any, value: Any, told: str) -> None:
    with pytest.raises(RangeError) as caught:
        check_value("x", value, hint)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.place) == (str(caught.value), caught.value.place)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"heat": -1}, "Outer.heat is -1; give a number of 0 or more (0 is greedy)"),
        ({"betas": (0.9, 1.5)}, "Outer.betas[1] is 1.5; give a number from 0 to 1"),
        ({"weights": {"a": "b"}}, "Outer.weights.a is 'b'"),
        ({"kind": "lroa"}, 'Outer.kind is \'lroa\'; give "lora" or "dora" or None'),
        ({"words": "stop"}, "Outer.words is 'stop'"),
        ({"flag": "no"}, "Outer.flag is 'no'; give true or false"),
        ({"inner": "fast"}, "Outer.inner is 'fast'; give a part (Inner)"),
    ],
)
def test_a_part_is_checked_as_it_is_built(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(RangeError) as caught:
        Outer(**settings)
    assert told in str(caught.value)
    with pytest.raises(RangeError):
        replace(Outer(), **settings)


def test_a_walk_checks_the_parts_of_others_and_names_their_place() -> None:
    whole = {"a": Outer(inner=Inner(math.nan)), "b": (Inner(), [Inner(note=3)])}  # type: ignore[arg-type]
    with pytest.raises(RangeError, match=r"^recipe\.a\.inner\.rate is nan; give"):
        check_composition(whole, "recipe")
    with pytest.raises(RangeError, match=r"^b\[1\]\[0\]\.note is 3; give a text"):
        check_composition({"b": whole["b"]})
    check_composition({"a": Outer(), "kind": Inner, "f": print})


def test_inside_checked_later_parts_may_hold_anything() -> None:
    with checked_later():
        made = Outer(heat=-1)
    with pytest.raises(RangeError, match=r"^heat is -1"):
        check_composition(made)
    with pytest.raises(RangeError):
        Outer(heat=-1)


def test_a_part_whose_types_can_not_be_found_is_left_alone() -> None:
    class Nowhere: ...

    @dataclass
    class Local:
        rate: Nowhere | float = math.nan

    check_composition(Local())


def test_a_range_is_shown_beside_its_setting() -> None:
    assert at_least(0, "0 is greedy").documentation == "0 or more (0 is greedy)"
    assert OneOf("a", "b").documentation == '"a" or "b"'
    assert expected(tuple[Share, ...]) == "several values, each a number from 0 to 1"
