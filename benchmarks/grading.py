"""Completions judged per second, by reward, on this machine. Run: python benchmarks/grading.py"""

from __future__ import annotations

import time

import torch

from guerdon.records import Progress, Rollouts, Task
from guerdon.rewards import NAMES, reward


@reward(timeout=2.0)
def in_processes(completion: str, answer: str) -> float:
    """A trivial function, called in worker processes under a limit: what the crossing costs."""
    return float(answer in completion)


def batch(rows: int = 4096, group_size: int = 8) -> Rollouts:
    """Plain completions of some 60 words; one reference in four is the answer given."""
    groups = rows // group_size
    filler = "we add the tens and then the ones " * 6
    texts = tuple(
        f"<think>{filler}</think>\n<answer>\\boxed{{{'ABCD'[i % 4]}}}</answer>" for i in range(rows)
    )
    tasks = tuple(
        Task(str(i), "?", "ABCD"[i % 4], {"references": [f"{filler} A", filler[:80]]})
        for i in range(groups)
    )
    return Rollouts(
        tasks=tasks,
        group=torch.arange(rows) // group_size,
        prompts=(torch.zeros(1).long(),) * groups,
        ids=torch.zeros(rows, 8).long(),
        mask=torch.ones(rows, 8).bool(),
        lengths=torch.full((rows,), 8),
        logps=torch.zeros(rows, 8),
        texts=texts,
        finished=torch.ones(rows).bool(),
        turn=torch.zeros(rows, 8).long(),
        turn_rewards=torch.ones(rows, 1),
    )


def main() -> None:
    """Print the table."""
    rollouts = batch()
    parts = {**{name: part() for name, part in NAMES.items()}, "in processes": in_processes}
    for name, part in parts.items():
        part(rollouts, Progress())  # loads tokenizers, starts workers
        start = time.perf_counter()
        part(rollouts, Progress())
        print(f"{name:20s} {len(rollouts) / (time.perf_counter() - start):12,.0f} / s")


if __name__ == "__main__":
    main()
