"""Lists, sets, free text, partial credit for choices."""

import time

import pytest
from completions import START, rollouts_of, task

from guerdon.parsing import chosen_letters, list_items
from guerdon.rewards import (
    ChoiceCredit,
    ListMatch,
    TextMatch,
    TokenF1,
    exact_match,
    jaccard,
    right_places,
    same_list,
    same_set,
    token_f1,
)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("2, 3", ("2", "3")),
        ("[2, 3]", ("2", "3")),
        ('["a b", 2, {"k": 1}]', ("a b", "2", '{"k": 1}')),
        ("\\{1; 2,5\\}", ("1", "2,5")),
        ("red, green and blue", ("red", "green", "blue")),
        ("red, green, and blue.", ("red", "green", "blue")),
        ("- red\n- green\n", ("red", "green")),
        ("1. red\n2. green", ("red", "green")),
        ("(1, 2)", ("1", "2")),
        ("sandy, android", ("sandy", "android")),
        ("", ()),
        (";;\n", ()),
    ],
)
def test_items(text: str, items: tuple[str, ...]) -> None:
    assert list_items(text) == items


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "," * 1_000_000, "a and " * 200_000, "- " * 99_999]
)
def test_hostile_lists_are_cut(text: str) -> None:
    start = time.monotonic()
    assert len(list_items(text)) <= 256
    assert time.monotonic() - start < 1


@pytest.mark.parametrize(
    ("credit", "answer", "value"),
    [
        (None, "1, 2, 3", 1),
        (None, "3, 2, 1", 1),
        (None, "1, 2", 0.8),  # 2 * 2 / (2 + 3)
        (None, "1, 1, 1, 1", 2 / 7),  # repeating does not pay
        (None, "1, 2, 3, 4, 5, 6", 2 / 3),
        (same_set, "3, 2, 1, 1", 1),
        (same_set, "1, 2", 0),
        (same_list, "1, 2, 3", 1),
        (same_list, "3, 2, 1", 0),
        (right_places, "1, 3, 2", 1 / 3),
        (right_places, "1, 2, 3, 4", 3 / 4),
        (right_places, "", 0),
        (None, "", 0),
        (None, "1.0, 4/2, three", 2 * 2 / 6),
    ],
)
def test_credit_for_lists(credit: object, answer: str, value: float) -> None:
    part = ListMatch() if credit is None else ListMatch(credit)  # type: ignore[arg-type]
    for gold in ("1, 2, 3", [1, 2, 3]):
        made = part(rollouts_of([f"<answer>{answer}</answer>"], task(gold)), START)
        assert made.value.tolist() == pytest.approx([value])


def test_a_list_without_reference_is_invalid() -> None:
    scores = ListMatch()(rollouts_of(["1", "1"], task(None, "a"), task([], "b")), START)
    assert scores.valid.tolist() == [False, False]


@pytest.mark.parametrize(
    ("prediction", "exact", "f1"),
    [
        ("The Eiffel Tower!", 1, 1),
        ("eiffel tower", 1, 1),
        ("the tall Eiffel Tower in Paris", 0, 2 * 2 / (5 + 2)),  # tall eiffel tower in paris
        ("Eiffel Eiffel", 0, 2 * 1 / (2 + 2)),
        ("Big Ben", 0, 0),
        ("the", 0, 0),
    ],
)
def test_exact_match_and_f1(prediction: str, exact: float, f1: float) -> None:
    references = ("Eiffel Tower",)
    assert exact_match(prediction, references) == exact
    assert token_f1(prediction, references) == pytest.approx(f1)


def test_the_best_reference_counts_and_none_is_invalid() -> None:
    rows = ["<answer>UK</answer>", "", "x"]
    tasks = (task(["United Kingdom", "the UK"], "a"), task("x", "b"), task(None, "c"))
    for part in (TextMatch(), TokenF1()):
        scores = part(rollouts_of(rows, *tasks), START)
        assert scores.value[:2].tolist() == [1, 0]
        assert not scores.valid[2]
    assert token_f1("the", ("a",)) == 1  # nothing is left of either


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("B", "B"),
        ("b, d", "BD"),
        ("(b) because it is", "B"),
        ("B: the second", "B"),
        ("**C**", "C"),
        ("A dog", ""),
        (r"\text{B}", "B"),
        (r"\text{b, d}", "BD"),
        ("ACD", "ACD"),
        ("(BD).", "BD"),
        ("DB", ""),
        ("BAD", ""),
        ("The answer is B.", "B"),
        ("Correct answer: (c)", "C"),
        ("The answer is a dog", ""),
        ("Z", ""),
        ("", ""),
        ("x" * 1_000_000, ""),
    ],
)
def test_letters_that_an_answer_chooses(text: str, letters: str) -> None:
    assert chosen_letters(text) == letters


@pytest.mark.parametrize(
    ("chosen", "soft", "overlap"),
    [
        ("A", 1 / 3, 1 / 3),
        ("A, B", 2 / 3, 2 / 3),
        ("C, B, A", 1, 1),
        ("A, D", 0, 1 / 4),
        ("A,B,C,D,E,F,G", 0, 3 / 7),  # naming all
        ("", 0, 0),
    ],
)
def test_partial_credit_for_choices(chosen: str, soft: float, overlap: float) -> None:
    rollouts = rollouts_of([f"<answer>{chosen}</answer>"], task("A,B,C"))
    assert ChoiceCredit()(rollouts, START).value.tolist() == pytest.approx([soft])
    assert ChoiceCredit(jaccard)(rollouts, START).value.tolist() == pytest.approx([overlap])


def test_a_choice_reference_without_letters_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'t'.*none of the choice letters"):
        ChoiceCredit()(rollouts_of(["A"], task("?")), START)
