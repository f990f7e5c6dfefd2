"""Our verdicts and others' on the same completions; writes results/graders.json and a table.

Run: python benchmarks/graders_against_peers.py [--gsm FILE] [--math FILE] [--rows N]

The sets: the cases of tests/cases that `answer-match` judges; worked solutions of
../shared/data/gsm8k, each against its own answer and against the next problem's; with ``--gsm``
grade-school-math's example_model_solutions.jsonl, with ``--math`` samples of MATH with labels
(fields gt, code, score). The peers, each where it is installed: math-verify, TRL's accuracy_reward,
verl's rule files and lm-evaluation-harness' extraction and comparison. Peers judge one row a call,
each in a process that is stopped after 20 s; what raises or is stopped is invalid. Rows per second
are those of processor time, of all processes together: other programs take none of it (Linux).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import multiprocessing
import os
import platform
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from guerdon.connectors.given import Given, rollouts_of
from guerdon.parsing import last_boxed
from guerdon.records import Progress
from guerdon.rewards import AnswerMatch
from guerdon.rewards.answers.symbolic import compare
from guerdon.rewards.running.workers import Failed, WorkerPool

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "graders.json"
SECONDS = 20.0


@dataclass(frozen=True)
class Row:
    """A completion, its reference and whether it is right."""

    completion: str
    gold: str
    right: bool


def corpus() -> Iterator[Row]:
    for path in sorted((ROOT / "tests" / "cases").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            case = json.loads(line)
            plain = isinstance(case["completion"], str) and isinstance(case.get("answer"), str)
            if case["reward"] != "answer-match" or case.get("settings") or not plain:
                continue
            if case["verdict"] in (0, 1):
                yield Row(case["completion"], case["answer"], case["verdict"] == 1)


def worked_solutions(path: Path) -> Iterator[Row]:
    texts = [json.loads(line)["answer"] for line in path.read_text().splitlines()]
    golds = [text.rpartition("####")[2].strip() for text in texts]
    values = [int(gold.replace(",", "")) for gold in golds]
    for k in range(len(texts) - 1):
        yield Row(texts[k], golds[k], True)
        yield Row(texts[k], golds[k + 1], values[k] == values[k + 1])


def model_solutions(path: Path) -> Iterator[Row]:
    for line in path.read_text().splitlines():
        problem = json.loads(line)
        gold = problem["ground_truth"].rpartition("A:")[2].strip()
        for given in problem.values():
            if isinstance(given, dict):
                yield Row(given["solution"], gold, given["is_correct"])


def labelled_samples(path: Path) -> Iterator[Row]:
    for line in path.read_text().splitlines():
        problem = json.loads(line)
        for text, label in zip(problem["code"], problem["score"], strict=True):
            yield Row(text, problem["gt"], bool(label))


def math_verify(completion: str, gold: str, boxed: bool) -> bool:
    from math_verify import parse, verify

    return bool(verify(parse(f"${gold}$"), parse(completion)))


def trl(completion: str, gold: str, boxed: bool) -> bool | None:
    from trl.rewards import accuracy_reward

    (value,) = accuracy_reward([[{"role": "assistant", "content": completion}]], [f"${gold}$"])
    return None if value is None else bool(value)


@cache
def _verl_file(name: str) -> ModuleType:
    """A rule file of verl by itself: the package wants ray when it is imported."""
    found = importlib.util.find_spec("verl")
    assert found is not None
    assert found.submodule_search_locations is not None
    path = Path(found.submodule_search_locations[0]) / "utils" / "reward_score" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"verl_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def verl(completion: str, gold: str, boxed: bool) -> bool:
    if boxed:
        return bool(_verl_file("math_reward").compute_score(completion, gold))
    score = _verl_file("gsm8k").compute_score
    return bool(score(completion, gold.replace(",", ""), method="flexible"))


def harness(completion: str, gold: str, boxed: bool) -> bool:
    """Hendrycks' comparison of the last box, or GSM8K's flexible extraction."""
    if boxed:
        from lm_eval.tasks.hendrycks_math.utils import is_equiv

        return bool(is_equiv(last_boxed(completion), gold))
    from lm_eval.filters.extraction import RegexFilter

    pattern = r"(-?[$0-9.,]{2,})|(-?[0-9]+)"
    filtered = RegexFilter(pattern, group_select=-1).apply([[completion]], [{}])
    found, wanted = (re.sub(r",|\$|\.$", "", text) for text in (next(iter(filtered))[0], gold))
    return found == wanted


PEERS: Mapping[str, tuple[str, Callable[..., bool | None]]] = {
    "math-verify": ("math_verify", math_verify),
    "TRL accuracy_reward": ("trl", trl),
    "verl": ("verl", verl),
    "lm-evaluation-harness": ("lm_eval", harness),
}


def timed(peer: str, completion: str, gold: str, boxed: bool) -> tuple[bool | None, float]:
    begun = time.process_time()
    verdict = PEERS[peer][1](completion, gold, boxed)
    return verdict, time.process_time() - begun


def processor_seconds() -> float:
    """What this process, its workers and those that have ended took of the processor."""
    spent = sum(os.times()[:4])
    for worker in multiprocessing.active_children():
        ticks = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        spent += sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return spent


def by_peer(peer: str, rows: Sequence[Row], boxed: bool) -> tuple[list[bool | None], float]:
    """Verdicts (None = invalid) and the seconds they took, without those of the first row."""
    pool = WorkerPool(partial(timed, peer), SECONDS, workers=1)
    calls = [{"completion": r.completion, "gold": r.gold, "boxed": boxed} for r in rows]
    pool.map(calls[:1])  # loads the library
    results = pool.map(calls)
    pool.close()
    verdicts = [None if isinstance(result, Failed) else result[0] for result in results]
    spent = [SECONDS if isinstance(result, Failed) else result[1] for result in results]
    return verdicts, sum(spent)


def by_ours(rows: Sequence[Row]) -> tuple[list[bool | None], float]:
    given = [Given(r.completion, "", r.gold, {"task_id": str(k)}) for k, r in enumerate(rows)]
    rollouts = rollouts_of(given, "the sets", False)
    # Loads the library and starts the processes, which are kept from one batch to the next.
    compare([("x", rf"\int {k} x") for k in range(16)], AnswerMatch().symbolic_seconds)
    begun = processor_seconds()
    scores = AnswerMatch()(rollouts, Progress())
    spent = processor_seconds() - begun
    pairs = zip(scores.value.tolist(), scores.valid.tolist(), strict=True)
    return [value == 1 if valid else None for value, valid in pairs], spent


def told(rows: Sequence[Row], verdicts: Sequence[bool | None], spent: float) -> dict[str, Any]:
    pairs = list(zip(rows, verdicts, strict=True))
    return {
        "rows": len(rows),
        "right": sum(verdict is row.right for row, verdict in pairs),
        "paid_wrong": sum(verdict is True and not row.right for row, verdict in pairs),
        "refused_right": sum(verdict is False and row.right for row, verdict in pairs),
        "invalid": sum(verdict is None for _, verdict in pairs),
        "rows_per_second": len(rows) / spent,
    }


def versions(packages: Sequence[str]) -> dict[str, str]:
    found = {"python": platform.python_version(), "load": f"{os.getloadavg()[0]:.1f}"}
    return found | {name: importlib.metadata.version(name) for name in packages}


def table(made: Mapping[str, Any]) -> str:
    lines = ["| set | grader | right | wrong paid | right refused | invalid | rows a second |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|")
    for name, graders in made["sets"].items():
        for grader, one in graders.items():
            counts = (one["paid_wrong"], one["refused_right"], one["invalid"])
            cells = [name, grader, f"{one['right']:,} of {one['rows']:,}"]
            cells += [f"{count:,}" for count in (*counts, round(one["rows_per_second"]))]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Judge every set by every grader at hand."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gsm", type=Path)
    parser.add_argument("--math", type=Path)
    parser.add_argument("--rows", type=int, help="at most so many rows of each set")
    asked = parser.parse_args()
    shared = ROOT.parent / "shared" / "data" / "gsm8k" / "train.jsonl"
    sets: list[tuple[str, Path | None, Callable[..., Iterator[Row]], bool]] = [
        ("cases", ROOT, lambda path: corpus(), True),
        ("GSM8K, worked solutions", shared, worked_solutions, False),
        ("GSM8K, model solutions", asked.gsm, model_solutions, False),
        ("MATH, samples", asked.math, labelled_samples, True),
    ]
    peers = {name: package for name, (package, _) in PEERS.items()}
    for name, package in peers.items():
        if not importlib.util.find_spec(package):
            print(f"{name} is not installed and left out")
    here = {name: package for name, package in peers.items() if importlib.util.find_spec(package)}
    made: dict[str, Any] = {"versions": versions(list(here.values())), "sets": {}}
    for name, path, read, boxed in sets:
        if path is None or not path.exists():
            print(f"{name}: no file, left out")
            continue
        rows = list(islice(read(path), asked.rows))
        graders = made["sets"][name] = {"guerdon answer-match": told(rows, *by_ours(rows))}
        for peer in here:
            graders[peer] = told(rows, *by_peer(peer, rows, boxed))
            print(name, peer, graders[peer], flush=True)
    RESULTS.write_text(json.dumps(made, indent=1) + "\n")
    print(table(made))


if __name__ == "__main__":
    main()
