"""The seedling's files, its tokenizer, and that it can do something without doing it well."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.nursery import load_seedling, seedling_path
from guerdon.parsing import answer_text
from guerdon.rollout import LanguagePolicy
from guerdon.stages import Sampling
from guerdon.tasks import Arithmetic

MODEL, TOKENIZER = load_seedling()


def test_it_is_a_small_llama_in_float32() -> None:
    assert MODEL.config.model_type == "llama"
    assert 2_000_000 < sum(p.numel() for p in MODEL.parameters()) < 5_000_000
    assert {p.dtype for p in MODEL.parameters()} == {torch.float32}
    assert MODEL.get_input_embeddings().weight is MODEL.get_output_embeddings().weight
    assert MODEL.config.vocab_size == len(TOKENIZER)
    assert MODEL.config.eos_token_id == TOKENIZER.eos_token_id


def test_it_fits_into_the_package() -> None:
    folder = seedling_path()
    assert sum(f.stat().st_size for f in folder.iterdir()) < 10_000_000
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < log[0]["loss"] / 3
    assert [e["step"] for e in log] == sorted({e["step"] for e in log})


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_text_survives_the_tokenizer(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@pytest.mark.parametrize(
    "tag", ["<think>", "</think>", "<answer>", "</answer>", "<tool>", "</tool>", "\\boxed{"]
)
def test_tags_and_digits_are_single_tokens(tag: str) -> None:
    assert len(TOKENIZER.encode(tag)) == 1
    around = TOKENIZER.encode(f"12{tag}34")
    assert len(around) == 5
    assert TOKENIZER.decode(around, skip_special_tokens=True) == f"12{tag}34"


def test_it_knows_the_form_and_half_of_the_sums() -> None:
    """Imperfect on purpose: room to learn, and something to start from."""
    tasks = Arithmetic(test=96).load("test")
    policy = LanguagePolicy(MODEL, TOKENIZER)
    with torch.no_grad():
        rollouts = policy.sample(tasks, 1, Sampling(), 0)
    answers = zip(rollouts.texts, tasks, strict=True)
    right = sum(answer_text(text) == task.answer for text, task in answers) / len(tasks)
    assert 0.1 < right < 0.8
    assert sum("<answer>" in text for text in rollouts.texts) > 0.8 * len(tasks)
    assert rollouts.finished.float().mean() > 0.9


def test_samples_of_one_task_differ() -> None:
    (task,) = Arithmetic(test=1).load("test")
    with torch.no_grad():
        rollouts = LanguagePolicy(MODEL, TOKENIZER).sample([task], 16, Sampling(), 0)
    assert len(set(rollouts.texts)) >= 3
