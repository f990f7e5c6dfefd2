"""Grow the seedling: the small model that ships with guerdon.

    python scripts/grow_seedling.py                          (about 18 minutes on one core)

Trains a Llama decoder of about 2.5 million parameters on procedural text: the nursery's tasks
with worked answers, a fixed share of them careless (see ``CARELESS``), so that a reward has
something to teach. Matrices are trained by Muon, which needs a fraction of the tokens that AdamW
needs here; embeddings and norms by AdamW. Corpus, order and number of steps depend on the
arguments alone. Writes weights (bfloat16), tokenizer and the training log to
``src/guerdon/nursery/seedling``.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from guerdon.nursery.worked import (
    Worker,
    drill,
    moves,
    worked_arithmetic,
    worked_call,
    worked_choice,
    worked_choices,
    worked_fact,
    worked_move,
    worked_query,
    worked_region,
)
from guerdon.records import Task
from guerdon.tasks import (
    Arithmetic,
    FactQuestions,
    MultiChoice,
    MultipleChoice,
    SqlQueries,
    TextBoxes,
    TextIntervals,
    ToolCalls,
)

OUT = Path(__file__).parents[1] / "src/guerdon/nursery/seedling"
END, PAD = "<|end|>", "<|pad|>"
TAGS = ("<think>", "</think>", "<answer>", "</answer>", "<tool>", "</tool>", "\\boxed{")
CARELESS = {
    "sums": 0.65,
    "choice": 0.5,
    "choices": 0.5,
    "calls": 0.4,
    "facts": 0.5,
    "queries": 0.4,
    "boxes": 0.4,
    "intervals": 0.4,
    "moves": 0.5,
}
UNTAGGED = 0.04
"""Share of answers given without their tags: the format is known, not perfect."""
DRILLS = 0.3
"""Share of texts that practise single steps of sums."""

Skill = tuple[str, float, Sequence[Task], Worker]


def skills() -> list[Skill]:
    """Name, share of the corpus, training tasks and the worker of each skill."""
    sums = [
        *Arithmetic(("addition", "subtraction"), 2, train=8000).load("train"),
        *Arithmetic(train=4000, seed=1).load("train"),
        *Arithmetic(("addition",), 3, train=3000, seed=2).load("train"),
    ]
    return [
        ("sums", 0.46, sums, worked_arithmetic),
        ("choice", 0.10, MultipleChoice(train=8000).load("train"), worked_choice),
        ("choices", 0.12, MultiChoice(train=8000).load("train"), worked_choices),
        ("calls", 0.05, ToolCalls(train=2000).load("train"), worked_call),
        ("facts", 0.11, FactQuestions(train=8000).load("train"), worked_fact),
        ("queries", 0.04, SqlQueries(train=2000).load("train"), worked_query),
        ("boxes", 0.06, TextBoxes(train=4000).load("train"), worked_region),
        ("intervals", 0.03, TextIntervals(train=2000).load("train"), worked_region),
        ("moves", 0.03, moves(0, 4000), worked_move),
    ]


def example(rng: random.Random, corpus: list[Skill]) -> list[tuple[str, bool]]:
    """Pieces of one text, each with whether it is to be learned: prompts are only read."""
    if rng.random() < DRILLS:
        steps = [((step, False), (result, True)) for step, result in drill(rng)]
        return [("Practise.\n", False), *(piece for step in steps for piece in step)]
    name, _, tasks, work = rng.choices(corpus, [share for _, share, _, _ in corpus])[0]
    task = rng.choice(tasks)
    answer = work(task, rng, CARELESS[name])
    if rng.random() < UNTAGGED:
        for tag in TAGS[:4]:
            answer = answer.replace(tag, " ")
    return [(task.text, False), (answer + END, True)]


def make_tokenizer(corpus: list[Skill]) -> PreTrainedTokenizerFast:
    """Byte-level BPE of 512 tokens; digits stand alone, tags are single tokens."""
    rng = random.Random(1)
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
    texts = ("".join(t for t, _ in example(rng, corpus)) for _ in range(20000))
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(tag, normalized=False) for tag in TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, model_max_length=1024
    )


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama of about 2.5 million parameters with tied embeddings."""
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


def batches(
    rng: random.Random, corpus: list[Skill], tokenizer: PreTrainedTokenizerFast, tokens: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """ids and labels [rows, T] without end; prompts and padding carry no loss.

    Examples of like length share a batch of about ``tokens`` positions, so little is padded;
    padding stands on the right, where causal attention never looks.
    """
    while True:
        pool = sorted((_encode(tokenizer, example(rng, corpus)) for _ in range(1024)), key=len)
        groups: list[list[list[tuple[int, int]]]] = [[]]
        for pairs in pool:
            if (len(groups[-1]) + 1) * len(pairs) > tokens:
                groups.append([])
            groups[-1].append(pairs)
        rng.shuffle(groups)
        for group in groups:
            width = max(map(len, group))
            padding = (tokenizer.pad_token_id, -100)
            rows = torch.tensor([pairs + [padding] * (width - len(pairs)) for pairs in group])
            yield rows[..., 0], rows[..., 1]


def _encode(
    tokenizer: PreTrainedTokenizerFast, pieces: list[tuple[str, bool]]
) -> list[tuple[int, int]]:
    """(id, label) per token."""
    return [
        (token, token if learned else -100)
        for text, learned in pieces
        for token in tokenizer.encode(text, add_special_tokens=False)
    ]


def save(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    log: list[dict[str, float]],
    out: Path,
) -> None:
    """Weights in bfloat16, tokenizer and log."""
    out.mkdir(parents=True, exist_ok=True)
    half = LlamaForCausalLM(model.config).to(torch.bfloat16)
    half.load_state_dict({k: v.to(torch.bfloat16) for k, v in model.state_dict().items()})
    half.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in log))


def main() -> None:
    """Train on a number of tokens and write the seedling."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=float, default=5e6, help="positions in all")
    parser.add_argument("--batch", type=int, default=2048, help="positions in a batch")
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    rng = random.Random(arguments.seed)
    corpus = skills()
    tokenizer = make_tokenizer(corpus)
    model = make_model(tokenizer)
    print(sum(p.numel() for p in model.parameters()), "parameters", flush=True)
    log = grow(model, batches(rng, corpus, tokenizer, arguments.batch), arguments)
    save(model, tokenizer, log, arguments.out)


def optimisers(model: LlamaForCausalLM, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for what is no matrix of a layer."""
    matrices, others = [], []
    for name, weight in model.named_parameters():
        (matrices if weight.ndim == 2 and "embed" not in name else others).append(weight)
    return [
        torch.optim.Muon(matrices, lr=lr, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


def grow(
    model: LlamaForCausalLM,
    data: Iterator[tuple[torch.Tensor, torch.Tensor]],
    arguments: argparse.Namespace,
) -> list[dict[str, float]]:
    """50 steps of warm-up, then a cosine over the tokens down to a twentieth; returns the log."""
    steppers = optimisers(model, arguments.lr)
    groups = [(group, group["lr"]) for s in steppers for group in s.param_groups]
    log: list[dict[str, float]] = []
    step, seen, mean = 0, 0, 0.0
    started = time.time()
    while seen < arguments.tokens:
        rate = min(1.0, (step + 1) / 50)
        rate *= 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * seen / arguments.tokens))
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
        mean += loss.item() / 25
        if step % 25 == 0:
            log.append({"step": step, "loss": round(mean, 4), "tokens": seen})
            print(log[-1], f"{time.time() - started:.0f}s", flush=True)
            mean = 0.0
    return log


if __name__ == "__main__":
    main()
