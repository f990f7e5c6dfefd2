"""Fenced blocks: where they begin and end, and that hostile text takes linear time."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.parsing.fenced import Fenced, fenced_blocks, unfenced
from guerdon.parsing.thinking import after_thinking


def insides(text: str) -> list[tuple[str, str]]:
    return [(block.language, block.inside) for block in fenced_blocks(text)]


def test_where_blocks_begin_and_end() -> None:
    assert insides("```python\na\n```\n```\nb\n```") == [("python", "a\n"), ("", "b\n")]
    assert insides("1. x\n   ```py\n   if a:\n     b\n   ```") == [("py", "if a:\n  b\n")]
    assert insides("```\ns = '```'\n```") == [("", "s = '```'\n")]
    assert insides("<answer>```sql\nx```</answer>") == [("sql", "x")]
    assert insides("````md\n```\n````") == [("md", ""), ("", "")]
    (one,) = fenced_blocks("so ```SQL SELECT 1```.")
    assert one == Fenced("SQL SELECT 1", "", "so")
    assert (one.language, one.rest) == ("sql", "SELECT 1")
    (cut,) = fenced_blocks("Output:\n\n```\n5")
    assert cut == Fenced("", "5", "Output:", closed=False)
    assert fenced_blocks("no `fence` here") == []


def test_what_is_not_fenced_stays() -> None:
    assert unfenced(" x ") == "x"
    assert unfenced("say\n```json\n[1]\n```") == "[1]"
    assert unfenced("```[1]```") == "[1]"


def test_what_follows_the_thinking() -> None:
    assert after_thinking("a</think>b") == "b"
    assert after_thinking("<think>a</think>b<think>c") == "b"
    assert after_thinking("<think>a") == ""
    assert after_thinking("a") == "a"


@settings(max_examples=50)
@given(st.text("`\n ab<", max_size=60))
def test_blocks_stand_in_the_text_in_order(text: str) -> None:
    place = 0
    for block in fenced_blocks(text):
        for line in block.inside.split("\n"):
            assert line in text
        found = text.find(block.info, place)
        assert found >= 0
        place = found


def test_hostile_text_takes_linear_time() -> None:
    began = time.process_time()
    for text in ("`" * 200_000, "```\n" * 60_000, "``` x" * 40_000, "   ```a\n" * 30_000):
        fenced_blocks(text)
    assert time.process_time() - began < 2
