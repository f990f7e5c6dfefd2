"""Sampling against `generate` of transformers: same model, prompts, group and lengths.

Run: python benchmarks/sampling.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from guerdon.records import Task
from guerdon.rollout import LanguagePolicy
from guerdon.stages import Sampling

PROMPTS, GROUP, TOKENS, ROUNDS = 8, 8, 32, 5


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    policy = LanguagePolicy.load("seedling")
    tasks = [Task(str(i), f"Compute {11 + 7 * i}+{3 * i}.\n") for i in range(PROMPTS)]
    sampling = Sampling(max_tokens=TOKENS)
    policy.tokenizer.padding_side = "left"
    batch = policy.tokenizer([t.text for t in tasks], return_tensors="pt", padding=True)

    def theirs() -> None:
        with torch.inference_mode():
            policy.model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                do_sample=True,
                top_k=0,
                num_return_sequences=GROUP,
                max_new_tokens=TOKENS,
                output_logits=True,
                return_dict_in_generate=True,
            )

    def mine() -> None:
        policy.sample(tasks, GROUP, sampling, seed=0)

    mine(), theirs()
    times = [(seconds(mine), seconds(theirs)) for _ in range(ROUNDS)]  # in turns: load drifts
    ratio = statistics.median(b / a for a, b in times)
    print(f"{PROMPTS} prompts x {GROUP} completions of up to {TOKENS} tokens, {ROUNDS} rounds")
    print(f"guerdon       {statistics.median(a for a, _ in times):.3f} s")
    print(f"transformers  {statistics.median(b for _, b in times):.3f} s")
    print(f"ratio         {ratio:.2f} (above 1: guerdon is faster)")


if __name__ == "__main__":
    main()
