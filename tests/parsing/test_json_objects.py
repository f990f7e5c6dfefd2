"""JSON objects in prose, within bounds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.parsing import json_object, json_objects

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=4)


@given(st.lists(OBJECTS, max_size=3), st.sampled_from(["", "so: ", "```json\n", 'he said "no" ']))
def test_objects_come_back_in_order(objects: list[dict[str, object]], prose: str) -> None:
    assert json_objects("".join(prose + json.dumps(o) for o in objects) + prose) == objects


@given(st.text(alphabet='{}[]":,\\a1 ', max_size=60))
def test_any_text_gives_dicts(text: str) -> None:
    assert all(isinstance(found, dict) for found in json_objects(text))


@pytest.mark.parametrize(
    "text",
    ["", "{", "}", "{a}", '{"a": NaN}', '{"a": Infinity}', '{"a": 1e999}', '{"a": 1', "[1]"],
)
def test_what_is_no_object(text: str) -> None:
    assert json_object(text) is None


def test_braces_in_strings_and_broken_starts() -> None:
    assert json_object('{"a": "}{\\""} end') == {"a": '}{"'}
    assert json_objects('{oops {"a": 1} {"b": 2}') == [{"a": 1}, {"b": 2}]
    assert json_object('{"a": 1} {"a": 2}') == {"a": 2}


def test_depth_size_and_digits_are_bounded() -> None:
    nested = '{"a":' * 40 + "1" + "}" * 40
    assert json_object(nested, max_depth=40) is not None
    # Deeper than allowed as a whole; its inner part is within the bound.
    assert json_objects(nested, max_depth=32, max_attempts=1) == []
    assert json_object('{"a": "' + "x" * 200 + '"}', max_chars=100) is None
    assert json_object('{"a": ' + "9" * 10_000 + "}") is None
