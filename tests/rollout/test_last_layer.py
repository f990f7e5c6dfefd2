"""In the last layer only what is read is computed; what is read stays the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from guerdon.models.last_layer import reading

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2},
    "gemma2": {"num_key_value_heads": 2, "head_dim": 8},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
    "qwen3_moe": {
        "num_key_value_heads": 2,
        "num_experts": 4,
        "num_experts_per_tok": 4,  # a softmax in single precision must not decide who is asked
        "moe_intermediate_size": 16,
        "experts_implementation": "eager",
    },
}


def make(family: str) -> Any:
    config = AutoConfig.for_model(
        family,
        vocab_size=32,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        pad_token_id=0,
        **FAMILIES[family],
    )
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float64).eval().get_decoder()


def last_part(decoder: Any) -> torch.nn.Module:
    layers = decoder.h if hasattr(decoder, "h") else decoder.layers
    part: torch.nn.Module = layers[-1].mlp
    return part


@pytest.mark.parametrize("family", FAMILIES)
def test_columns_that_are_read_are_those_of_the_whole_computation(family):
    decoder = make(family)
    ids, at = torch.randint(32, (3, 7)), torch.tensor([2, 6])
    whole = decoder(input_ids=ids, use_cache=False).last_hidden_state[:, at]
    with reading(decoder, at):
        read = decoder(input_ids=ids, use_cache=False).last_hidden_state[:, at]
    torch.testing.assert_close(read, whole, rtol=0, atol=1e-12)
    wanted = torch.autograd.grad(whole.square().sum(), list(decoder.parameters()))
    found = torch.autograd.grad(read.square().sum(), list(decoder.parameters()))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_feed_forward_part_gets_these_columns_and_afterwards_all(family):
    decoder, tokens = make(family), []
    first = {"gpt2": "c_fc", "qwen3_moe": "gate"}.get(family, "up_proj")
    getattr(last_part(decoder), first).register_forward_pre_hook(
        lambda _, given: tokens.append(given[0].flatten(0, -2).shape[0])
    )
    ids = torch.randint(32, (3, 7))
    with reading(decoder, torch.tensor([2, 6])):
        decoder(input_ids=ids, use_cache=False)
    decoder(input_ids=ids, use_cache=False)
    assert tokens == [3 * 2, 3 * 7]


def test_layers_that_are_computed_again_are_left_whole():
    decoder = make("llama").train()
    decoder.gradient_checkpointing_enable()
    ids, at = torch.randint(32, (3, 7)), torch.tensor([2, 6])
    with reading(decoder, at):
        hidden = decoder(input_ids=ids, use_cache=False).last_hidden_state[:, at]
    hidden.sum().backward()  # computes the layers again, outside
    plain = decoder(input_ids=ids, use_cache=False).last_hidden_state[:, at]
    torch.testing.assert_close(hidden, plain)


def test_a_fault_inside_leaves_no_hooks():
    decoder = make("llama")
    with pytest.raises(KeyError), reading(decoder, torch.tensor([0])):
        raise KeyError
    part = last_part(decoder)
    assert not part._forward_hooks
    assert not part._forward_pre_hooks


def test_models_of_another_build_are_left_as_they_are():
    decoder = torch.nn.Sequential(torch.nn.Linear(2, 2))
    with reading(decoder, torch.tensor([0])):
        assert decoder(torch.ones(1, 3, 2)).shape == (1, 3, 2)
