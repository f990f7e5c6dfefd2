"""The distribution that is sampled from: the model's own, exactly truncated, row by row."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest
from transformers import LlamaConfig, LlamaForCausalLM

from guerdon.keyed import row_key, uniforms
from guerdon.records import Task
from guerdon.rollout import LanguagePolicy
from guerdon.rollout.drawing import choose, truncate
from guerdon.stages import Sampling

PROBS = torch.tensor([[0.4, 0.3, 0.15, 0.1, 0.05]])


class Digits:
    """A tokenizer of four tokens, 0 the end and 1-3 themselves."""

    eos_token_id = 0
    pad_token_id = 0

    def encode(self, text: str) -> list[int]:
        return [int(c) for c in text]

    def decode(self, ids: torch.Tensor, skip_special_tokens: bool = False) -> str:
        return "".join(str(int(i)) for i in ids if int(i) or not skip_special_tokens)


def support(sampling: Sampling) -> list[int]:
    return truncate(PROBS, sampling)[0].nonzero().flatten().tolist()


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        (Sampling(), [0, 1, 2, 3, 4]),
        (Sampling(top_k=2), [0, 1]),
        (Sampling(top_k=9), [0, 1, 2, 3, 4]),
        (Sampling(top_p=0.6), [0, 1]),
        (Sampling(top_p=0.75), [0, 1, 2]),
        (Sampling(top_p=0.01), [0]),
        (Sampling(min_p=0.3), [0, 1, 2]),  # floor 0.12
        (Sampling(min_p=1.0), [0]),
        (Sampling(top_k=3, top_p=0.8), [0, 1]),  # 0.4 + 0.3 of 0.85 reaches 0.68
    ],
)
def test_truncation_keeps(sampling, kept):
    assert support(sampling) == kept


def test_top_p_of_a_large_vocabulary_is_that_of_the_whole_sort():
    """A peaked row, whose first 1024 tokens hold the mass, beside a flat one, whose don't."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([[6.0], [0.1]])
    probs = (torch.randn(2, 5000, generator=generator) * spread).softmax(-1)
    kept = truncate(probs, Sampling(top_p=0.9)) > 0
    for row in (0, 1):
        ordered = probs[row].sort(descending=True).values.double()
        count = int((ordered.cumsum(0) < 0.9).sum()) + 1
        assert abs(int(kept[row].sum()) - count) <= 1  # sums are in single precision
        assert probs[row][kept[row]].min() > probs[row][~kept[row]].max()
    assert kept[0].sum() < 1024 < kept[1].sum()


def test_choice_is_where_the_cumulative_passes_the_uniform():
    logits = PROBS.log().repeat(6, 1)
    uniform = torch.tensor([0.0, 0.39, 0.41, 0.71, 0.96, 1 - 1e-12], dtype=torch.float64)
    action, logp = choose(logits, uniform, Sampling())
    assert action.tolist() == [0, 0, 1, 2, 4, 4]
    torch.testing.assert_close(logp.exp(), PROBS[0][action])


def test_logps_are_before_truncation_and_at_the_temperature():
    action, logp = choose(PROBS.log(), torch.zeros(1).double(), Sampling(top_k=1, temperature=0.5))
    squares = PROBS[0] ** 2
    assert int(action) == 0
    assert float(logp.exp()) == pytest.approx(float(squares[0] / squares.sum()))


def test_greedy_logp_is_at_temperature_one():
    action, logp = choose(PROBS.log(), torch.tensor([0.99]), Sampling(temperature=0.0))
    assert int(action) == 0
    assert float(logp.exp()) == pytest.approx(0.4)


@given(
    st.lists(st.floats(-8, 8), min_size=2, max_size=20),
    st.floats(0, 1, exclude_max=True),
    st.floats(0.05, 1.0),
    st.integers(0, 6),
    st.floats(0, 1),
)
def test_a_truncated_token_is_never_chosen(logits, u, top_p, top_k, min_p):
    table = torch.tensor([logits])
    sampling = Sampling(top_p=top_p, top_k=top_k, min_p=min_p)
    action, _ = choose(table, torch.tensor([u], dtype=torch.float64), sampling)
    kept = truncate(table.softmax(-1), sampling)[0]
    assert kept.sum() > 0
    assert kept[int(action)] > 0


def test_uniforms_belong_to_their_key_and_are_uniform():
    keys = [row_key("task", member) for member in range(200)]
    table = uniforms(7, keys, 50)
    assert torch.equal(table[13], uniforms(7, keys[13:14], 50)[0])
    assert torch.equal(table[13, :5], uniforms(7, keys[13:14], 5)[0])
    assert not torch.equal(table[13], uniforms(8, keys[13:14], 50)[0])
    assert kstest(table.flatten().numpy(), "uniform").pvalue > 1e-3
    assert row_key("a", 1) == row_key("a", 1) != row_key("a", 2)


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_completions_are_distributed_as_the_model_says(temperature):
    """Every completion of up to three tokens is enumerated; 6000 samples are compared."""
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=4,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        initializer_range=0.6,
        eos_token_id=0,
        bos_token_id=None,
        pad_token_id=0,
        tie_word_embeddings=False,
    )
    policy = LanguagePolicy(LlamaForCausalLM(config), Digits())
    expected: dict[tuple[int, ...], float] = {}

    def walk(prefix: tuple[int, ...], mass: float) -> None:
        if len(prefix) == 3 or (prefix and prefix[-1] == 0):
            expected[prefix] = mass
            return
        with torch.no_grad():
            logits = policy.model(input_ids=torch.tensor([[2, 1, *prefix]])).logits[0, -1]
        for token, p in enumerate((logits / temperature).softmax(-1).tolist()):
            walk((*prefix, token), mass * p)

    walk((), 1.0)
    count = 6000
    # A second, longer prompt in the batch makes the first one padded.
    rollouts = policy.sample(
        [Task("x", "21"), Task("y", "31213")],
        count,
        Sampling(max_tokens=3, temperature=temperature),
        seed=11,
    )
    seen = Counter(
        tuple(rollouts.ids[row, : int(rollouts.lengths[row])].tolist()) for row in range(count)
    )
    assert set(seen) <= set(expected)
    often = [k for k, p in expected.items() if p * count >= 5]
    rest = 1 - sum(expected[k] for k in often)
    observed = [seen[k] for k in often] + [count - sum(seen[k] for k in often)]
    predicted = [expected[k] * count for k in often] + [rest * count]
    if rest * count < 5:  # too few to be a cell of their own
        observed[-2:], predicted[-2:] = [sum(observed[-2:])], [sum(predicted[-2:])]
    assert len(observed) > 5
    assert chisquare(observed, predicted).pvalue > 1e-3
