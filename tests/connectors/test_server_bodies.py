"""JSON bodies, read without a server: what is refused, and where it is said to be."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.connectors.server.bodies import SLICE, read_object
from guerdon.connectors.server.limits import Limits, Refused
from guerdon.connectors.server.rows import read_get_reward, read_score

LIMITS = Limits(batch=10, values=200, depth=8)


def refused(body: bytes | str, limits: Limits = LIMITS, read=read_score) -> tuple[int, str]:
    with pytest.raises(Refused) as error:
        read(body if isinstance(body, bytes) else body.encode(), limits)
    return error.value.status, str(error.value)


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ('{"rows": [{"completion": "x"}', 400, "',' or ']' is expected (line 1, column 30)"),
        ('{"rows": [{"completion": "x"},\n]}', 400, "line 2, column 1"),
        ('{"rows": [,]}', 400, "column 11"),
        ('{"rows": [{"completion": "x"}],}', 400, "a name in double quotes"),
        ('{"rows": [{"completion": "x"}]} x', 400, "something follows the object"),
        ('{,"rows": []}', 400, "not JSON"),
        ("{'rows': []}", 400, "a name in double quotes"),
        ('{"rows"; []}', 400, "':' is expected"),
        ('"rows"', 422, "the body must be an object"),
        ("nul", 400, "not JSON"),
        ("", 400, "not JSON"),
        ("\ufeff{}", 400, "not JSON"),
        (b"\xff\xfe{\x00}\x00", 400, "not UTF-8: invalid start byte at byte 0"),
        (b'{"rows": [{"completion": "\xff"}]}', 400, "not UTF-8"),
        ('{"rows": [{"completion": "a\nb"}]}', 400, "control character"),
        ('{"rows": [], "rows": []}', 400, "'rows' is given twice"),
        (
            '{"rows": [{"completion": "a", "completion": "b"}]}',
            400,
            "rows[0]: 'completion' is given",
        ),
        (
            '{"rows": [{"completion": "a"}, {"completion": "a", "columns": {"k": 1, "k": 2}}]}',
            400,
            "rows[1]: 'k' is given twice",
        ),
        ('{"rows": [{"completion": "a", "answer": NaN}]}', 400, "rows[0]: NaN is no number"),
        ('{"rows": [{"completion": "a", "answer": [-Infinity]}]}', 400, "rows[0]: -Infinity is"),
        ('{"rows": [{"completion": "a"}], "step": NaN}', 400, "step: NaN is no number"),
        ('{"rows": [{"completion": "a", "answer": 1e999}]}', 400, "rows[0]: the number 1e999"),
        ('{"rows": [{"completion": "a", "answer": -1e999}]}', 400, "rows[0]: the number -1e999"),
        ('{"rows": [{"completion": "a", "answer": %s}]}' % ("9" * 5000), 400, "has 5000 digits"),
        ('{"rows": [{"completion": "a", "answer": %s.5}]}' % ("9" * 5000), 400, "too long"),
        ('{"rows": [{"completion": "a", "answer": %s}]}' % ("[" * 9), 400, "nested deeper than 8"),
        ('{"rows": [' + '{"completion": "x"},' * 11 + "{}]}", 413, "more than 10 rows"),
        ('{"rows": [{"completion": "", "answer": [%s0]}]}' % ("0," * 200), 413, "200 values"),
        ('{"rows": [{"completion": "", "answer": [%s0]}]}' % ('"",' * 200), 413, "200 values"),
        ('{"rows": 3}', 422, "whose 'rows' is a list"),
        ('{"rows": {"completion": "x"}}', 422, "whose 'rows' is a list"),
        ('{"rows": null}', 422, "whose 'rows' is a list"),
        ('{"row": []}', 422, "the body has an unknown field 'row'; did you mean 'rows'?"),
        ('{"%s": []}' % ("k" * 10_000), 422, "there are rows, step, total"),
        (
            '{"rows": [{"completion": "x"}, {"completion": "x", "Answer": 1}]}',
            422,
            "rows[1] has an",
        ),
        ('{"rows": [{"completion": "x"}], "step": 1.5}', 422, "step must be a whole number"),
        ('{"rows": [{"completion": "x"}], "step": true}', 422, "step must be a whole number"),
        ('{"rows": [{"completion": "x"}], "total": "3"}', 422, "total must be a whole number"),
    ],
)
def test_what_is_wrong_and_where(body, status, told):
    found, message = refused(body)
    assert (found, told in message) == (status, True), message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ('{"query": "x"}', 422, "'query' and 'prompts' and 'labels' is a list"),
        ('{"query": [3]}', 422, "query[0] must be a text"),
        ('{"query": ["a", "b"], "prompts": ["a"]}', 422, "prompts must be a list as long as query"),
        ('{"query": ["a"], "labels": ["a", "b"]}', 422, "labels must be a list as long"),
        ('{"query": ["a"], "prompts": [[]]}', 422, "prompts[0] must be a text"),
        ('{"querys": ["a"]}', 422, "did you mean 'query'?"),
        ('{"query": ["a"], "label": ["a"]}', 422, "did you mean 'labels'?"),
    ],
)
def test_what_is_wrong_in_openrlhfs_form(body, status, told):
    found, message = refused(body, read=read_get_reward)
    assert (found, told in message) == (status, True), message


def test_openrlhf_sends_three_lists_and_labels_may_be_anything():
    body = {"query": ["a4", "b"], "prompts": ["a", "b"], "labels": [{"x": [1]}, None]}
    first, second = read_get_reward(json.dumps(body).encode(), LIMITS).rows
    assert (first.completion, first.prompt, first.answer) == ("4", "a", {"x": [1]})
    assert (second.completion, second.answer) == ("", None)


def test_a_mask_larger_than_a_request_may_make_is_refused():
    body = {"rows": [{"completion": "x", "tokens": 2**17}] * 600}
    limits = Limits(batch=1000)
    status, told = refused(json.dumps(body), limits)
    assert (status, "rows times tokens" in told) == (413, True)


def test_strings_are_not_counted_by_what_they_hold():
    text = '[{,"\\' * 500
    body = json.dumps({"rows": [{"completion": text}]}).encode()
    assert read_score(body, LIMITS).rows[0].completion == text


@pytest.mark.parametrize("extra", range(-3, 4))
@pytest.mark.parametrize("filling", ["x", "\\n", "\\\\", '\\"', "ü"])
def test_long_strings_across_slices(filling, extra):
    count = SLICE // len(filling) + extra
    body = f'{{"rows": [{{"completion": "{filling * count}"}}]}}'
    kept = json.loads(f'"{filling * count}"')
    assert read_score(body.encode(), LIMITS).rows[0].completion == kept
    assert refused(body[:-4], LIMITS)[0] == 400
    assert refused('"' * SLICE + "[" * SLICE, LIMITS)[0] in (400, 413)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["list", "one", "two"]), VALUES), st.sampled_from([None, 2]))
def test_it_reads_what_json_reads(body, indent):
    fields = {"list": lambda value, number: value, "one": None, "two": None}
    text = json.dumps(body, indent=indent).encode()
    if not isinstance(body.get("list"), list | None):
        with pytest.raises(Refused, match="is a list with entries"):
            read_object(text, fields, Limits())
        return
    found = read_object(text, fields, Limits())
    assert found == {name: value for name, value in body.items() if value is not None}


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet='{}[]",:\\ 0123eE.-nultrfasx\n', max_size=40))
def test_it_never_reads_what_json_does_not(text):
    whole = '{"one": ' + text + "}"
    try:
        expected = json.loads(whole, object_pairs_hook=list)
    except ValueError:
        expected = None
    try:
        found = read_object(whole.encode(), {"one": None, "two": None}, Limits())
    except Refused:
        return
    assert expected is not None
    assert [name for name, value in expected if value is not None] == list(found)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_bytes_of_any_kind_are_refused_in_words(body):
    with pytest.raises(Refused) as error:
        read_object(body + b"{", {"one": None}, Limits())
    assert error.value.status in (400, 422)
