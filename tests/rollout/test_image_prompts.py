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

from guerdon.nursery import seedling_path
from guerdon.records import Rollouts, Task, concat_rollouts
from guerdon.rollout import LanguagePolicy, image_inputs, shared_attention, shared_prefix
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
        finished=torch.ones(len(flat), dtype=torch.bool),
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
        assert policy.shared_prefix.works(model, data)
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
