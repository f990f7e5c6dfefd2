"""Sampling against a copied cache and against `generate` of transformers.

Processor time of one thread, so that other programs on the machine disturb little. Each cell is
the median time of a step (choosing tokens and one forward) for all rows; the arms take turns.
``--whole`` times whole calls instead: a batch of tasks, and many rows of ragged lengths of which
few may run at a time.

Run: python benchmarks/sampling.py [--whole] [--size 25] [--prompts 16 128 512 2048] [--groups 8 16]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LogitsProcessor

from guerdon.models.row_engines import CopiedRows, RowEngine, SharedRows
from guerdon.records import Task
from guerdon.rollout import LanguagePolicy
from guerdon.rollout.drawing import choose
from guerdon.stages import Sampling

STEPS, ROUNDS = 12, 3


def model_of(size: int) -> Any:
    """The seedling (2.2 M parameters), or an untrained decoder of about 25 M."""
    if size == 2:
        return LanguagePolicy.load("seedling").model
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=8192,
        hidden_size=448,
        intermediate_size=1216,
        num_hidden_layers=9,
        num_attention_heads=7,
        num_key_value_heads=7,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    return AutoModelForCausalLM.from_config(config).eval()


def engine_steps(engine: RowEngine, contexts: Sequence[torch.Tensor], group: int) -> list[float]:
    """Milliseconds of each step."""
    rows = torch.arange(len(contexts)).repeat_interleave(group)
    uniform = torch.rand(STEPS, len(rows), dtype=torch.float64)
    times = []
    with torch.inference_mode():
        logits = engine.admit(contexts, rows)
        for step in range(STEPS):
            start = time.process_time()
            token, _ = choose(logits, uniform[step], Sampling())
            logits = engine.step(token)
            times.append(1e3 * (time.process_time() - start))
    return times


class Clock(LogitsProcessor):  # type: ignore[misc]  # untyped in transformers
    """Notes when `generate` is about to choose."""

    def __init__(self) -> None:
        self.ticks: list[float] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.ticks.append(1e3 * time.process_time())
        return scores


def generate_steps(model: Any, contexts: Sequence[torch.Tensor], group: int) -> list[float]:
    """Milliseconds between one choice of `generate` and the next."""
    clock = Clock()
    with torch.inference_mode():
        model.generate(
            torch.stack(list(contexts)),
            attention_mask=torch.ones(len(contexts), len(contexts[0]), dtype=torch.long),
            do_sample=True,
            top_k=0,
            num_return_sequences=group,
            min_new_tokens=STEPS,
            max_new_tokens=STEPS,
            logits_processor=[clock],
        )
    return [b - a for a, b in zip(clock.ticks, clock.ticks[1:], strict=False)]


def table(args: argparse.Namespace) -> None:
    model = model_of(args.size)
    million = sum(p.numel() for p in model.parameters()) / 1e6
    print(f"{million:.1f} M parameters; ms per step, median of {STEPS}x{ROUNDS} steps")
    print("prompt  rows   shared   copied  generate  copied/shared  generate/shared")
    for length in args.prompts:
        contexts = list(torch.randint(2, 500, (args.contexts, length)))
        for group in args.groups:
            shared, copied, theirs = [], [], []
            for turn in range(ROUNDS):
                shared += engine_steps(SharedRows(model, 0), contexts, group)
                copied += engine_steps(CopiedRows(model, 0), contexts, group)
                # Its prefill reads every copy of a prompt, which takes long: one turn is enough.
                if turn == 0 and length * group * args.contexts <= args.generate_up_to:
                    theirs += generate_steps(model, contexts, group)
            a, b = statistics.median(shared), statistics.median(copied)
            c = statistics.median(theirs) if theirs else float("nan")
            print(
                f"{length:6} {group * args.contexts:5} {a:8.1f} {b:8.1f} {c:9.1f} "
                f"{b / a:14.2f} {c / a:16.2f}",
                flush=True,
            )


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


class OneBatchAfterTheOther(SharedRows):
    refills = False


def whole() -> None:
    """Whole calls on the seedling, whose completions end at different lengths."""
    policy = LanguagePolicy.load("seedling")
    tasks = [Task(str(i), f"Compute {11 + 7 * i}+{3 * i}.\n") for i in range(8)]
    policy.tokenizer.padding_side = "left"
    batch = policy.tokenizer([t.text for t in tasks], return_tensors="pt", padding=True)

    def generate() -> None:
        with torch.inference_mode():
            policy.model.generate(
                **{k: batch[k] for k in ("input_ids", "attention_mask")},
                do_sample=True,
                top_k=0,
                num_return_sequences=8,
                max_new_tokens=32,
                output_logits=True,
                return_dict_in_generate=True,
            )

    def sample(engine: Any, sampling: Sampling) -> Callable[[], object]:
        def call() -> object:
            with patch("guerdon.rollout.decoding.row_engine", engine):
                return policy.sample(tasks, 8, sampling, seed=0)

        return call

    short, bounded = Sampling(max_tokens=32), Sampling(max_tokens=96, temperature=1.3, max_rows=16)
    arms = {
        "64 rows of up to 32 tokens, shared": sample(SharedRows, short),
        "  the same, copied": sample(CopiedRows, short),
        "  the same, generate of transformers": generate,
        "64 rows of up to 96 tokens, 16 at a time, refilled": sample(SharedRows, bounded),
        "  the same, one batch after the other": sample(OneBatchAfterTheOther, bounded),
    }
    times: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(ROUNDS + 1):
        for name, call in arms.items():
            times[name].append(seconds(call))
    for name, taken in times.items():
        print(f"{name:52} {statistics.median(taken[1:]):.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--size", type=int, choices=(2, 25), default=2, help="million parameters")
    parser.add_argument("--prompts", type=int, nargs="+", default=[16, 128, 512, 2048])
    parser.add_argument("--groups", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--contexts", type=int, default=8)
    parser.add_argument(
        "--generate-up-to", type=int, default=70_000, help="prompt tokens times rows"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    whole() if args.whole else table(args)


if __name__ == "__main__":
    main()
