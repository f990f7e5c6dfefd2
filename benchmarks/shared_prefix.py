"""Forward and backward of groups: every prompt once against every prompt once per completion.

Run: python benchmarks/shared_prefix.py [--prompts 16 128 512 2048] [--groups 4 8 16 32]
[--memory] [--out benchmarks/results/shared_prefix.json].
With ``--memory`` each case also runs twice in a process of its own, shared and plain, which tells
how much its peak grows. Times are processor time of one thread, which other programs on the
machine disturb little.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from measuring import origin

from guerdon.models.packing import pack
from guerdon.records import Rollouts, Task
from guerdon.rollout import LanguagePolicy

RESULTS = Path(__file__).parent / "results"


def made_up(prompt: int, group: int, tokens: int, tasks: int) -> Rollouts:
    """Random rollouts of ``tasks`` groups; completions of 1/2 to 1 times ``tokens`` tokens."""
    generator = torch.Generator().manual_seed(0)
    rows = tasks * group
    lengths = torch.randint(tokens // 2, tokens + 1, (rows,), generator=generator)
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    return Rollouts(
        tasks=tuple(Task(str(i), "") for i in range(tasks)),
        group=torch.arange(tasks).repeat_interleave(group),
        prompts=tuple(torch.randint(512, (prompt,), generator=generator) for _ in range(tasks)),
        ids=torch.randint(512, mask.shape, generator=generator),
        mask=mask,
        lengths=lengths,
        logps=torch.zeros(mask.shape),
        texts=("",) * rows,
    )


def policy(shared: bool) -> LanguagePolicy:
    return LanguagePolicy.load("seedling", shared_prefix=shared)


def step(policy: LanguagePolicy, rollouts: Rollouts) -> float:
    """Seconds of processor time."""
    start = time.process_time()
    policy.forward(rollouts).logps.sum().backward()
    policy.module.zero_grad()
    return time.process_time() - start


def peak_mib() -> float:
    """Largest resident memory of this process so far (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def memory(shared: bool, rollouts: Rollouts) -> float:
    """MiB that one step adds to the process's peak."""
    one = policy(shared)
    step(one, made_up(16, 2, 8, 1))
    before = peak_mib()
    step(one, rollouts)
    return peak_mib() - before


def case(prompt: int, group: int, tokens: int, tasks: int, rounds: int) -> dict[str, Any]:
    rollouts = made_up(prompt, group, tokens, tasks)
    packed = pack(rollouts, torch.device("cpu"))
    shared, plain = policy(True), policy(False)
    step(shared, rollouts), step(plain, rollouts)
    times = [(step(shared, rollouts), step(plain, rollouts)) for _ in range(rounds)]
    return {
        "prompt": prompt,
        "group": group,
        "tokens": tokens,
        "tasks": tasks,
        "shared_s": round(statistics.median(s for s, _ in times), 4),
        "plain_s": round(statistics.median(p for _, p in times), 4),
        "speedup": round(statistics.median(p / s for s, p in times), 2),
        "token_ratio": round(packed.padded / packed.tokens, 2),
    }


def child(*arguments: object) -> Any:
    """This script again, in a process of its own."""
    command = [sys.executable, __file__, "--child", json.dumps(arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, nargs="+", default=(16, 128, 512, 2048))
    parser.add_argument("--groups", type=int, nargs="+", default=(4, 8, 16, 32))
    parser.add_argument("--memory", action="store_true", help="measure peaks too")
    parser.add_argument("--out", type=Path, default=RESULTS / "shared_prefix.json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        shared, *sizes = json.loads(arguments.child)
        print(json.dumps(memory(shared, made_up(*sizes))))
        return
    cases = []
    torch.set_num_threads(1)
    source = origin(sys.argv, versions=())
    for prompt in arguments.prompts:
        for group in arguments.groups:
            tasks = max(1, 64 // group if prompt < 512 else 16 // group)
            sizes = (prompt, group, 32, tasks)
            found = case(*sizes, 3)
            if arguments.memory:
                found["shared_mib"], found["plain_mib"] = (
                    round(child(shared, *sizes)) for shared in (True, False)
                )
            print(found, flush=True)
            cases.append(found)
    about = {**source, "threads": torch.get_num_threads(), "model": "seedling", "cases": cases}
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
