"""Grow a seedling: a small language model, made from its corpus in minutes on a processor.

Matrices are trained by Muon, which needs a fraction of the tokens that AdamW needs here, the
embedding and the norms by AdamW. Initialisation, corpus and order come from the seed. The
tokenizer is the same for all, so that seedlings differ in what they learned and not in how they
read.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from guerdon.models.sources import ModelError
from guerdon.nursery.corpus import END, TAGS, Piece, example, skills
from guerdon.ranges import Positive, PositiveInt, Seed, check_ranges

PAD = "<|pad|>"
READ_BY_TOKENIZER = 20_000
EVERY = 25
"""Steps between two lines of the log."""


@dataclass(frozen=True)
class Growth:
    """How a seedling is grown. The same settings give the same corpus, order and steps."""

    seed: Seed = 0
    """What weights, tasks and order are drawn from."""
    positions: PositiveInt = 5_000_000
    """Tokens in all, with those that are only read and padding."""
    batch: PositiveInt = 2048
    """Positions of a step."""
    lr: Positive = 5e-3
    """Muon's highest learning rate."""

    def __post_init__(self) -> None:
        check_ranges(self)


Log = list[dict[str, float]]


def grow(growth: Growth, folder: Path, report: Callable[[float], None]) -> None:
    """Train a seedling and write it to ``folder``: weights (bfloat16), tokenizer and log.

    ``report`` is told the share that is done. Raises ModelError where torch has no Muon.
    """
    if not hasattr(torch.optim, "Muon"):
        raise ModelError(
            f"torch {torch.__version__} has no Muon; install torch 2.9 or later to grow seedlings"
        )
    tokenizer = make_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(growth.seed)
        model = make_model(tokenizer)
    log = _train(model, batches(growth, tokenizer), growth, report)
    folder.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in log))


def make_tokenizer() -> Any:
    """Byte-level BPE of 512 tokens; digits stand alone, tags are single tokens."""
    rng = random.Random(1)
    corpus = skills(0)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512 - len(TAGS),
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = ("".join(text for text, _ in example(rng, corpus)) for _ in range(READ_BY_TOKENIZER))
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(tag, normalized=False) for tag in TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, model_max_length=1024
    )


def make_model(tokenizer: Any) -> Any:
    """A Llama of about 2.5 million parameters with tied embeddings, weights drawn by torch."""
    return LlamaForCausalLM(
        LlamaConfig(
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=6,
            num_attention_heads=6,
            num_key_value_heads=3,
            vocab_size=len(tokenizer),
            tie_word_embeddings=True,
            max_position_embeddings=1024,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )


def batches(growth: Growth, tokenizer: Any) -> Iterator[tuple[Tensor, Tensor]]:
    """ids and labels int64[rows, T] of the texts in their order, without end.

    Texts of like length share a batch, so little is padded; padding stands on the right, where
    causal attention never looks. Labels are -100 where nothing is to be learned.
    """
    rng = random.Random(growth.seed)
    corpus = skills(growth.seed)
    while True:
        pool = sorted((_encode(tokenizer, example(rng, corpus)) for _ in range(1024)), key=len)
        groups: list[list[list[tuple[int, int]]]] = [[]]
        for pairs in pool:
            if (len(groups[-1]) + 1) * len(pairs) > growth.batch:
                groups.append([])
            groups[-1].append(pairs)
        rng.shuffle(groups)
        for group in groups:
            width = max(map(len, group))
            padding = (tokenizer.pad_token_id, -100)
            rows = torch.tensor([pairs + [padding] * (width - len(pairs)) for pairs in group])
            yield rows[..., 0], rows[..., 1]


def _encode(tokenizer: Any, pieces: list[Piece]) -> list[tuple[int, int]]:
    """(id, label) per token of one text."""
    return [
        (token, token if learned else -100)
        for text, learned in pieces
        for token in tokenizer.encode(text, add_special_tokens=False)
    ]


def _optimisers(model: Any, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for what is no matrix of a layer."""
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for name, weight in model.named_parameters():
        (matrices if weight.ndim == 2 and "embed" not in name else others).append(weight)
    return [
        torch.optim.Muon(matrices, lr=lr, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


def _train(
    model: Any,
    data: Iterator[tuple[Tensor, Tensor]],
    growth: Growth,
    report: Callable[[float], None],
) -> Log:
    """50 steps of warm-up, then a cosine over the positions to a twentieth; returns the log."""
    steppers = _optimisers(model, growth.lr)
    groups = [(group, group["lr"]) for s in steppers for group in s.param_groups]
    log: Log = []
    step, seen, mean = 0, 0, 0.0
    while seen < growth.positions:
        done = seen / growth.positions
        rate = min(1.0, (step + 1) / 50) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done)))
        for group, base in groups:
            group["lr"] = base * rate
        ids, labels = next(data)
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
        target = labels[:, 1:]
        loss = torch.nn.functional.cross_entropy(logits[target >= 0], target[target >= 0])
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for stepper in steppers:
            stepper.step()
        step, seen = step + 1, seen + ids.numel()
        mean += loss.item() / EVERY
        if step % EVERY == 0:
            log.append({"step": step, "loss": round(mean, 4), "tokens": seen})
            mean = 0.0
        report(min(seen / growth.positions, 1.0))
    return log
