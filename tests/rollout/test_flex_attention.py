"""FlexAttention over a packed row, as far as a processor can show: its forward pass, its choice."""

from __future__ import annotations

import copy
import warnings

import pytest
import tiny_vision
import torch
from rollout import test_image_prompts as images
from rollout import test_shared_prefix as text
from rollout.test_shared_prefix import Float64
from torch.nn.attention.flex_attention import flex_attention
from transformers import AutoTokenizer
from transformers.integrations.flex_attention import WrappedFlexAttention

from guerdon.models import shared_attention, shared_prefix
from guerdon.models.flex_attention import offers_flex, row_blocks
from guerdon.models.packing import pack
from guerdon.nursery import seedling_path
from guerdon.rollout import LanguagePolicy

CPU = torch.device("cpu")


@pytest.fixture
def uncompiled(monkeypatch):
    """In float64, which compiling for a processor does not know; compiling takes long, besides."""
    monkeypatch.setattr(WrappedFlexAttention, "__call__", lambda _: flex_attention)


@pytest.fixture
def offered(monkeypatch, uncompiled):
    """As on a GPU, and whatever the token counts say."""
    monkeypatch.setattr(shared_prefix, "offers_flex", lambda _: True)
    monkeypatch.setattr(shared_prefix, "WORTH_IT", 0)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(seedling_path())


def test_who_sees_whom():
    """Two prompts of 2 and 1 tokens, completions of 2 and 1, worked by hand."""
    data = text.rollouts((2, 1), ((3,), (1, 2)))
    packed = pack(data, CPU)
    assert packed.positions.tolist() == [[0, 1, 0, 2, 3, 1]]
    seen = row_blocks(packed, None, False).mask_mod
    place = torch.arange(6)
    zero = torch.zeros(())
    assert seen(zero, zero, place[:, None], place[None]).long().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0],
        [1, 1, 0, 1, 0, 0],
        [1, 1, 0, 1, 1, 0],
        [0, 0, 1, 0, 0, 1],
    ]


def compare(model, data):
    """Hidden states of one row by FlexAttention and by ours, in float64."""
    packed = pack(data, CPU)
    shared_attention.install(model.get_decoder().config)
    used = []
    with pytest.MonkeyPatch.context() as patch, Float64(), torch.no_grad():
        patch.setattr(shared_attention, "flex_attend", _counted(used))
        ours = shared_prefix.packed_hidden(model, packed, data)
        assert not used
        flex = shared_prefix.packed_hidden(model, packed, data, flex=True)
    assert len(used) == 3  # layers
    torch.testing.assert_close(flex[packed.read], ours[packed.read], atol=1e-11, rtol=0)


def _counted(used):
    attend = shared_attention.flex_attend

    def counted(*args):
        used.append(1)
        return attend(*args)

    return counted


@pytest.mark.parametrize(
    "family", ["llama", "qwen2, windows", "mistral", "gemma3", "smollm3", "gpt2", "qwen3_moe"]
)
def test_the_forward_pass_is_ours(family, uncompiled):
    compare(text.build(*text.FAMILIES[family]), text.rollouts())


@pytest.mark.parametrize("kind", ["qwen2_vl", "gemma3"])
def test_with_images_too(kind, uncompiled):
    compare(tiny_vision.build(kind), images.rollouts(kind))


def test_more_than_a_block(uncompiled):
    """Blocks are of 128 tokens."""
    data = text.rollouts((150, 90), ((40, 9), (130, 7)))
    compare(text.build("llama", {"num_hidden_layers": 3}), data)


def test_it_is_for_gpus():
    assert not offers_flex(CPU)


def test_what_fails_is_left_for_sdpa_and_said_once(offered, tokenizer):
    """On a processor FlexAttention has no backward pass: the trial finds out."""
    model = text.build("llama", {})
    oracle = copy.deepcopy(model)
    policy = LanguagePolicy(model, tokenizer)
    with Float64(), pytest.warns(UserWarning, match="by SDPA, not FlexAttention: .*backward") as w:
        policy.forward(text.rollouts())
    assert len(w) == 1
    assert policy.shared_prefix.flex is False
    assert policy.shared_prefix.shares == {"prompts": True}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text.compare(policy, oracle, text.rollouts())


def test_a_model_that_cannot_share_is_said_once_even_so(offered, tokenizer):
    policy = LanguagePolicy(text.build(*text.REFUSED["mamba"]), tokenizer)
    with pytest.warns(UserWarning, match="once per completion, not once per group") as told:
        policy.forward(text.rollouts())
    assert len(told) == 1


def test_a_wrong_gradient_is_noticed(offered, tokenizer, monkeypatch):
    """A backward pass that gives something else than the forward pass asks for."""

    class Skewed(torch.autograd.Function):
        @staticmethod
        def forward(_, x):
            return x.clone()

        @staticmethod
        def backward(_, grad):
            return 1.01 * grad

    attend = shared_attention._attend

    def attended(theirs, module, query, key, value, mask, kwargs):
        skew, mask.run.flex = mask.run.flex, False
        out = attend(theirs, module, query, key, value, mask, kwargs)
        mask.run.flex = skew
        return Skewed.apply(out) if skew else out

    monkeypatch.setattr(shared_attention, "_attend", attended)
    policy = LanguagePolicy(text.build("llama", {}), tokenizer)
    with pytest.warns(UserWarning, match="not FlexAttention: the gradient differs from the plain"):
        policy.forward(text.rollouts())


def test_frozen_models_are_tried_forwards(offered, tokenizer):
    """A reference policy learns nothing, so it needs no backward pass."""
    model = text.build("llama", {}).requires_grad_(False)
    policy = LanguagePolicy(model, tokenizer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        policy.forward(text.rollouts())
    assert policy.shared_prefix.flex is True
