"""The embedded tasks: disjoint splits, stable ids, answers that follow from the prompt."""

from __future__ import annotations

import json
import random
import re
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.parts import build, describe
from guerdon.stages import TaskSource
from guerdon.tasks import (
    Arithmetic,
    FactQuestions,
    MultiChoice,
    MultipleChoice,
    SqlQueries,
    TextBoxes,
    TextIntervals,
    ToolCalls,
    paraphrase,
    stated_facts,
)
from guerdon.tasks.facts import GRAMMAR, VALUES
from guerdon.tasks.procedural import Problem, draw_tasks, split_of

SOURCES = [
    Arithmetic(train=200, test=60),
    MultipleChoice(train=200, test=60),
    MultiChoice(train=200, test=60),
    FactQuestions(train=200, test=60),
    ToolCalls(train=200, test=60),
    SqlQueries(train=200, test=60),
    TextBoxes(train=200, test=60),
    TextIntervals(train=200, test=60),
]
KINDS = [type(source).__name__ for source in SOURCES]


@pytest.mark.parametrize("source", SOURCES, ids=KINDS)
def test_a_source_keeps_its_contract(source: TaskSource) -> None:
    train, test = source.load("train"), source.load("test")
    assert (len(train), len(test)) == (200, 60)
    assert [t.id for t in train] == [t.id for t in source.load("train")]
    assert len({t.id for t in [*train, *test]}) == 260
    assert not {t.prompt for t in train} & {t.prompt for t in test}
    assert all(t.text.endswith("\n") and t.answer for t in train)
    assert build(describe(source)) == source
    with pytest.raises(ValueError, match="no split 'valid'"):
        source.load("valid")


@pytest.mark.parametrize("kind", [type(source) for source in SOURCES], ids=KINDS)
def test_no_size_or_seed_moves_a_task_into_the_other_split(kind: type) -> None:
    test = {t.prompt for t in kind(test=100, seed=0).load("test")}
    train = {t.prompt for t in kind(train=1500, seed=7).load("train")}
    assert not test & train


@pytest.mark.parametrize("kind", [type(source) for source in SOURCES], ids=KINDS)
def test_default_sizes_exist_and_smaller_ones_are_their_beginning(kind: type) -> None:
    whole = kind().load("test")
    assert len(whole) >= 256
    assert [t.id for t in kind(test=50).load("test")] == [t.id for t in whole[:50]]
    assert len(kind().load("train")) == kind().train


def test_different_seeds_give_different_tasks() -> None:
    first, second = Arithmetic(train=50).load("train"), Arithmetic(train=50, seed=1).load("train")
    assert {t.id for t in first} != {t.id for t in second}


def test_about_a_fifth_of_prompts_is_held_out() -> None:
    share = sum(split_of(f"Compute {n}+1.\n") == "test" for n in range(5000)) / 5000
    assert 0.17 < share < 0.23


def test_a_world_too_small_is_refused_with_its_size() -> None:
    def draw(source: random.Random) -> Problem:
        return Problem(str(source.randint(0, 9)), "")

    with pytest.raises(ValueError, match=r"tiny found only [5-9] distinct train tasks of 11"):
        draw_tasks("tiny", "train", 11, 0, draw)
    with pytest.raises(ValueError, match="size of 'train' is -1"):
        draw_tasks("tiny", "train", -1, 0, draw)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), digits=st.integers(2, 6))
def test_arithmetic_answers_are_right(seed: int, digits: int) -> None:
    problem = Arithmetic(digits=digits).draw(random.Random(seed))
    match = re.fullmatch(r"Compute (\d+)([+*-])(\d+)(?:-(\d+))?\.\n", problem.prompt)
    assert match is not None
    a, sign, b, c = match.groups()
    worked = {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[sign] - int(c or 0)
    assert problem.answer == str(worked)
    assert worked >= 0
    assert problem.columns["operands"] == tuple(int(n) for n in (a, b, c) if n)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"operations": ("division",)}, "choose one or more of addition"),
        ({"operations": ()}, "choose one or more"),
        ({"digits": 1}, "give a whole number from 2 to 6"),
    ],
)
def test_arithmetic_refuses_bad_settings(settings_: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Arithmetic(**settings_)  # type: ignore[arg-type]


def test_other_sources_refuse_bad_settings() -> None:
    with pytest.raises(ValueError, match=r"MultipleChoice\.options is 1; give .* from 2 to 8"):
        MultipleChoice(options=1)
    with pytest.raises(ValueError, match=r"MultiChoice\.divisors"):
        MultiChoice(divisors=(1,))
    with pytest.raises(ValueError, match=r"FactQuestions\.people is 11"):
        FactQuestions(people=11)
    with pytest.raises(ValueError, match=r"FactQuestions\.references is 0"):
        FactQuestions(references=0)
    with pytest.raises(ValueError, match=r"TextBoxes\.canvas"):
        TextBoxes(canvas=3)
    with pytest.raises(ValueError, match=r"TextIntervals\.horizon"):
        TextIntervals(horizon=1)


def test_the_letter_names_the_extreme_number() -> None:
    for task in MultipleChoice(train=100).load("train"):
        numbers = {x: int(n) for x, n in task.columns["choices"].items()}
        pick = max if "largest" in task.text else min
        assert task.answer == pick(numbers, key=lambda letter: numbers[letter])
        assert f"{task.answer}) {numbers[task.answer]}" in task.text


def test_the_letters_are_exactly_the_divisible_ones() -> None:
    lengths = set()
    for task in MultiChoice(train=200).load("train"):
        divisor = int(re.search(r"by (\d)", task.text).group(1))  # type: ignore[union-attr]
        options = re.findall(r"([A-E])\) (\d+)", task.text)
        assert task.answer == "".join(x for x, n in options if int(n) % divisor == 0)
        lengths.add(len(task.answer))
    assert lengths >= {1, 2, 3}


def test_a_tool_call_fits_its_offered_signature() -> None:
    for task in ToolCalls(train=100).load("train"):
        call = json.loads(task.answer)
        assert task.columns["calls"] == [call]
        assert list(call["parameters"]) == list(task.columns["tools"][call["name"]])
        assert f"{call['name']}({','.join(call['parameters'])})" in task.text


def test_gold_queries_run_on_the_columns_they_come_with() -> None:
    for task in SqlQueries(train=60).load("train"):
        base = sqlite3.connect(":memory:")
        base.execute(task.columns["schema"])
        rows = task.columns["rows"]
        marks = ",".join("?" * len(rows[0]))
        base.executemany(f"INSERT INTO {task.columns['table']} VALUES ({marks})", rows)
        base.execute(task.answer).fetchall()
        base.close()


def test_regions_by_hand() -> None:
    for task in TextBoxes(train=50).load("train"):
        x, y, wide, high = map(int, re.findall(r"\d+", task.text))
        assert task.answer == f"[{x},{y},{x + wide},{y + high}]"
        assert max(task.columns["box"]) <= 15
    for task in TextIntervals(train=50).load("train"):
        start, length = map(int, re.findall(r"\d+", task.text))
        assert task.answer == f"[{start},{start + length}]"


def test_references_are_distinct_sentences_that_state_the_fact() -> None:
    for task in FactQuestions(train=100).load("train"):
        references = task.columns["references"]
        assert len(set(references)) == 5
        for sentence in references:
            who, values = stated_facts(sentence, task.columns["relation"])
            assert (who, values) == ({task.columns["person"]}, {task.answer})
        table = task.columns["facts"]
        assert table[task.columns["person"]][task.columns["relation"]] == task.answer


def test_the_paraphrase_grammar_is_rich_and_expands_fully() -> None:
    assert sum(map(len, GRAMMAR.values())) >= 40
    for relation in VALUES:
        source = random.Random(0)
        told = {paraphrase(relation, "Anna", VALUES[relation][0], source) for _ in range(600)}
        assert len(told) > 60
        assert not any("{" in s or "}" in s for s in told)
        assert all(s[0].isupper() and s.endswith(".") for s in told)
