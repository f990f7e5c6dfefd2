"""An objective that couples rows has one gradient, however a minibatch is cut."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from rollout.test_shared_prefix import Float64

from guerdon.nursery import load_seedling
from guerdon.objectives import GSPO, ClippedSurrogate, DisCO, LogLikelihood, TokenMean
from guerdon.records import Experience, Loss, Pairs, Task
from guerdon.rollout import LanguagePolicy, TabularPolicy
from guerdon.stages import Sampling
from guerdon.tasks import CornerTasks
from guerdon.training.update import Guard, Shard, update


@dataclass(frozen=True)
class SquaredMean:
    """The square of the mean log-prob, plus entropy: nothing of it is a sum over rows."""

    couples: ClassVar[str] = "batch"
    needs: ClassVar[frozenset[str]] = frozenset({"entropy"})
    aggregation: ClassVar[TokenMean] = TokenMean()

    def __call__(self, now, experience, row_weight=None):
        mean = (now.logps * experience.advantage).sum() / experience.rollouts.mask.sum()
        return Loss(mean**2 + now.entropy.sum() * mean, {"mean": float(mean.detach())})


@dataclass(frozen=True)
class PairedMargin:
    """DPO's loss of neighbouring rows, the first the better one."""

    couples: ClassVar[str] = "pair"
    needs: ClassVar[frozenset[str]] = frozenset()
    aggregation: ClassVar[TokenMean] = TokenMean()

    def __call__(self, now, experience, row_weight=None):
        sum_N, pairs = now.logps.sum(1), experience.pairs
        return Loss(
            -torch.nn.functional.logsigmoid(sum_N[pairs.chosen] - sum_N[pairs.rejected]).mean()
        )


def walks():
    """Episodes of up to nine turns on a board of nine cells, in one table."""
    cells = [("grid", (i % 3, i // 3), (2, 2), None) for i in range(9)]
    logits = torch.randn(9, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    policy = TabularPolicy(cells, ("up", "down", "left", "right"), logits, torch.float64)
    return policy, policy.sample(CornerTasks(3).load("train"), 4, Sampling(max_turns=9), seed=1)


def table():
    tasks = [Task(f"t{i}", f"task {i}") for i in range(4)]
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    policy = TabularPolicy([task.id for task in tasks], list("abcde"), logits, torch.float64)
    return policy, policy.sample(tasks, 4, Sampling(), seed=0)


def seedling():
    model, tokenizer = load_seedling()
    policy = LanguagePolicy(model.double(), tokenizer)
    tasks = [Task("long", "What is 12 + 34?"), Task("short", "3 + 4")]
    return policy, policy.sample(tasks, 4, Sampling(max_tokens=5), seed=0)


def gradients(made, objective, microbatch, shard=None):
    """The gradient of one update, and its figures; the policy has moved from the sampler's."""
    policy, rollouts = made
    old = rollouts.logps + 0.2 * torch.sin(torch.arange(rollouts.ids.numel())).view_as(rollouts.ids)
    moved = replace(rollouts, logps=torch.where(rollouts.mask, old.to(rollouts.logps.dtype), 0.0))
    value = torch.tensor([1.0, -1.0, -1.0, 1.0]).repeat(len(rollouts) // 4)
    value[-4:] = 1.0 if len(rollouts) > 8 else value[-4:]
    advantage = torch.where(moved.mask, value[:, None], 0.0).double()
    evens = torch.arange(0, len(rollouts), 2)
    pairs = Pairs(evens, evens + 1)
    optimiser = torch.optim.SGD(policy.module.parameters(), lr=0.0)
    caught = []

    def remember():
        caught.extend(p.grad.clone() for p in policy.module.parameters() if p.grad is not None)

    optimiser.step = lambda *_: remember()
    options = {} if shard is None else {"shard": shard}
    figures = update(
        policy, optimiser, objective, Experience(moved, advantage=advantage, pairs=pairs),
        guard=Guard(), clip=0.0, microbatch=microbatch, **options,
    )  # fmt: skip
    return torch.cat([one.flatten() for one in caught]), figures


@pytest.mark.parametrize(
    "objective",
    [ClippedSurrogate(), GSPO(), PairedMargin(), DisCO(beta=10.0), SquaredMean()],
    ids=lambda objective: objective.couples,
)
def test_positions_that_stand_alone_are_cut_too(objective, monkeypatch):
    """The gradient is the uncut one, and no more positions are computed at a time than said."""
    policy, rollouts = walks()
    assert rollouts.mask.sum(1).max() > 4
    uncut, figures = gradients((policy, rollouts), objective, 0)
    assert uncut.abs().max() > 1e-6
    forward, seen = policy.forward, []

    def watched(some, needs):
        seen.append(some.mask.numel())
        return forward(some, needs)

    monkeypatch.setattr(policy, "forward", watched)
    for microbatch in (1, 3, 8, 20):
        cut, told = gradients((policy, rollouts), objective, microbatch)
        assert (cut - uncut).abs().max() < 1e-9 * uncut.abs().max()
        assert told == pytest.approx(figures, rel=1e-9, abs=1e-12)
        assert max(seen) <= microbatch
        seen.clear()


OBJECTIVES = {
    "disco": DisCO(delta=1e-4, beta=10.0),
    "disco by likelihood": DisCO(score=LogLikelihood(), tau=10.0, beta=1.0),
    "squared mean": SquaredMean(),
    "margins of pairs": PairedMargin(),
}


@pytest.mark.parametrize("make", [table, seedling])
@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES.keys())
def test_the_gradient_is_the_uncut_one_at_every_microbatch(make, objective):
    made = make()
    with Float64():
        uncut, figures = gradients(made, objective, 0)
        assert uncut.abs().max() > 1e-6
        for microbatch in (1, 2, 3, 5, 8, 64):
            cut, told = gradients(made, objective, microbatch)
            assert (cut - uncut).abs().max() < 1e-9 * uncut.abs().max()
            assert told == pytest.approx(figures, rel=1e-9, abs=1e-12)


def test_cutting_without_the_second_pass_would_be_wrong():
    """The objective of the paper cut as if rows were apart: what the declaration guards against."""

    @dataclass(frozen=True, kw_only=True)
    class Undeclared(DisCO):
        couples: ClassVar[str] = "position"

    made = table()
    uncut, _ = gradients(made, Undeclared(beta=10.0), 0)
    cut, _ = gradients(made, Undeclared(beta=10.0), 3)
    assert (cut - uncut).abs().max() > 0.1 * uncut.abs().max()


def test_two_processes_have_the_same_gradient():
    uncut, figures = gradients(table(), DisCO(beta=10.0), 0)
    gate, shelf, summed = threading.Barrier(2), [None, None], [None, None]
    found = [None, None]

    def work(rank):
        def gather(thing):
            shelf[rank] = thing
            gate.wait()
            everyone = list(shelf)
            gate.wait()
            return everyone

        def total(tensor):
            summed[rank] = tensor
            gate.wait()
            added = summed[0] + summed[1]
            gate.wait()
            return added

        shard = Shard(rank, 2, total, gather)
        found[rank] = gradients(table(), DisCO(beta=10.0), 3, shard)

    workers = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    for gradient, told in found:
        assert (gradient - uncut).abs().max() < 1e-9 * uncut.abs().max()
        assert told == pytest.approx(figures, rel=1e-9, abs=1e-12)


def test_one_that_is_a_sum_over_rows_makes_one_pass(monkeypatch):
    policy, rollouts = table()
    seen = []
    forward = policy.forward
    monkeypatch.setattr(policy, "forward", lambda *a: seen.append(1) or forward(*a))
    gradients((policy, rollouts), ClippedSurrogate(), 4)
    assert len(seen) == 4
    gradients((policy, rollouts), DisCO(), 4)
    assert len(seen) == 4 + 8
    gradients((policy, rollouts), DisCO(), 0)
    assert len(seen) == 4 + 8 + 1
