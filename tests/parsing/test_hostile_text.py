"""Every reader on a megabyte of text made to be slow: under a second each."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from guerdon import parsing

SIZE = 1_000_000
PATTERNS = {
    "open think": "<think>",
    "closed answer": "</answer>",
    "open boxes": "\\boxed{",
    "box and spaces": "\\boxed" + " " * 1000,
    "open braces": "{",
    "closed braces": "}",
    "digits": "7",
    "separated": "1,111,",
    "groups": ",111",
    "exponents": "1e1",
    "signs": "-",
    "fractions": "1/1",
    "open objects": '{"a":',
    "quotes": '"',
    "open quotes": '{"',
    "escaped quotes": '\\"',
    "backslashes": "\\",
    "brackets": "[{",
    "spaces": " ",
    "letters": "A, ",
    "wraps": "\\text{",
    "per cent": "1 %",
    "frac": "\\frac{1}{",
    "unicode": "é漢🙂",
    "display": "\\[",
    "inline": "\\(",
    "dollars": "$a",
    "fences": "```\n",
    "ticks": "`",
    "addresses": "http://",
}
READERS: dict[str, Callable[[str], Any]] = {
    "sections": lambda t: parsing.sections(t, ("think", "answer")),
    "answer_text": parsing.answer_text,
    "boxed_spans": parsing.boxed_spans,
    "last_boxed": parsing.last_boxed,
    "choice_letters": parsing.choice_letters,
    "separated_choice_letters": parsing.separated_choice_letters,
    "parse_number": parsing.parse_number,
    "last_number": parsing.last_number,
    "json_objects": parsing.json_objects,
    "prose": parsing.prose,
}


@pytest.mark.parametrize("reader", READERS)
def test_a_megabyte_takes_less_than_a_second(reader: str) -> None:
    slow = {}
    for name, pattern in PATTERNS.items():
        text = pattern * (SIZE // len(pattern))
        # Thread time: another process on this machine must not fail the test.
        start = time.thread_time()
        READERS[reader](text)
        READERS[reader]("{" + text[: SIZE // 2] + "}" + "\\boxed{1}")
        taken = time.thread_time() - start
        if taken > 1.0:
            slow[name] = taken
    assert not slow


def test_a_tower_of_closed_boxes() -> None:
    deep = SIZE // 8
    start = time.thread_time()
    assert parsing.last_boxed("\\boxed{" * deep + "1" + "}" * deep) == "1"
    assert time.thread_time() - start < 1
