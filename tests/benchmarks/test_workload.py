"""Both sides' work: exact lengths, the same weights, and a count of operations by hand."""

import pytest
import torch
from workload import END, SIZES, Workload, make_model, make_prompts, make_tokenizer, sevens

from guerdon.records import Task
from guerdon.rollout import LanguagePolicy
from guerdon.stages import Sampling


@pytest.mark.parametrize("tokens", [1, 6, 130])
def test_prompts_have_exactly_the_length_asked_for(tokens):
    tokenizer = make_tokenizer()
    prompts = make_prompts(Workload(prompt_tokens=tokens), count=5)
    assert len(prompts) == 5
    assert all(len(tokenizer.encode(text)) == tokens for text in prompts)
    assert tokenizer.unk_token_id is None or all(
        tokenizer.unk_token_id not in tokenizer.encode(text) for text in prompts
    )


def test_the_same_seed_makes_the_same_weights():
    one, two, other = (make_model(Workload(seed=seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(*(w["model.embed_tokens.weight"] for w in (one, other)))


@pytest.mark.parametrize(("name", "least", "most"), [("2M", 1.9e6, 2.3e6), ("25M", 24e6, 27e6)])
def test_models_are_as_large_as_they_are_called(name, least, most):
    parameters = sum(p.numel() for p in make_model(Workload(model=name)).parameters())
    assert least < parameters < most


def test_no_completion_can_end_before_its_limit():
    policy = LanguagePolicy(make_model(Workload()), make_tokenizer())
    assert policy.tokenizer.eos_token_id == END
    assert policy.model.get_output_embeddings().weight.shape[0] == END
    made = policy.sample([Task("a", "w3 w4")], 4, Sampling(max_tokens=9), seed=0)
    assert made.lengths.tolist() == [9] * 4


def test_operations_by_hand():
    """One prompt of 2 tokens, 2 completions of 3: 2 + 2 * 2 tokens go through the decoder.

    Prompt token 1 attends to 1, token 2 to 2; completion tokens 1 and 2 to 3 and 4, twice:
    3 + 14 = 17 pairs. A layer of 2M has 192 * (192 + 96 + 96 + 192) attention weights and
    3 * 192 * 512 more. In the last of 5 the prompt's first token needs its keys and values
    alone: 192 * (192 + 192) + 3 * 192 * 512 weights and 1 pair fewer.
    """
    work = Workload(prompt_tokens=2, completion_tokens=3, prompts=1, group_size=2)
    layer = 192 * 576 + 3 * 192 * 512
    expected = 2 * 5 * layer * 6 + 2 * 192 * 511 * 6 + 4 * 5 * 192 * 17
    expected -= 2 * (192 * 384 + 3 * 192 * 512) + 4 * 192
    assert work.forward_flops() == expected
    assert work.step_flops() == 4 * expected


@pytest.mark.parametrize("model", SIZES)
def test_weights_counted_are_the_models_matrices(model):
    """What one more prompt costs, less attention, is twice the decoder's matrices per token."""
    one, two = (Workload(model, 1, 1, prompts, 1) for prompts in (1, 2))
    size = SIZES[model]
    made = make_model(one)
    matrices = sum(p.numel() for n, p in made.named_parameters() if p.dim() == 2)
    assert two.forward_flops() - one.forward_flops() == (
        2 * matrices + 4 * size.layers * size.hidden
    )


def test_one_token_with_nothing_before_it():
    work = Workload(prompt_tokens=1, completion_tokens=1, prompts=1, group_size=1)
    layer = 192 * 576 + 3 * 192 * 512
    assert work.forward_flops() == 2 * 5 * layer + 2 * 192 * 511 + 4 * 5 * 192


@pytest.mark.parametrize(
    ("prompt", "rows_at_once"),
    [(6, 64), (512, 64), (2048, 16), (50_000, 1)],
)
def test_microbatches_divide_the_batch_and_fit(prompt, rows_at_once):
    work = Workload(prompt_tokens=prompt)
    assert work.microbatch == rows_at_once


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"model": "7B"}, "no model '7B'"), ({"group_size": 0}, "group_size is 0")],
)
def test_wrong_sizes_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Workload(**settings)


def test_reward_is_sevens_per_word():
    assert sevens("w7 w77 w1 w70") == 1.0
    assert sevens("w1 w2") == 0.0
    assert sevens("") == 0.0
