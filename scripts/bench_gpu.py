"""Sampling and update of a 0.5 B decoder in bfloat16 on a GPU, prompts shared and not.

Run on a machine with a GPU: python scripts/bench_gpu.py [--prompts 1024 2048 4096 8192]
[--groups 8] [--out gpu.json]. Random weights, so nothing is downloaded but the package itself.
A size that does not fit the memory is reported as such, and the run goes on.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from guerdon.doctor import diagnose
from guerdon.nursery import seedling_path
from guerdon.records import Rollouts, Task
from guerdon.rollout import LanguagePolicy
from guerdon.rollout.shared_prefix import SharedPrefix
from guerdon.stages import Sampling


@dataclass(frozen=True)
class Options:
    """Sizes; ``vocabulary`` and ``layers`` can be made small to try the script elsewhere."""

    prompts: tuple[int, ...] = (1024, 2048, 4096, 8192)
    groups: int = 8
    completion: int = 256
    rounds: int = 5
    layers: int = 24
    vocabulary: int = 151_936
    device: str = "cuda"
    out: Path = Path("gpu.json")


def make_policy(options: Options) -> LanguagePolicy:
    """Qwen2's 0.5 B shape. The tokenizer is never asked for text that matters."""
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=options.vocabulary,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=options.layers,
        num_attention_heads=14,
        num_key_value_heads=2,
        max_position_embeddings=32_768,
        tie_word_embeddings=True,
    )
    model = Qwen2ForCausalLM(config).to(options.device, torch.bfloat16)
    return LanguagePolicy(model, AutoTokenizer.from_pretrained(seedling_path()))


def group_of(prompt: Any, made: Any, size: int) -> Rollouts:
    """One group's rollouts from what was sampled."""
    return Rollouts(
        tasks=(Task("0", ""),),
        group=torch.zeros(size, dtype=torch.long),
        prompts=(prompt,),
        ids=made.ids,
        mask=torch.arange(made.ids.shape[1]) < made.lengths[:, None],
        lengths=made.lengths,
        logps=made.logps,
        texts=("",) * size,
        finished=made.finished,
    )


def timed(work: Callable[[], Any], options: Options) -> dict[str, Any]:
    """Median seconds and peak GiB of ``work``; the first call is not counted."""
    on_gpu = options.device.startswith("cuda")
    seconds = []
    try:
        for _ in range(options.rounds + 1):
            if on_gpu:
                torch.cuda.reset_peak_memory_stats()
                torch.cuda.synchronize()
            began = time.perf_counter()
            work()
            if on_gpu:
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - began)
    except torch.OutOfMemoryError:
        return {"seconds": None, "peak_gib": None}
    peak = torch.cuda.max_memory_allocated() / 2**30 if on_gpu else None
    return {"seconds": statistics.median(seconds[1:]), "peak_gib": peak}


def main() -> None:
    options = tyro.cli(Options)
    policy = make_policy(options)
    sampling = Sampling(max_tokens=options.completion)
    cases = []
    for length in options.prompts:
        prompt = torch.randint(3, options.vocabulary, (length,))
        fan, keys = [0] * options.groups, list(range(options.groups))

        def sample(prompt: Any = prompt, fan: Any = fan, keys: Any = keys) -> Any:
            return policy.generate([prompt], keys, sampling, 0, fan=fan)

        found: dict[str, Any] = {"prompt": length, "sampling": timed(sample, options)}
        rollouts = group_of(prompt, sample(), options.groups)

        def learn(rollouts: Rollouts = rollouts) -> None:
            policy.forward(rollouts).logps.sum().backward()
            policy.module.zero_grad()

        for name, shared in (("shared", True), ("plain", False)):
            policy.shared_prefix = SharedPrefix(shared)
            found[name] = timed(learn, options)
            # The check at first use may have refused: then this was not shared at all.
            found[name]["is_shared"] = policy.shared_prefix.shares.get("prompts", False)
        print(found, flush=True)
        cases.append(found)
    device = torch.cuda.get_device_name() if options.device.startswith("cuda") else options.device
    sizes = {k: v for k, v in vars(options).items() if k != "out"}
    report = {"device": device, "packages": diagnose()["packages"], "sizes": sizes, "cases": cases}
    options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
