"""What an adapter makes of a weight: nothing at first, and its rows' lengths kept by DoRA."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from making import SMALL_DECODER
from transformers import LlamaConfig, LlamaForCausalLM

from guerdon.models.adapters import ADAPTERS, with_adapter

pytest.importorskip("peft")

NAME = "model.layers.0.mlp.gate_proj"


def adapted(adapter: str, rank: int) -> tuple[torch.Tensor, Any]:
    """A layer's weight, and the layer under a new adapter."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SMALL_DECODER))
    before = model.get_submodule(NAME).weight.detach().clone()
    return before, with_adapter(model, adapter, rank).base_model.model.get_submodule(NAME)


def merged(layer: Any) -> torch.Tensor:
    """The one dense matrix that the adapter comes to."""
    layer.merge()
    weight: torch.Tensor = layer.get_base_layer().weight.detach().clone()
    layer.unmerge()
    return weight


@pytest.mark.parametrize("rank", [1, 4, 64])
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_new_adapter_is_the_weight_itself(adapter: str, rank: int) -> None:
    before, layer = adapted(adapter, rank)
    assert (merged(layer) - before).abs().max() <= 1e-6
    root = "rs" in adapter
    assert layer.scaling["default"] == pytest.approx(2 * (math.sqrt(rank) if root else 1))


@pytest.mark.parametrize("adapter", [name for name, more in ADAPTERS.items() if "use_dora" in more])
def test_rows_keep_the_length_of_their_magnitude(adapter: str) -> None:
    before, layer = adapted(adapter, 4)
    with torch.no_grad():
        for weight in (layer.lora_A["default"].weight, layer.lora_B["default"].weight):
            weight.normal_()
    magnitude = layer.lora_magnitude_vector["default"].weight.detach()
    made = merged(layer)
    assert (made - before).abs().max() > 0.1
    torch.testing.assert_close(made.norm(dim=1), magnitude)
    torch.testing.assert_close(magnitude, before.norm(dim=1))
    with torch.no_grad():
        layer.lora_magnitude_vector["default"].weight.mul_(2)
    torch.testing.assert_close(merged(layer).norm(dim=1), 2 * before.norm(dim=1))
