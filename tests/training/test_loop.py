"""The loop on the real seedling: it learns, resumes bit for bit, and counts what it leaves out."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from guerdon.advantages import GAE
from guerdon.curriculum import Informative
from guerdon.objectives import KL, PPO, ClippedSurrogate
from guerdon.recipes.grpo import build
from guerdon.records import Experience, Scores
from guerdon.rollout import Groups, LanguagePolicy
from guerdon.sealed import seal
from guerdon.stages import Sampling
from guerdon.training import (
    AdamW,
    AdapterOffReference,
    FixedReference,
    Guard,
    Loop,
    Model,
    MovingReference,
    PolicyRecipe,
    RefreshedReference,
    TrainingStopped,
    train,
    update,
)
from guerdon.training.update import apply_gradients

SMALL = Loop(steps=4, groups=4, evaluation_tasks=8, checkpoint_every=2, minibatch=8, epochs=2)
TIMES = ("seconds/", "tokens_per_second")


def small(**changes):
    return build(loop=SMALL, sampler=Groups(4), **changes)


def figures(path):
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith(TIMES)} for line in lines]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "unbroken"
    return train(small(), folder, quiet=True), folder


def test_a_run_leaves_a_whole_folder(unbroken):
    result, folder = unbroken
    for name in ("recipe.yaml", "metrics.jsonl", "summary.json", "curves.png", "report.html"):
        assert (folder / name).stat().st_size > 0, name
    assert len(list((folder / "rollouts").glob("*.parquet"))) == 4
    assert PolicyRecipe.load(folder / "recipe.yaml") == small()
    assert result.before is not None
    assert len(result.before.results) == 8
    assert LanguagePolicy.load(str(folder / "model")).model.num_parameters() > 1_000_000


def test_a_resumed_run_equals_an_unbroken_one(unbroken, tmp_path):
    folder = tmp_path / "broken"
    train(small(), folder, quiet=True, stop_after=3)
    resumed = train(small(), folder, quiet=True, resume=True)
    assert figures(folder) == figures(unbroken[1])
    whole, again = (json.loads((f / "summary.json").read_text()) for f in (unbroken[1], folder))
    assert again["alarms"] == whole["alarms"]
    for a, b in zip(
        resumed.model.module.parameters(), unbroken[0].model.module.parameters(), strict=True
    ):
        assert torch.equal(a, b)


def test_the_time_of_a_resumed_run_goes_on(tmp_path):
    train(small(), tmp_path, quiet=True, stop_after=2)
    path = tmp_path / "checkpoints/step-000002/state.pt"
    state = torch.load(path, weights_only=True)
    assert 0 < state["seconds"] < 500
    torch.save({**state, "seconds": 1000.0}, path)
    seal(path.parent)
    train(small(), tmp_path, quiet=True, resume=True)
    again = torch.load(tmp_path / "checkpoints/step-000004/state.pt", weights_only=True)["seconds"]
    assert 1000 < again <= json.loads((tmp_path / "summary.json").read_text())["seconds"] < 1500


def test_microbatches_do_not_change_the_update():
    policy = LanguagePolicy.load()
    tasks = build().tasks.load("train")[:3]
    rollouts = policy.sample(tasks, 4, Sampling(), 0)
    torch.manual_seed(0)
    advantage = torch.randn(rollouts.ids.shape)
    moved = []
    for size in (0, 5):
        policy = LanguagePolicy.load()
        sgd = torch.optim.SGD(policy.module.parameters(), lr=1.0)
        update(
            policy,
            sgd,
            ClippedSurrogate(),
            Experience(rollouts, advantage=advantage),
            guard=Guard(),
            microbatch=size,
        )
        moved.append(torch.cat([p.detach().flatten() for p in policy.module.parameters()]))
    assert torch.allclose(*moved, atol=1e-5)


def test_negative_and_zero_metrics_are_kept():
    policy = LanguagePolicy.load()
    rollouts = policy.sample(build().tasks.load("train")[:1], 2, Sampling(), 0)
    sgd = torch.optim.SGD(policy.module.parameters(), lr=0.0)
    ones = rollouts.mask.float()
    made = update(
        policy,
        sgd,
        ClippedSurrogate(),
        Experience(rollouts, advantage=ones),
        guard=Guard(),
        microbatch=1,
    )
    assert made["loss"] == pytest.approx(-1.0, abs=1e-3)
    assert made["clip_share"] == 0.0


class HalfBroken:
    """A reward that crashes on every other row."""

    def __call__(self, rollouts, progress):
        n = len(rollouts)
        odd = torch.arange(n) % 2 == 1
        reasons = tuple("the grader crashed" if o else None for o in odd.tolist())
        return Scores(torch.arange(n).float() % 4, valid=~odd, reasons=reasons)


def test_invalid_rows_are_counted_and_take_no_part():
    """A run with half its grades missing equals one on the other half: same losses."""
    recipe = build(
        sampler=Groups(4), loop=replace(SMALL, steps=1, evaluation_tasks=0, epochs=1, minibatch=0)
    )
    recipe = replace(recipe, tasks=replace(recipe.tasks, test=0))
    result = train(replace(recipe, reward=HalfBroken()), quiet=True)
    step = result.history[0]
    assert step["invalid_share"] == 0.5
    assert step["reward"] == pytest.approx(1.0)  # the valid rows' 0, 2, 0, 2 ...
    assert math.isfinite(step["loss"])


def test_a_reward_that_always_fails_stops_nothing():
    class Broken:
        def __call__(self, rollouts, progress):
            return Scores(torch.zeros(len(rollouts)), valid=torch.zeros(len(rollouts)).bool())

    loop = replace(SMALL, steps=1, evaluation_tasks=2)
    result = train(build(loop=loop, sampler=Groups(4), reward=Broken()), quiet=True)
    assert result.history[0]["updates"] == 0.0
    assert result.before.valid == []


def test_guard_skips_counts_and_stops():
    guard = Guard(limit=2)
    assert not guard.allows(float("nan"))
    assert guard.allows(1.0)
    assert not guard.allows(float("inf"))
    with pytest.raises(TrainingStopped, match="2 updates in a row"):
        guard.allows(float("nan"))
    assert guard.skipped == 3
    assert not Guard(skip_above=20.0).allows(25.0)


@pytest.mark.parametrize(("norm", "step"), [(25.0, 0.0), (5.0, 1.0), (0.5, 0.5)])
def test_a_gradient_is_left_out_above_a_norm_and_cut_to_length_1_below(norm, step):
    """The step of plain gradient descent at rate 1 is the gradient as it was applied."""
    weight = torch.nn.Parameter(torch.zeros(2))
    model = SimpleNamespace(module=torch.nn.ParameterList([weight]))
    weight.grad = norm * torch.tensor([0.6, 0.8])
    sgd = torch.optim.SGD([weight], lr=1.0)
    found = apply_gradients(model, sgd, Guard(skip_above=20.0), clip=1.0)
    assert found["grad_norm"] == pytest.approx(norm)
    assert weight.tolist() == pytest.approx([-0.6 * step, -0.8 * step], abs=1e-5)


def test_a_refused_update_leaves_the_weights_alone():
    policy = LanguagePolicy.load()
    before = [p.detach().clone() for p in policy.module.parameters()]
    rollouts = policy.sample(build().tasks.load("train")[:1], 2, Sampling(), 0)
    adam = torch.optim.AdamW(policy.module.parameters(), lr=1.0)
    bad = torch.full(rollouts.ids.shape, float("nan"))
    made = update(
        policy, adam, ClippedSurrogate(), Experience(rollouts, advantage=bad), guard=Guard()
    )
    assert made["skipped_updates"] == 1.0
    assert all(torch.equal(a, b) for a, b in zip(before, policy.module.parameters(), strict=True))


@pytest.mark.parametrize(
    "reference", [FixedReference(), MovingReference(0.5), RefreshedReference(1)]
)
def test_references_move_by_their_rule(reference):
    policy = LanguagePolicy.load()
    running = reference.start(policy)
    rollouts = policy.sample(build().tasks.load("train")[:1], 2, Sampling(), 0)
    start = running.logps(rollouts)
    assert torch.allclose(start, policy.forward(rollouts).logps, atol=1e-5)
    with torch.no_grad():
        for p in policy.module.parameters():
            p.mul_(0.9)
    running.after_step(policy, 0)
    now, policy_now = running.logps(rollouts), policy.forward(rollouts).logps.detach()
    if isinstance(reference, FixedReference):
        assert torch.equal(now, start)
    if isinstance(reference, RefreshedReference):
        assert torch.allclose(now, policy_now, atol=1e-5)
    if isinstance(reference, MovingReference):
        assert not torch.allclose(now, start, atol=1e-4)
        assert not torch.allclose(now, policy_now, atol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {
            "objective": ClippedSurrogate(kl=KL(0.01), entropy_bonus=0.01),
            "reference": FixedReference(),
        },
        {"objective": PPO(), "advantage": GAE(), "model": Model(value_head=True)},
        {"filter": Informative(), "loop": replace(SMALL, steps=1, resample=3)},
        {"model": Model(adapter="lora", rank=4)},
    ],
)  # fmt: skip
def test_runs_with(changes):
    recipe = small(**changes) if "loop" not in changes else build(**changes)
    recipe = replace(recipe, loop=replace(recipe.loop, steps=1))
    result = train(recipe, quiet=True)
    assert math.isfinite(result.history[0].get("loss", 0.0))


def test_ppo_learns_values_in_the_real_loop():
    """A reward of 1 whatever is said: the value head, 0 at first, comes to expect it."""
    loop = Loop(steps=12, groups=4, epochs=2, evaluation_tasks=0, checkpoint_every=0)
    recipe = build(
        loop=loop,
        sampler=Groups(4),
        tasks=replace(build().tasks, test=0),
        reward=lambda rollouts, progress: Scores(torch.ones(len(rollouts))),
        advantage=GAE(lam=0.95, whitened=False),
        objective=PPO(value_clip=10.0),
        model=Model(value_head=True),
        optimiser=AdamW(lr=1e-3),
    )
    result = train(recipe, quiet=True)
    losses = [h["value_loss"] for h in result.history]
    # V = 0 and lam .95: returns of a row of L tokens are .95^(L - 1), ..., .95, 1
    assert 0.1 < losses[0] < 0.5
    assert losses[-1] < 0.3 * losses[0]
    rollouts = result.model.sample(recipe.tasks.load("train")[:2], 2, recipe.sampler.sampling, 7)
    values = result.model.forward(rollouts, frozenset({"values"})).values[rollouts.mask]
    assert values.mean().item() == pytest.approx(1.0, abs=0.25)


def test_a_filter_that_drops_every_group_stops_nothing():
    loop = replace(SMALL, steps=1, evaluation_tasks=2, resample=2)
    reward = lambda rollouts, progress: Scores(torch.ones(len(rollouts)))  # noqa: E731
    result = train(
        build(loop=loop, sampler=Groups(4), reward=reward, filter=Informative()), quiet=True
    )
    (step,) = result.history
    assert step["updates"] == step["kept_groups"] == 0.0
    assert step["sampled_groups"] == 8.0


def test_the_base_model_under_an_adapter_is_a_reference_that_never_moves():
    policy = LanguagePolicy.load(adapter="lora", rank=4)
    running = AdapterOffReference().start(policy)
    rollouts = policy.sample(build().tasks.load("train")[:1], 2, Sampling(), 0)
    start = running.logps(rollouts)
    with torch.no_grad():
        for p in policy.module.parameters():
            if p.requires_grad:
                p.add_(0.05)
    assert torch.equal(running.logps(rollouts), start)
    assert not torch.allclose(policy.forward(rollouts).logps, start, atol=1e-3)


def test_a_kl_term_without_reference_names_the_mend():
    with pytest.raises(ValueError, match=r"recipe\.reference"):
        train(small(objective=ClippedSurrogate(kl=KL())), quiet=True)


def test_the_reward_raises_accuracy():
    """Learning, not just running: 12 steps of a dense reward for digits move its mean."""

    class Sevens:
        def __call__(self, rollouts, progress):
            share = [t.count("7") / max(len(t), 1) for t in rollouts.texts]
            return Scores(torch.tensor(share))

    loop = Loop(steps=12, groups=4, evaluation_tasks=32, checkpoint_every=0)
    brief = Sampling(max_tokens=16)
    recipe = build(loop=loop, reward=Sevens(), optimiser=AdamW(lr=1e-3), sampler=Groups(8, brief))
    recipe = replace(recipe, evaluation_sampling=replace(brief, temperature=0.0))
    result = train(recipe, quiet=True)
    assert result.after.mean > 2 * result.before.mean
