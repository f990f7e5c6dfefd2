from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.records import Task
from guerdon.tasks import DataError, LittleRewritten, words_changed

pytest.importorskip("rapidfuzz")

WORDS = [f"w{i}" for i in range(40)]
WORDLISTS = st.lists(st.sampled_from("abc"), max_size=7)


@dataclass(frozen=True)
class Given:
    tasks: tuple[Task, ...]

    def load(self, split: str) -> tuple[Task, ...]:
        return self.tasks


def with_new(count: int) -> str:
    return " ".join(["new"] * count + WORDS[count:])


def rewritten(name: str, before: object, after: object) -> Task:
    return Task(name, "q", after, {"before": before})


def test_sixteen_changed_words_drop_a_record_and_fifteen_keep_it() -> None:
    before = " ".join(WORDS)
    tasks = (
        rewritten("15 replaced", before, with_new(15)),
        rewritten("16 replaced", before, with_new(16)),
        rewritten("15 taken away", before, " ".join(WORDS[15:])),
        rewritten("16 taken away", before, " ".join(WORDS[:10] + WORDS[26:])),
        rewritten("15 added", before, "so it is " * 5 + before),
        rewritten("untouched", before, before),
    )
    kept = [task.id for task in LittleRewritten(Given(tasks)).load("train")]
    assert kept == ["15 replaced", "15 taken away", "15 added", "untouched"]
    assert [t.id for t in LittleRewritten(Given(tasks), most=0).load("test")] == ["untouched"]


def test_words_are_counted_as_replaced_added_or_taken_away() -> None:
    assert words_changed("a b c d", "a x c d", 9) == 1
    assert words_changed("a b c d", "b c d", 9) == 1
    assert words_changed("a b c d", "b c d e", 9) == 2
    assert words_changed("", "a  b\n", 9) == words_changed("a b", "", 9) == 2
    assert words_changed("", "", 0) == words_changed("a", "a", 0) == 0
    assert words_changed("a", "b", 0) == 1
    assert words_changed("a b c", "x y z", 1) == 2  # more than 1, whatever it is


@given(WORDLISTS, WORDLISTS, st.integers(0, 8))
def test_it_is_the_least_number_of_changes(a: list[str], b: list[str], most: int) -> None:
    def distance(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(
            distance(i - 1, j) + 1,
            distance(i, j - 1) + 1,
            distance(i - 1, j - 1) + (a[i - 1] != b[j - 1]),
        )

    least = distance(min(len(a), 5), min(len(b), 5))
    assert words_changed(" ".join(a[:5]), " ".join(b[:5]), most) == min(least, most + 1)


def test_long_texts_end() -> None:
    began = time.perf_counter()
    assert words_changed("a " * 30_000, "b " * 30_000, 15) == 16
    assert words_changed("a b " * 10_000, "b a " * 10_000, 15) == 2
    assert words_changed("a " * 300_000, "b", 15) == 16
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(("before", "after"), [(None, "a"), ("a", None), ("a", 3)])
def test_what_is_no_text_is_named(before: object, after: object) -> None:
    with pytest.raises(DataError, match="task 't': its column 'before'"):
        LittleRewritten(Given((rewritten("t", before, after),))).load("train")
