"""BLEU, ROUGE-L and their mean: the unit checks of the BLEUBERI specification."""

import math
from functools import cache

import pytest
from completions import START, rollouts_of, task
from hypothesis import given
from hypothesis import strategies as st

from guerdon.rewards import (
    HarmonicBleuRouge,
    ReferenceBLEU,
    RougeL,
    add_one_bleu,
    bleu_rouge,
    brevity_penalty,
    harmonic_mean,
    rouge_l,
    sacrebleu_bleu,
)
from guerdon.rewards.text.overlap import LONGEST, lcs_length
from guerdon.rewards.text.references import Metric

MAT = "the cat sat on the mat"
WORDS = st.lists(st.sampled_from("abc"), max_size=12)


@pytest.mark.parametrize(
    ("prediction", "references", "value"),
    [
        (MAT, (MAT,), 1.0),
        ("", (MAT,), 0.0),
        ("the cat sat", (MAT,), math.exp(-1)),
        ("the cat sat", (MAT, "a cat"), 1.0),
        ("yes", ("no",), 0.5**0.25),
        # matches 6, 5, 4, 3 of 10, 9, 8, 7 n-grams
        (
            "the cat sat on the mat and then it slept",
            (MAT,),
            (7 / 11 * 6 / 10 * 5 / 9 * 4 / 8) ** 0.25,
        ),
        # clipped: "the" occurs at most twice in the reference
        ("the the the the", (MAT,), (3 / 5 * 1 / 4 * 1 / 3 * 1 / 2) ** 0.25 * math.exp(-0.5)),
        # 13a splits the full stop off; case is kept
        ("Yes.", ("Yes .",), 1.0),
        ("yes", ("Yes",), 0.5**0.25),
    ],
)
def test_add_one_bleu(prediction: str, references: tuple[str, ...], value: float) -> None:
    assert add_one_bleu(prediction, references) == pytest.approx(value, abs=1e-9)


def test_the_specification_s_rounded_figures() -> None:
    assert add_one_bleu("the cat sat", (MAT,)) == pytest.approx(0.3679, abs=5e-5)
    assert add_one_bleu("yes", ("no",)) == pytest.approx(0.8409, abs=5e-5)
    assert add_one_bleu("the cat sat on the mat and then it slept", (MAT,)) == pytest.approx(
        0.5707, abs=5e-5
    )


def test_sacrebleu_s_own_default_differs() -> None:
    # Effective order 3, all precisions 1, closest length 6: only brevity remains.
    assert sacrebleu_bleu("the cat sat", (MAT,)) == pytest.approx(math.exp(-1))
    # Of the lengths 6 and 2, the one closest to 3 is 2.
    assert sacrebleu_bleu("the cat sat", (MAT, "a cat")) == pytest.approx(1)
    assert sacrebleu_bleu("yes", ("no",)) == 0
    assert sacrebleu_bleu("", (MAT,)) == 0


@pytest.mark.parametrize(
    ("length", "reference", "value"), [(3, 6, math.exp(-1)), (6, 6, 1), (7, 6, 1), (0, 6, 0)]
)
def test_brevity_penalty(length: int, reference: int, value: float) -> None:
    assert brevity_penalty(length, reference) == pytest.approx(value)


@given(WORDS, st.lists(WORDS.filter(bool), min_size=1, max_size=3))
def test_bleu_is_in_range_and_no_longer_reference_changes_brevity(
    prediction: list[str], references: list[list[str]]
) -> None:
    texts = tuple(" ".join(words) for words in references)
    value = add_one_bleu(" ".join(prediction), texts)
    assert 0 <= value <= 1
    # A further reference, longer than the shortest, can only add matches.
    more = (*texts, " ".join([*references[0], "z", "z"]))
    assert add_one_bleu(" ".join(prediction), more) >= value - 1e-12


@pytest.mark.parametrize(
    ("prediction", "references", "value"),
    [
        (MAT, (MAT,), 1),
        ("The CAT, sat!", (MAT,), 2 * 1 * 0.5 / 1.5),  # P = 3/3, R = 3/6
        ("mat the cat", (MAT,), 2 * (2 / 3) * (2 / 6) / (2 / 3 + 2 / 6)),
        ("dog", (MAT, "dog"), 1),
        ("", (MAT,), 0),
        ("!!", (MAT,), 0),
    ],
)
def test_rouge_l(prediction: str, references: tuple[str, ...], value: float) -> None:
    assert rouge_l(prediction, references) == pytest.approx(value)


@given(WORDS, WORDS)
def test_bit_parallel_lcs_is_the_textbook_recursion(one: list[str], two: list[str]) -> None:
    @cache
    def plain(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return 0
        if one[i - 1] == two[j - 1]:
            return plain(i - 1, j - 1) + 1
        return max(plain(i - 1, j), plain(i, j - 1))

    assert lcs_length(one, two) == plain(len(one), len(two))


def test_harmonic_mean() -> None:
    assert harmonic_mean(0.2, 0.4) == pytest.approx(0.2667, abs=5e-5)
    assert harmonic_mean(0, 0.4) == 0
    assert harmonic_mean(0, 0) == 0
    b, r = add_one_bleu("the cat sat", (MAT,)), rouge_l("the cat sat", (MAT,))
    assert bleu_rouge("the cat sat", (MAT,)) == pytest.approx(2 * b * r / (b + r))


def test_references_come_from_the_column_else_the_answer() -> None:
    tasks = [
        task("ignored", "a", references=[MAT, "a cat", ""]),
        task("ignored", "b", references=MAT),
        task(MAT, "c"),
        task(None, "d"),
        task("gold", "e", references=[" "]),
    ]
    scores = ReferenceBLEU()(rollouts_of(["the cat sat"] * 5, *tasks), START)
    assert scores.valid.tolist() == [True, True, True, False, False]
    assert scores.value[:3].tolist() == pytest.approx([1, math.exp(-1), math.exp(-1)])
    assert "neither references nor an answer" in (scores.reasons[3] or "")


@pytest.mark.parametrize("part", [ReferenceBLEU(), RougeL(), HarmonicBleuRouge()])
def test_the_answer_section_is_judged(part: ReferenceBLEU) -> None:
    texts = [MAT, f"<think>no</think><answer>{MAT}</answer>", f"<answer>{MAT}", "<answer></answer>"]
    scores = part(rollouts_of(texts, task(MAT)), START)
    assert scores.value.tolist() == pytest.approx([1, 1, 1, 0])
    assert [p.tolist() for p in scores.parts.values()] == [scores.value.tolist()]


def test_the_other_metric_is_a_setting() -> None:
    scores = ReferenceBLEU(metric=sacrebleu_bleu)(rollouts_of(["yes"], task("no")), START)
    assert scores.value.tolist() == [0]


@pytest.mark.parametrize("metric", [add_one_bleu, rouge_l, sacrebleu_bleu])
def test_a_text_is_read_to_its_limit(metric: Metric) -> None:
    filled = "x " * (LONGEST // 2)
    assert metric(filled + "the cat sat", ("the cat sat",)) == metric(filled, ("the cat sat",))
