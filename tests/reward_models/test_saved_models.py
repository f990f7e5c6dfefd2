"""Reward models on disk: what is saved is what is loaded, here and by transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertModel

from guerdon.nursery import seedling_path
from guerdon.nursery.blank import blank_model
from guerdon.records import Task
from guerdon.reward_models import RewardModel, SavedRewardModel
from guerdon.rollout import LanguagePolicy
from guerdon.stages import Scorer

TASKS = [Task("a", "Compute 12+7, and tell me how.\n"), Task("b", "Why?\n")]
RESPONSES = [["19", "", "a number, I should say"], ["so"]]


def save_blank(folder: Path) -> str:
    """A small language model's folder."""
    model, tokenizer = blank_model(0, width=32, layers=1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def small(tmp_path: Path) -> RewardModel:
    return RewardModel.load(save_blank(tmp_path / "language-model"), device="cpu")


def scores(model: Scorer) -> torch.Tensor:
    with torch.no_grad():
        return model.score(TASKS, RESPONSES)


def test_what_is_saved_is_loaded(small: RewardModel, tmp_path: Path) -> None:
    small.save(tmp_path / "saved")
    assert (tmp_path / "saved" / "model.safetensors").is_file()
    again = RewardModel.load(str(tmp_path / "saved"), new_head=False)
    assert torch.equal(scores(again), scores(small))
    saved = SavedRewardModel(str(tmp_path / "saved"))
    assert isinstance(saved, Scorer)
    assert torch.equal(scores(saved), scores(small))
    assert not saved.score(TASKS, RESPONSES).requires_grad


def test_transformers_reads_it_as_a_classifier_of_one_label(
    small: RewardModel, tmp_path: Path
) -> None:
    small.save(tmp_path / "saved")
    theirs, found = AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "saved", output_loading_info=True
    )
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    assert theirs.config.num_labels == 1
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    rows = [
        task.prompt + text + tokenizer.eos_token
        for task, texts in zip(TASKS, RESPONSES, strict=True)
        for text in texts
    ]
    with torch.no_grad():
        logits = theirs(**tokenizer(rows, padding=True, return_tensors="pt")).logits
    torch.testing.assert_close(logits[:, 0], scores(small), atol=1e-5, rtol=1e-5)


def test_where_padding_is_the_end_token_transformers_refuses_and_does_not_misread(
    small: RewardModel, tmp_path: Path
) -> None:
    small.tokenizer.pad_token = small.tokenizer.eos_token
    small.save(tmp_path / "saved")
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    ids = small.tokenizer(TASKS[1].prompt + "so" + small.tokenizer.eos_token, return_tensors="pt")
    with torch.no_grad():
        assert theirs(**ids).logits.item() == pytest.approx(scores(small)[-1].item(), abs=1e-5)
        with pytest.raises(ValueError, match="no padding token"):
            theirs(input_ids=ids.input_ids.expand(2, -1))


def test_a_head_of_more_labels_is_refused(tmp_path: Path) -> None:
    folder = save_blank(tmp_path / "language-model")
    theirs = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
    theirs.save_pretrained(tmp_path / "three")
    small_tokenizer = AutoTokenizer.from_pretrained(folder)
    small_tokenizer.save_pretrained(tmp_path / "three")
    with pytest.raises(ValueError, match="a head of 3 labels"):
        RewardModel.load(str(tmp_path / "three"))


def test_a_model_that_is_no_decoder_is_refused(tmp_path: Path) -> None:
    shape = BertConfig(
        vocab_size=512,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
    )
    BertModel(shape).save_pretrained(tmp_path / "bert")
    AutoTokenizer.from_pretrained(seedling_path()).save_pretrained(tmp_path / "bert")
    with pytest.raises(ValueError, match="no linear head over a decoder"):
        RewardModel.load(str(tmp_path / "bert"))


def test_a_language_model_is_no_reward_by_itself(tmp_path: Path) -> None:
    folder = save_blank(tmp_path / "language-model")
    with pytest.raises(ValueError, match="without a head that scores"):
        SavedRewardModel(folder).score(TASKS, RESPONSES)
    with pytest.raises(ValueError, match="there is no folder"):
        RewardModel.load(str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="there is no folder runs/reward-model/model"):
        RewardModel.load("runs/reward-model/model")
    with pytest.raises(ValueError, match="dtype is 'float33'"):
        RewardModel.load(folder, dtype="float33")
    with pytest.raises(ValueError, match=r"model\.adapter is 'lore'"):
        RewardModel.load(folder, adapter="lore")


@pytest.mark.parametrize("adapter", ["lora", "dora"])
def test_an_adapter_trains_with_the_head_and_is_merged_when_loaded(
    adapter: str, tmp_path: Path
) -> None:
    model = RewardModel.load(save_blank(tmp_path / "base"), adapter=adapter, rank=2)
    learning = {n for n, p in model.module.named_parameters() if p.requires_grad}
    assert all("lora_" in n or "score" in n for n in learning)
    assert any("score" in n for n in learning)
    before = scores(model)
    with torch.no_grad():
        for name, p in model.module.named_parameters():
            if name in learning:
                p.add_(0.3)
    changed = scores(model)
    assert (changed - before).abs().min() > 1e-3
    model.save(tmp_path / "adapter")
    loaded = RewardModel.load(str(tmp_path / "adapter"), new_head=False)
    torch.testing.assert_close(scores(loaded), changed, atol=1e-4, rtol=1e-4)
    assert all(p.requires_grad for p in loaded.module.parameters())


def test_an_adapter_of_a_policy_gives_its_decoder_and_no_head(tmp_path: Path) -> None:
    policy = LanguagePolicy.load(save_blank(tmp_path / "base"), adapter="lora", rank=2)
    with torch.no_grad():
        for name, p in policy.module.named_parameters():
            if "lora_" in name:
                p.add_(0.1)
    policy.save(tmp_path / "adapter")
    model = RewardModel.load(str(tmp_path / "adapter"))
    ids = torch.tensor([[5, 9, 14, 3]])
    with torch.no_grad():
        mine, theirs = (m.get_decoder()(ids).last_hidden_state for m in (model.model, policy.model))
    torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="without a head"):
        RewardModel.load(str(tmp_path / "adapter"), new_head=False)


def test_half_precision_scores_do_not_tie(tmp_path: Path) -> None:
    model = RewardModel.load(save_blank(tmp_path / "base"), dtype="bfloat16")
    assert model.model.dtype == torch.bfloat16
    found = scores(model)
    assert found.dtype == torch.float32
    assert (found.bfloat16().float() != found).any()
    mixed = RewardModel.load(str(tmp_path / "base"), mixed_precision="bf16")
    exact = RewardModel.load(str(tmp_path / "base"))
    exact.model.load_state_dict(mixed.model.state_dict())
    torch.testing.assert_close(scores(mixed), scores(exact), atol=3e-2, rtol=3e-2)
    assert not torch.equal(scores(mixed), scores(exact))


def test_long_responses_are_cut_and_still_end(small: RewardModel) -> None:
    small.max_tokens = 4
    rows = small.encode(TASKS[:1], [["1 2 3 4 5 6 7 8 9", "1", "word " * 1_000_000]])
    end = small.tokenizer.eos_token_id
    assert rows.finished.tolist() == [False, True, False]
    # The end token and the place after it, in which nothing is read.
    assert rows.ids[0, 3:5].tolist() == [end, end]
    assert rows.lengths.tolist() == [5, 3, 5]
    with pytest.raises(ValueError, match="max_tokens is 0"):
        RewardModel(small.model, small.tokenizer, max_tokens=0)


def test_chats_and_empty_prompts(small: RewardModel) -> None:
    small.tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "
    )
    chat = Task("a", [{"role": "user", "content": "2+2?"}])
    plain = Task("b", "user: 2+2?\nassistant: ")
    with torch.no_grad():
        one, two, nothing = small.score([chat, plain, Task("c", "")], [["4"], ["4"], [""]])
    assert one.item() == pytest.approx(two.item(), abs=1e-6)
    assert torch.isfinite(nothing)
