"""Chains as rollouts: keyed, said again exactly, cut anywhere, learned from in bounded memory."""

import math
from dataclasses import replace

import pytest
import torch

from guerdon.diffusion import DenoiserPolicy, NearAnswer, RingDenoiser, RingTasks
from guerdon.diffusion.ring import WIDTH, RingNoise, centres
from guerdon.records import Progress, Task, concat_rollouts
from guerdon.stages import Sampling

TASKS = RingTasks(train=2, test=2).load("train")


@pytest.fixture
def policy():
    made = RingDenoiser(width=8).load()
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():  # as after some learning
        for weights in made.denoiser.layers[-1].parameters():
            weights.normal_(0, 0.1, generator=draw)
    return made


def test_what_is_said_of_chains_is_what_they_were_drawn_from(policy):
    rows = policy.sample(TASKS, 3, Sampling(), 0)
    assert rows.observations.shape == (6, 11, 2)
    assert torch.equal(rows.observations[:, 1:], rows.actions)
    assert rows.mask.sum(1).tolist() == [9] * 6  # the last step has no spread: it is no act
    said = policy.forward(rows, frozenset({"entropy"}))
    assert torch.allclose(said.logps, rows.logps, atol=1e-5)
    std = policy.kernel(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([0]))[1].item()
    assert said.entropy[0, 0].item() == pytest.approx(1 + math.log(2 * math.pi * std**2))
    assert rows.captions[0] == ", ".join(f"{x:.3g}" for x in rows.observations[0, -1].tolist())


def test_noise_belongs_to_seed_task_member_and_step(policy):
    rows = policy.sample(TASKS, 4, Sampling(), 0)
    one = policy.sample(TASKS[1:], 2, Sampling(), 0)
    assert torch.allclose(one.observations, rows.observations[4:6], atol=1e-5)
    assert torch.equal(one.observations[:, 0], rows.observations[4:6, 0])
    assert not torch.equal(policy.sample(TASKS[1:], 2, Sampling(), 1).actions, one.actions)
    start = rows.observations[:, 0]
    assert torch.equal(start[0].expand(4, 2), start[:4])
    assert not torch.equal(start[0], start[4])
    assert len(set(rows.actions[:4, 0, 0].tolist())) == 4
    policy.shared = 2
    start = policy.sample(TASKS[:1], 4, Sampling(), 0).observations[:, 0]
    assert torch.equal(start[0], start[1])
    assert torch.equal(start[2], start[3])
    assert not torch.equal(start[0], start[2])


def test_temperature_scales_the_spread_and_0_takes_the_means(policy):
    rows = policy.sample(TASKS, 2, Sampling(temperature=0.5), 0)
    assert torch.allclose(policy.forward(rows).logps, rows.logps, atol=1e-5)
    still = policy.sample(TASKS, 2, Sampling(temperature=0.0), 0)
    assert torch.equal(still.actions[0], still.actions[1])


def test_guidance_is_the_same_in_sampling_and_learning(policy):
    policy.guidance = 3.0
    rows = policy.sample(TASKS, 2, Sampling(), 0)
    assert torch.allclose(policy.forward(rows).logps, rows.logps, atol=1e-5)
    policy.guidance = 1.0
    assert not torch.allclose(policy.forward(rows).logps, rows.logps, atol=1e-3)


def test_8_mean_and_sum_of_log_probs_differ_by_the_number_of_dimensions(policy):
    rows = policy.sample(TASKS, 2, Sampling(), 0)
    summed = policy.forward(rows).logps
    policy.averaged = True
    assert torch.allclose(2 * policy.forward(rows).logps, summed, atol=1e-6)


def test_a_chain_cut_anywhere_says_the_same(policy):
    rows = concat_rollouts([policy.sample([task], 2, Sampling(), 0) for task in TASKS])
    whole = policy.forward(rows).logps
    parts = [policy.forward(rows.positions(i, i + 3)).logps for i in range(0, 10, 3)]
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-6)
    picked = rows.select(torch.tensor([3, 1]))
    assert torch.allclose(policy.forward(picked).logps, whole[[3, 1]], atol=1e-6)


def test_the_ring_is_drawn_from_alike_and_known_exactly():
    policy = RingDenoiser().load()
    rows = policy.sample(RingTasks().load("test"), 8, Sampling(), 0)
    gap_N8 = torch.cdist(rows.observations[:, -1], centres())
    assert (gap_N8.min(1).values < 3 * WIDTH).float().mean() > 0.9
    assert torch.bincount(gap_N8.argmin(1), minlength=8).min() > 40  # of 512
    hit = NearAnswer()(rows, Progress()).diagnostics["hit"]
    assert 0.05 < hit.mean() < 0.2
    # All clouds gone but one: the noise in x = sqrt(a) mu + sqrt(1 - a) e, pulled to the middle.
    one = RingNoise(4, torch.tensor([0.5]), torch.Generator())
    one.centres = torch.tensor([[1.0, 0.0]])
    latent = torch.tensor([[0.5**0.5 + 0.3, 0.4]])
    spread = 0.5 * WIDTH**2 + 0.5
    expected = [0.3 * 0.5**0.5 / spread, 0.4 * 0.5**0.5 / spread]
    said = one(latent, torch.tensor([0]), torch.zeros(1, 2))
    assert said[0].tolist() == pytest.approx(expected)


def test_a_sample_that_is_not_finite_loses():
    rows = RingDenoiser().load().sample(TASKS, 2, Sampling(), 0)
    rows.observations[0, -1] = math.nan
    rows.observations[1, -1] = math.inf
    rows.observations[2, -1] = torch.tensor(TASKS[1].answer)
    scores = NearAnswer()(rows, Progress())
    assert scores.valid.all()
    assert scores.value[:3].tolist() == [-10, -10, 0]


def test_what_is_no_chain_is_refused():
    policy = RingDenoiser().load()
    with pytest.raises(ValueError, match="no column 'condition'"):
        policy.sample([Task("a", "")], 1, Sampling(), 0)
    rows = policy.sample(TASKS, 1, Sampling(), 0)
    with pytest.raises(ValueError, match="its own chains"):
        policy.forward(replace(rows, actions=None))
    with pytest.raises(ValueError, match="middle"):
        RingTasks(places=("middle",))
    with pytest.raises(ValueError, match="split"):
        RingTasks().load("validation")
    assert policy.sample([], 2, Sampling(), 0).observations.shape == (0, 11, 2)


def test_the_weights_are_kept(tmp_path):
    from safetensors.torch import load_file

    policy = RingDenoiser(width=8).load()
    policy.save(tmp_path / "model")
    held = load_file(tmp_path / "model" / "policy.safetensors")
    assert set(held) == {name for name, _ in policy.named_parameters()}
    assert not set(held) & {"denoiser.kept"}
    other = RingDenoiser(width=8, seed=1).load()
    other.load_state_dict(held)
    assert all(
        torch.equal(a, b) for a, b in zip(policy.parameters(), other.parameters(), strict=True)
    )
    assert isinstance(policy, DenoiserPolicy)
