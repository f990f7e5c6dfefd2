"""The head of a language model: log-probs and their gradients, whole, in chunks and in blocks.

Run: python benchmarks/head.py [--rows 2048] [--vocabulary 32768] [--hidden 256] [--entropy].
Writes benchmarks/results/head.json.

``whole`` is a log-softmax over all logits, ``chunks`` guerdon's way for heads of any kind, and
``blocks`` its way for linear heads. Forward and backward take turns in one process. Each peak is
that of a process of its own: how much ``VmHWM`` grows in one forward and backward, the gradients
of weight and hidden states included.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import tyro
from measuring import origin
from shared_prefix import peak_mib
from torch import Tensor, nn

from guerdon.models.linear_head import LinearHead, linear_logps
from guerdon.models.projection import action_logps

RESULTS = Path(__file__).parent / "results" / "head.json"


@dataclass(frozen=True)
class Options:
    """Sizes. ``peak_of`` measures the memory of one way, in this process."""

    rows: int = 2048
    vocabulary: int = 32768
    hidden: int = 256
    entropy: bool = False
    threads: int = 2
    rounds: int = 7
    peak_of: str = ""


def whole(head: nn.Linear, hidden: Tensor, action: Tensor, entropy: bool) -> Tensor:
    table = head(hidden).log_softmax(-1)
    logp = table.gather(1, action[:, None]).sum()
    return logp - (table.exp() * table).sum() if entropy else logp


def chunks(head: nn.Linear, hidden: Tensor, action: Tensor, entropy: bool) -> Tensor:
    logp, found = action_logps(head, hidden, action, 1.0, entropy)
    return logp.sum() if found is None else logp.sum() + found.sum()


def blocks(head: nn.Linear, hidden: Tensor, action: Tensor, entropy: bool) -> Tensor:
    logp, found, _ = linear_logps(LinearHead(head.weight), hidden, action, entropy)
    return logp.sum() if found is None else logp.sum() + found.sum()


WAYS: dict[str, Callable[[nn.Linear, Tensor, Tensor, bool], Tensor]] = {
    "whole": whole,
    "chunks": chunks,
    "blocks": blocks,
}


def step(way: str, options: Options, rows: int) -> tuple[float, float]:
    """Seconds of forward and backward on ``rows`` rows, and MiB that the peak grows meanwhile."""
    torch.manual_seed(0)
    head = nn.Linear(options.hidden, options.vocabulary, bias=False)
    hidden = torch.randn(rows, options.hidden, requires_grad=True)
    action = torch.randint(options.vocabulary, (rows,))
    before, began = peak_mib(), time.perf_counter()
    WAYS[way](head, hidden, action, options.entropy).backward()
    return time.perf_counter() - began, peak_mib() - before


def main() -> None:
    options = tyro.cli(Options)
    torch.set_num_threads(options.threads)
    if options.peak_of:
        step(options.peak_of, replace(options, vocabulary=64), 64)  # sets libraries up
        print(step(options.peak_of, options, options.rows)[1])
        return
    source = origin(sys.argv, versions=())
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(options.rounds + 1):
        for way, seconds in times.items():
            seconds.append(step(way, options, options.rows)[0])
    found = {}
    for way, seconds in times.items():
        command = [sys.executable, *sys.argv, "--peak-of", way]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        pairs = zip(seconds[1:], times["whole"][1:], strict=True)
        found[way] = {
            "seconds": statistics.median(seconds[1:]),
            "to_whole": statistics.median(mine / theirs for mine, theirs in pairs),
            "peak_mib": float(done.stdout),
        }
        print(way, found[way])
    RESULTS.write_text(
        json.dumps({**source, "sizes": asdict(options), "ways": found}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
