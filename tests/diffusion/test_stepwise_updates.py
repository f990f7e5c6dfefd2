"""Denoisers learn from pairs of chains: the gradient of the whole, computed piece by piece."""

from dataclasses import replace

import torch
from torch import nn

from guerdon.diffusion import DDIM, RingDenoiser, RingTasks
from guerdon.diffusion.ring import SCHEDULER
from guerdon.objectives import StepwiseDPO
from guerdon.records import Experience, Pairs
from guerdon.stages import Sampling
from guerdon.training import Guard, update


def gradient(policy, experience, microbatch, objective=None):
    """The gradient of one update, and the most positions that were computed at a time."""
    policy, most = policy.double(), []
    policy.denoiser.register_forward_pre_hook(lambda _, given: most.append(len(given[0])))
    optimiser = torch.optim.SGD(policy.parameters(), lr=1.0)
    before = nn.utils.parameters_to_vector(policy.parameters()).detach().clone()
    update(
        policy,
        optimiser,
        objective or StepwiseDPO(),
        experience,
        guard=Guard(),
        clip=0,
        microbatch=microbatch,
    )
    after = nn.utils.parameters_to_vector(policy.parameters()).detach()
    return before - after, max(most)


def pairs_of(policy, groups, size):
    """Chains whose reference is a little off, in double precision."""
    rows = policy.sample(RingTasks(train=groups).load("train"), size, Sampling(), 0)
    draw = torch.Generator().manual_seed(0)
    off = rows.logps + 0.05 * torch.randn(rows.logps.shape, generator=draw)
    doubles = {n: getattr(rows, n).double() for n in ("logps", "actions", "observations")}
    rows = replace(rows, **doubles, reference_logps=torch.where(rows.mask, off, 0.0).double())
    first = torch.arange(0, groups * size, size)
    return Experience(rows, pairs=Pairs(first, first + 1))


def test_7_steps_one_by_one_are_the_summed_loss():
    some = pairs_of(RingDenoiser(width=8).load(), 3, 2)
    whole, _ = gradient(RingDenoiser(width=8).load(), some, 0)
    for microbatch in (1, 6, 7, 24):
        cut, most = gradient(RingDenoiser(width=8).load(), some, microbatch)
        assert torch.allclose(cut, whole, atol=1e-6, rtol=1e-6)
        assert most <= max(microbatch, 6)
    assert whole.norm() > 1e-3


def test_memory_does_not_grow_with_the_steps():
    for steps in (5, 50):
        policy = RingDenoiser(DDIM(dict(SCHEDULER), steps), width=8).load()
        assert gradient(policy, pairs_of(policy, 2, 2), 4)[1] == 4
