"""Prompts with images, computed once per group, give what every row by itself gives."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from typing import Any

import pytest
import tiny_vision
import torch
from rollout.test_shared_prefix import Float64, gradients
from transformers import AutoTokenizer

from guerdon.models import image_inputs, shared_attention, shared_prefix
from guerdon.models.row_engines import CopiedRows
from guerdon.nursery import seedling_path
from guerdon.records import Rollouts, Task, concat_rollouts
from guerdon.rollout import LanguagePolicy
from guerdon.stages import Sampling

SHARING = ["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "llava", "idefics3", "smolvlm", "gemma3"]
PROMPTS = ((3, 5), (2, 1, 4), (6,), (1, 9))
"""Text around images: one, two, none and one of them."""


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(seedling_path())


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(shared_prefix, "WORTH_IT", 0)


def rollouts(kind: str, prompts=PROMPTS, lengths=((5, 9, 1), (2, 7), (6, 6, 0), (4,))) -> Rollouts:
    generator = torch.Generator().manual_seed(1)
    made = [tiny_vision.prompt(kind, pieces, generator) for pieces in prompts]
    flat = torch.tensor([n for group in lengths for n in group])
    shape = len(flat), int(flat.max())
    return Rollouts(
        tasks=tuple(Task(str(i), "") for i in range(len(prompts))),
        group=torch.tensor([g for g, group in enumerate(lengths) for _ in group]),
        prompts=tuple(ids for ids, _ in made),
        inputs=tuple(inputs for _, inputs in made),
        ids=torch.randint(3, 60, shape, generator=generator),
        mask=torch.arange(shape[1]) < flat[:, None],
        lengths=flat,
        logps=torch.zeros(shape),
        texts=("",) * len(flat),
        temperature=1.3,
    )


def by_itself(model: Any, data: Rollouts, row: int) -> torch.Tensor:
    """Log-probs [T] of one row: the model's own forward pass over it alone."""
    group, length = int(data.group[row]), int(data.lengths[row])
    prompt, inputs = data.prompts[group], dict(data.inputs[group])
    ids = torch.cat([prompt, data.ids[row, :length]])
    for name in [n for n in inputs if n.endswith("token_type_ids")]:
        inputs[name] = torch.nn.functional.pad(inputs[name], (0, length))
    logits = model(input_ids=ids[None], use_cache=False, **inputs).logits[0] / data.temperature
    logp = logits.log_softmax(-1)[len(prompt) - 1 : len(ids) - 1]
    taken = logp.gather(1, ids[len(prompt) :, None])[:, 0]
    return torch.nn.functional.pad(taken, (0, data.ids.shape[1] - length))


def compare(policy: LanguagePolicy, oracle: Any, data: Rollouts) -> None:
    weight = torch.randn(
        data.ids.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5)
    )
    policy.module.zero_grad()
    oracle.zero_grad()
    with Float64():
        mine = policy.forward(data).logps
        (weight * mine).sum().backward()
        theirs = torch.stack([by_itself(oracle, data, row) for row in range(len(data))])
        (weight * theirs).sum().backward()
    torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=0)
    mine, theirs = gradients(policy.model), gradients(oracle)
    assert mine.keys() == theirs.keys()
    assert any("vis" in name and g.abs().max() > 1e-3 for name, g in mine.items())
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize("kind", SHARING)
def test_equals_every_row_by_itself_and_sees_each_image_once(
    kind, merged, tokenizer, always, monkeypatch
):
    if not merged:
        monkeypatch.setattr(shared_attention, "_fits", lambda *_: False)
    model = tiny_vision.build(kind)
    policy, data = LanguagePolicy(model, tokenizer), rollouts(kind)
    oracle = copy.deepcopy(model)
    with warnings.catch_warnings(), Float64():
        warnings.simplefilter("error")
        policy.forward(data)  # tries the model, once
    assert policy.shared_prefix.shares == {"prompts with images": True}
    shown: list[int] = []
    inner = image_inputs.whole(model)
    features = inner.get_image_features

    def watched(*args, **kwargs):
        shown.append((args[0] if args else kwargs["pixel_values"]).numel())
        return features(*args, **kwargs)

    monkeypatch.setattr(inner, "get_image_features", watched)
    compare(policy, oracle, data)
    sizes = sum(i["pixel_values"].numel() for i in data.inputs if i)
    padding = 3 * 16 * 16 * 2 if kind in ("idefics3", "smolvlm") else 0  # to two images each
    assert shown == [sizes + padding]


@pytest.mark.parametrize("kind", ["qwen2_vl", "gemma3", "idefics3"])
def test_the_plain_path_is_right_too(kind, tokenizer):
    model = tiny_vision.build(kind)
    oracle = copy.deepcopy(model)
    compare(LanguagePolicy(model, tokenizer, shared_prefix=False), oracle, rollouts(kind))


@pytest.mark.parametrize("kind", ["qwen2_vl", "idefics3"])
def test_prompts_of_text_are_the_decoders_alone(kind, tokenizer, always):
    """Also after prompts with images, whose positions a model may remember."""
    model = tiny_vision.build(kind)
    policy, oracle, data = LanguagePolicy(model, tokenizer), copy.deepcopy(model), rollouts(kind)
    text = rollouts(kind, prompts=((4,), (9,), (6,), (2,)))
    assert not any(text.inputs)
    with Float64(), torch.no_grad():
        policy.forward(data)
        mine = policy.forward(replace(text, inputs=None)).logps
        right = torch.stack([by_itself(oracle, text, row) for row in range(len(text))])
    torch.testing.assert_close(mine, right, atol=1e-9, rtol=0)
    assert policy.shared_prefix.shares == {"prompts with images": True, "prompts": True}


def test_adapters(tokenizer, always):
    peft = pytest.importorskip("peft")
    settings = peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    torch.manual_seed(1)
    model = peft.get_peft_model(tiny_vision.build("qwen2_vl"), settings)
    oracle = copy.deepcopy(model)
    policy = LanguagePolicy(model, tokenizer)
    compare(policy, oracle, rollouts("qwen2_vl"))
    assert policy.shared_prefix.shares == {"prompts with images": True}


def test_gradient_checkpointing_changes_nothing(tokenizer, always):
    model = tiny_vision.build("qwen2_vl").float()
    policy, found = LanguagePolicy(model, tokenizer), []
    data = rollouts("qwen2_vl")
    data = replace(
        data,
        inputs=tuple(
            {k: v.float() if v.is_floating_point() else v for k, v in i.items()}
            for i in data.inputs
        ),
    )
    for checkpointed in (False, True):
        if checkpointed:
            model.gradient_checkpointing_enable()
            model.train()
        policy.module.zero_grad()
        policy.forward(data).logps.sum().backward()
        found.append(gradients(model))
    assert found[0].keys() == found[1].keys()
    for name in found[0]:
        torch.testing.assert_close(found[0][name], found[1][name], atol=1e-5, rtol=1e-4)


def test_a_model_that_cannot_share_says_so_once_and_is_right(tokenizer, always):
    model = tiny_vision.build("llava, convolutions")
    oracle, attention = copy.deepcopy(model), model.get_decoder().config._attn_implementation
    policy, data = LanguagePolicy(model, tokenizer), rollouts("llava, convolutions")
    with Float64(), pytest.warns(UserWarning, match="prompts with images once per compl") as told:
        policy.forward(data)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(policy, oracle, data)
    assert model.get_decoder().config._attn_implementation == attention


@pytest.mark.parametrize("shared", [True, False])
def test_a_model_whose_completions_see_what_comes_later_is_refused(shared, tokenizer):
    policy = LanguagePolicy(tiny_vision.build("paligemma"), tokenizer, shared_prefix=shared)
    with pytest.raises(ValueError, match="PaliGemmaForConditionalGeneration lets tokens see later"):
        policy.forward(rollouts("paligemma"))


def test_a_mask_that_forgets_the_images_is_noticed(tokenizer, always, monkeypatch):
    """Gemma 3 lets an image's tokens see each other; asked of the wrong group, they do not."""
    right = shared_attention.sharing
    monkeypatch.setattr(shared_prefix, "sharing", lambda packed, *_: right(packed, False))
    policy = LanguagePolicy(tiny_vision.build("gemma3"), tokenizer)
    with pytest.warns(UserWarning, match="differs from the plain one by"):
        policy.forward(rollouts("gemma3"))


def test_text_is_shared_where_images_are_not(tokenizer, always, monkeypatch):
    policy = LanguagePolicy(tiny_vision.build("gemma3"), tokenizer)
    data = rollouts("gemma3")
    text = replace(data, inputs=None, prompts=tuple(p[p < 60] for p in data.prompts))
    policy.forward(text)
    right = shared_attention.sharing
    monkeypatch.setattr(shared_prefix, "sharing", lambda packed, *_: right(packed, False))
    with pytest.warns(UserWarning, match="prompts with images"):
        policy.forward(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        policy.forward(text)
    assert policy.shared_prefix.shares == {"prompts": True, "prompts with images": False}


def continued(model: Any, data: Rollouts, row: int) -> torch.Tensor:
    """Log-probs [T] of a row from the prompt's cache, as the model itself would write it."""
    group, length = int(data.group[row]), int(data.lengths[row])
    prompt, ids = data.prompts[group], data.ids[row, :length]
    read = model(input_ids=prompt[None], use_cache=True, **data.inputs[group])
    written = model(input_ids=ids[None], past_key_values=read.past_key_values, use_cache=True)
    logits = torch.cat([read.logits[0, -1:], written.logits[0, :-1]]) / data.temperature
    return logits.log_softmax(-1).gather(1, ids[:, None])[:, 0]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("kind", ["qwen2_vl", "llava", "gemma3"])
def test_an_images_token_that_was_written_is_no_image(kind, shared, tokenizer, always):
    model = tiny_vision.build(kind)
    oracle = copy.deepcopy(model)
    policy, data = LanguagePolicy(model, tokenizer, shared_prefix=shared), rollouts(kind)
    ids = data.ids.clone()
    ids[0, 1], ids[3, 0] = tiny_vision.IMAGE, tiny_vision.IMAGE
    data = replace(data, ids=ids)
    with Float64(), torch.no_grad():
        mine = policy.forward(data).logps
        for row in (0, 1, 3):
            right = continued(oracle, data, row)
            torch.testing.assert_close(mine[row, : len(right)], right, atol=1e-9, rtol=0)


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("kind", SHARING)
def test_sampling_and_training_agree(kind, copied, tokenizer, always, monkeypatch):
    if copied:
        monkeypatch.setattr("guerdon.rollout.decoding.row_engine", CopiedRows)
    policy, data = LanguagePolicy(tiny_vision.build(kind), tokenizer), rollouts(kind)
    fan, keys = [0, 0, 0, 1, 1, 2, 3], list(range(7))
    made = policy.generate(
        data.prompts, keys, Sampling(max_tokens=9), 0, fan=fan, inputs=data.inputs
    )
    again = policy.generate(
        data.prompts, keys, Sampling(max_tokens=9, max_rows=3), 0, fan=fan, inputs=data.inputs
    )
    sampled = replace(
        data,
        group=torch.tensor(fan),
        ids=made.ids,
        lengths=made.lengths,
        mask=torch.arange(made.ids.shape[1]) < made.lengths[:, None],
        logps=made.logps,
        texts=("",) * 7,
        endings=made.endings,
        temperature=1.0,
    )
    with torch.no_grad():
        trained = policy.forward(sampled).logps
    assert torch.equal(made.ids, again.ids)
    torch.testing.assert_close(trained.float(), made.logps.float(), atol=1e-4, rtol=0)


def test_rollouts_keep_inputs_with_their_groups():
    data = rollouts("qwen2_vl")
    some = data.select(torch.tensor([3, 8]))
    assert [i is j for i, j in zip(some.inputs, data.inputs[1::2], strict=True)] == [True, True]
    text = data.select(torch.tensor([5, 6]))
    assert text.inputs is None
    both = concat_rollouts([text, some])
    assert [bool(i) for i in both.inputs] == [False, True, True]
    with pytest.raises(ValueError, match=r"Rollouts.inputs has 1 entries for 4 tasks"):
        replace(data, inputs=({},))
