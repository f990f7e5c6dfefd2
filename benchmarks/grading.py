"""Rewards against math-verify in a loop and TRL's reward functions; writes results/grading.json.

Run: python benchmarks/grading.py [--rows 10000] [--only answers|forms|stuck|all]

Both sides judge the same completions in turns, a chunk each, so that drift of the machine's
load falls on both; the ratio is the median over chunks. TRL is compared where it is installed.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from completions import choices_of, solutions_of

from guerdon.records import Progress, Rollouts, Scores
from guerdon.rewards import NAMES, AnswerMatch, FormatReward, reward

RESULTS = Path(__file__).parent / "results" / "grading.json"
START = Progress()


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def chunks(rollouts: Rollouts, size: int) -> list[Rollouts]:
    return [rollouts.select(rows) for rows in torch.arange(len(rollouts)).split(size)]


def math_verify_loop(rollouts: Rollouts) -> list[bool]:
    """What users write: parse both sides, verify, one row after the other; its own limits on."""
    from math_verify import parse, verify

    golds = [parse(f"${gold}$") for gold in (task.answer for task in rollouts.tasks)]
    rows = zip(rollouts.texts, rollouts.group.tolist(), strict=True)
    return [bool(verify(golds[group], parse(text))) for text, group in rows]


def trl_accuracy(rollouts: Rollouts) -> list[bool]:
    from trl.rewards import accuracy_reward

    solutions = [f"${gold}$" for gold in rollouts.answers()]
    return [bool(value) for value in accuracy_reward(conversations(rollouts), solutions)]


def conversations(rollouts: Rollouts) -> list[list[dict[str, str]]]:
    return [[{"role": "assistant", "content": text}] for text in rollouts.texts]


def answers(rows: int, size: int) -> dict[str, Any]:
    """AnswerMatch against math-verify and TRL: ratio, and every difference with its truth."""
    rollouts, truth, kinds = solutions_of(rows)
    part = AnswerMatch()
    peers = {"math-verify loop": math_verify_loop}
    if importlib.util.find_spec("trl"):
        peers["trl accuracy_reward"] = trl_accuracy
    warm, _, _ = solutions_of(200, seed=1)
    part(warm, START)
    for peer in peers.values():
        peer(warm)
    ours: list[bool] = []
    taken = []
    theirs: dict[str, list[bool]] = {name: [] for name in peers}
    times: dict[str, list[float]] = {name: [] for name in peers}
    invalid = 0
    for some in chunks(rollouts, size):
        spent, scores = seconds(lambda some=some: part(some, START))
        taken.append(spent)
        ours += [value == 1 for value in scores.value.tolist()]
        invalid += int((~scores.valid).sum())
        for name, peer in peers.items():
            spent, verdicts = seconds(lambda some=some, peer=peer: peer(some))
            times[name].append(spent)
            theirs[name] += verdicts
        print(f"{len(ours)} answers", flush=True)
    return {
        "rows": rows,
        "guerdon": {
            "rows_per_second": len(rollouts) / sum(taken),
            "wrong_verdicts": sum(a != b for a, b in zip(ours, truth, strict=True)),
            "invalid": invalid,
        },
        "peers": {
            name: {
                "rows_per_second": len(rollouts) / sum(times[name]),
                "ratio": statistics.median(t / o for t, o in zip(times[name], taken, strict=True)),
                "wrong_verdicts": sum(a != b for a, b in zip(theirs[name], truth, strict=True)),
                "differences": differences(rollouts, ours, theirs[name], truth, kinds),
            }
            for name in peers
        },
    }


def differences(
    rollouts: Rollouts,
    ours: Sequence[bool],
    theirs: Sequence[bool],
    truth: Sequence[bool],
    kinds: Sequence[str],
) -> list[dict[str, Any]]:
    """Rows on which the two sides differ, one by one: answer, reference and who is right."""
    read = AnswerMatch().read
    return [
        {
            "kind": kinds[row],
            "answer": read(rollouts.texts[row]),
            "reference": rollouts.answers()[row],
            "truth": truth[row],
            "right": "guerdon" if ours[row] == truth[row] else "peer",
        }
        for row in range(len(ours))
        if ours[row] != theirs[row]
    ]


def rate(part: Callable[[Rollouts, Progress], Scores], rollouts: Rollouts) -> dict[str, float]:
    """Completions per second over all rows, and in the fastest chunk of 250.

    On a machine that other programs use, the second is nearer to what the code can do: a short
    chunk may run without being interrupted.
    """
    spent, _ = seconds(lambda: part(rollouts, START))
    rates = [
        len(some) / seconds(lambda some=some: part(some, START))[0]
        for some in chunks(rollouts, 250)
    ]
    return {"per_second": len(rollouts) / spent, "fastest_chunk_per_second": max(rates)}


def forms(rows: int) -> dict[str, Any]:
    """Speed of every named reward, and the form of a completion against TRL's reward."""
    rollouts = choices_of(rows)
    speeds = {}
    for name, kind in NAMES.items():
        part = kind()
        part(rollouts.select(torch.arange(64)), START)  # loads tokenizers, starts workers
        speeds[name] = rate(part, rollouts)
        shown = "".join(f"{speed:14,.0f}" for speed in speeds[name].values())
        print(f"{name:20s}{shown}", flush=True)
    made: dict[str, Any] = {"rows": rows, "rewards": speeds}
    if importlib.util.find_spec("trl"):
        from trl.rewards import think_format_reward

        texts = conversations(rollouts)
        form = FormatReward()
        pairs = [
            (
                seconds(lambda: think_format_reward(texts))[0],
                seconds(lambda: form(rollouts, START))[0],
            )
            for _ in range(5)
        ]
        made["format_ratio_to_trl"] = statistics.median(a / b for a, b in pairs)
    return made


@reward(timeout=2.0)
def stuck_sometimes(completion: str) -> float:
    """Native code that never returns, for three rows."""
    if completion == "stuck":
        ctypes.PyDLL(None).sleep(60)
    return 1.0


def stuck() -> dict[str, Any]:
    """256 rows, three of them stuck for 60 s, under a limit of 2 s."""
    rollouts = choices_of(256)
    texts = tuple("stuck" if row in (3, 100, 255) else t for row, t in enumerate(rollouts.texts))
    object.__setattr__(rollouts, "texts", texts)
    spent, scores = seconds(lambda: stuck_sometimes(rollouts, START))
    assert isinstance(scores, Scores)
    reasons = Counter(reason for reason in scores.reasons if reason)
    print(f"three stuck of 256: {spent:.2f} s, {dict(reasons)}")
    return {"seconds": spent, "invalid": int((~scores.valid).sum()), "reasons": dict(reasons)}


def versions() -> dict[str, str]:
    """Packages, Python, and the machine with its load when the run ended."""
    names = ("guerdon", "math-verify", "sympy", "torch", "trl")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    machine = {"cores": str(os.cpu_count()), "load": f"{os.getloadavg()[0]:.1f}"}
    return {**found, "python": platform.python_version(), **machine}


def main() -> None:
    """Run what was asked for and lay it over the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--chunk", type=int, default=500)
    parser.add_argument("--only", choices=("answers", "forms", "stuck", "all"), default="all")
    asked = parser.parse_args()
    runs = {
        "stuck": stuck,
        "forms": lambda: forms(asked.rows),
        "answers": lambda: answers(asked.rows, asked.chunk),
    }
    made = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name, run in runs.items():
        if asked.only in (name, "all"):
            made[name] = {**run(), "versions": versions()}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    for name, peer in made.get("answers", {}).get("peers", {}).items():
        right = Counter(one["right"] for one in peer["differences"])
        print(f"answers: {peer['ratio']:.1f} x {name}; differences, by who is right: {dict(right)}")


if __name__ == "__main__":
    main()
