"""Sampling, and forward and backward pass, of a 0.5 B decoder in bfloat16 on a GPU.

Run on a machine with a GPU, from a checkout: python scripts/bench_gpu.py [--prompts 1024 2048]
[--group-size 8] [--out gpu.json]. Weights are random, so nothing is downloaded. Three ways to pass
over the same rows are timed: prompts shared by FlexAttention, shared by SDPA, and not shared.
What does not fit the memory is reported as such, and the run goes on.
"""

from __future__ import annotations

import gc
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from guerdon.cli.doctor import diagnose
from guerdon.models.shared_prefix import SharedPrefix
from guerdon.nursery import seedling_path
from guerdon.records import Rollouts, Task
from guerdon.rollout import LanguagePolicy
from guerdon.stages import Sampling

WARM_UP = 2
"""Calls that are not counted: kernels are compiled and tried in the first."""


@dataclass(frozen=True)
class Options:
    """Sizes in tokens; ``vocabulary`` and ``layers`` can be made small to try the script anywhere.

    One batch is ``groups`` prompts with ``group_size`` completions each.
    """

    prompts: tuple[int, ...] = (1024, 2048, 4096, 8192)
    groups: int = 1
    group_size: int = 8
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


def made_up(options: Options, length: int) -> Rollouts:
    """Random prompts of ``length`` tokens with random completions, all equally long."""
    rows = options.groups * options.group_size
    shape = rows, options.completion
    return Rollouts(
        tasks=tuple(Task(str(b), "") for b in range(options.groups)),
        group=torch.arange(options.groups).repeat_interleave(options.group_size),
        prompts=tuple(torch.randint(3, options.vocabulary, (options.groups, length))),
        ids=torch.randint(3, options.vocabulary, shape),
        mask=torch.ones(shape, dtype=torch.bool),
        lengths=torch.full((rows,), options.completion),
        logps=torch.zeros(shape),
        texts=("",) * rows,
        finished=torch.ones(rows, dtype=torch.bool),
    )


def timed(work: Callable[[], Any], policy: LanguagePolicy, rounds: int) -> dict[str, Any]:
    """Median, fastest and slowest seconds of ``work``, and the highest GiB in any counted call.

    Weights count in the GiB. None where memory did not suffice; nothing is left behind then.
    """
    device = policy.model.device
    on_gpu = device.type == "cuda"
    seconds: list[float] = []
    try:
        for call in range(WARM_UP + rounds):
            if on_gpu:
                if call == WARM_UP:
                    torch.cuda.reset_peak_memory_stats(device)
                torch.cuda.synchronize(device)
            began = time.perf_counter()
            work()
            if on_gpu:
                torch.cuda.synchronize(device)
            seconds.append(time.perf_counter() - began)
        peak = torch.cuda.max_memory_allocated(device) / 2**30 if on_gpu else None
    except torch.OutOfMemoryError:
        return {"seconds": None, "peak_gib": None}
    finally:
        policy.module.zero_grad(set_to_none=True)
        gc.collect()
        if on_gpu:
            torch.cuda.empty_cache()
    counted = seconds[WARM_UP:]
    return {
        "seconds": statistics.median(counted),
        "fastest": min(counted),
        "slowest": max(counted),
        "first": seconds[0],
        "peak_gib": peak,
    }


def measure(policy: LanguagePolicy, options: Options, length: int) -> dict[str, Any]:
    """One prompt length: sampling, and the three ways of a pass."""
    rollouts = made_up(options, length)
    fan, sampling = rollouts.group.tolist(), Sampling(max_tokens=options.completion)
    written: list[int] = []

    def sample() -> None:
        made = policy.generate(rollouts.prompts, range(len(fan)), sampling, 0, fan=fan)
        written.append(int(made.lengths.sum()))

    def learn() -> None:
        policy.forward(rollouts).logps.sum().backward()
        policy.module.zero_grad(set_to_none=True)

    found: dict[str, Any] = {"prompt": length, "sampling": timed(sample, policy, options.rounds)}
    found["sampling"]["tokens"] = written[-1] if written else None
    for name, enabled, flex in (
        ("flex", True, None),
        ("sdpa", True, False),
        ("plain", False, None),
    ):
        policy.shared_prefix = SharedPrefix(enabled)
        policy.shared_prefix.flex = flex
        found[name] = timed(learn, policy, options.rounds)
        # The trial at first use may have refused: then it was not what its name says.
        found[name]["shared"] = policy.shared_prefix.shares.get("prompts", False)
        found[name]["by_flex"] = bool(policy.shared_prefix.flex)
    return found


def main() -> None:
    options = tyro.cli(Options)
    device = torch.device(options.device)
    name = options.device
    if device.type == "cuda":
        if device.index is not None:
            torch.cuda.set_device(device)
        name = f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"
    policy = make_policy(options)
    cases = []
    for length in options.prompts:
        cases.append(measure(policy, options, length))
        print(json.dumps(cases[-1]), flush=True)
    machine = {k: v for k, v in diagnose().items() if k in ("packages", "platform", "gflops")}
    sizes = {k: v for k, v in vars(options).items() if k != "out"}
    report = {"device": name, **machine, "sizes": sizes, "cases": cases}
    options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
