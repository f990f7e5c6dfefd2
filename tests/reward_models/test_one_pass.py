"""Scores of all responses to a prompt, from one pass, are those of every row by itself."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from making import SMALL_DECODER
from rollout.test_shared_prefix import FAMILIES, NO_DROPOUT, REFUSED, Float64, gradients
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from guerdon.models import shared_attention, shared_prefix
from guerdon.nursery import seedling_path
from guerdon.records import Task
from guerdon.reward_models import RewardModel

TASKS = [Task("a", "Compute 12+7, please, and tell me how.\n"), Task("b", "?"), Task("c", "Hm.\n")]
RESPONSES = [["19", "", "a number, I should say", "12+7=19"], ["x"], ["no", "yes, or not"]]
"""Groups of four, one and two, ragged, with an empty response."""


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Share prompts whatever the token counts say."""
    monkeypatch.setattr(shared_prefix, "WORTH_IT", 0)


def build(kind: str, more: dict[str, Any], folder: Path) -> RewardModel:
    """A reward model with a new head, of a saved language model of this family."""
    settings = {**SMALL_DECODER, **NO_DROPOUT, "n_positions": 128, "vocab_size": 512, **more}
    how = {k: settings.pop(k) for k in [*settings] if k.endswith("_implementation")}
    settings |= {k: 128 for k in ("n_positions", "max_position_embeddings") if k in settings}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **settings), **how)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(seedling_path()).save_pretrained(folder)
    made = RewardModel.load(str(folder), dtype="float64", device="cpu")
    if "attn_implementation" in how:
        made.model.set_attn_implementation(how["attn_implementation"])
    if "experts_implementation" in how:
        made.model.set_experts_implementation(how["experts_implementation"])
    torch.nn.init.normal_(made.model.score.weight)
    return made


def alone(model: Any, scorer: RewardModel) -> torch.Tensor:
    """float[N]: the head's word on the last of each row's hidden states, one row at a time."""
    found = []
    for task, texts in zip(TASKS, RESPONSES, strict=True):
        for text in texts:
            tokens = scorer.tokenizer(task.prompt + text).input_ids
            ids = torch.tensor([[*tokens, scorer.tokenizer.eos_token_id]])
            hidden = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
            found.append(model.score(hidden[0, -1])[0])
    return torch.stack(found)


def compare(scorer: RewardModel, oracle: Any) -> None:
    """Values and every gradient of a random function of them, to 1e-9."""
    weight = torch.randn(7, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    with Float64():
        mine, theirs = scorer.score(TASKS, RESPONSES), alone(oracle, scorer)
        (weight * mine).sum().backward()
        (weight * theirs).sum().backward()
    torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=1e-9)
    assert mine.std() > 1e-2
    got, expected = gradients(scorer.model), gradients(oracle)
    assert got.keys() == expected.keys()
    for name in got:
        torch.testing.assert_close(got[name], expected[name], atol=1e-9, rtol=1e-9)
    assert any(g.abs().max() > 1e-3 for g in got.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_every_row_by_itself_in_float64(family: str, tmp_path: Path, always: None) -> None:
    scorer = build(*FAMILIES[family], tmp_path)
    oracle = copy.deepcopy(scorer.model)
    with warnings.catch_warnings(), Float64():
        warnings.simplefilter("error")
        assert scorer.shared_prefix.works(scorer.model)
    compare(scorer, oracle)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_the_attention_for_other_devices_is_equal_too(
    family: str, tmp_path: Path, always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_attention, "_fits", lambda *_: False)
    scorer = build(*FAMILIES[family], tmp_path)
    compare(scorer, copy.deepcopy(scorer.model))


def test_an_adapter_is_equal_too(tmp_path: Path, always: None) -> None:
    build(*FAMILIES["llama"], tmp_path)
    scorer = RewardModel.load(str(tmp_path), dtype="float64", device="cpu", adapter="lora", rank=2)
    with torch.no_grad():
        for name, p in scorer.module.named_parameters():
            if "lora_B" in name:  # zeros at first
                p.normal_(std=0.1)
    compare(scorer, copy.deepcopy(scorer.model))


@pytest.mark.parametrize("family", REFUSED)
def test_what_cannot_be_shared_is_said_once_and_scored_plainly(
    family: str, tmp_path: Path, always: None
) -> None:
    scorer = build(*REFUSED[family], tmp_path)
    oracle = copy.deepcopy(scorer.model)
    with pytest.warns(UserWarning, match="prompts once per completion, not once per") as told:
        scorer.score(TASKS, RESPONSES)
    assert len([w for w in told if "once per completion" in str(w.message)]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(scorer, oracle)


def test_one_pass_computes_a_prompt_once(tmp_path: Path) -> None:
    scorer = build(*FAMILIES["llama"], tmp_path)
    scorer.score(TASKS, RESPONSES)  # the first use also tries it
    seen = []
    embed = scorer.model.get_input_embeddings()
    embed.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].numel()))
    responses = [["one", "two", "three", "four"]]
    scorer.score(TASKS[:1], responses)
    count = lambda text: len(scorer.tokenizer(text).input_ids)  # noqa: E731
    assert seen == [count(TASKS[0].prompt) + sum(count(r) + 1 for r in responses[0])]


def test_tokens_have_scores_of_which_the_last_is_the_response_s(
    tmp_path: Path, always: None
) -> None:
    scorer = build(*FAMILIES["llama"], tmp_path)
    with torch.no_grad():
        values = scorer.score(TASKS, RESPONSES)
        rows = scorer.score_tokens(TASKS, RESPONSES)
        prefix = scorer.tokenizer(TASKS[0].prompt + "19").input_ids
        hidden = scorer.model.get_decoder()(torch.tensor([prefix])).last_hidden_state
        expected = scorer.model.score(hidden)[0, -2:, 0]
    texts = [text for some in RESPONSES for text in some]
    assert [len(r) for r in rows] == [len(scorer.tokenizer(t).input_ids) + 1 for t in texts]
    torch.testing.assert_close(torch.stack([r[-1] for r in rows]), values)
    torch.testing.assert_close(rows[0][:-1], expected, atol=1e-6, rtol=1e-6)


def test_rows_in_any_order_and_selection(tmp_path: Path, always: None) -> None:
    scorer = build(*FAMILIES["llama"], tmp_path)
    rows = scorer.encode(TASKS, RESPONSES)
    order = torch.tensor([5, 2, 0, 3])
    with torch.no_grad():
        whole = scorer.forward(rows)
        torch.testing.assert_close(scorer.forward(rows.select(order)), whole[order])
    assert scorer.score([], []).shape == (0,)
    assert scorer.score(TASKS[:1], [[]]).shape == (0,)
