"""Points on a ring: the smallest picture a denoiser can make, with prompts that ask for a place.

Eight clouds of points lie on a circle. A denoiser draws from all of them and has no notion of its
condition; the tasks ask for one cloud each, and a reward or comparisons teach it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from guerdon.diffusion.kernels import DDPM, StepKernel, levels_of
from guerdon.diffusion.policy import CONDITION, DenoiserPolicy
from guerdon.models.saved_policy import saved_policy
from guerdon.ranges import Count, NonNegative, Positive, PositiveInt, Seed, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task

PLACES = ("east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east")
WIDTH = 0.12
"""Standard deviation of a cloud's coordinates; the circle's radius is 1."""
SCHEDULER: Mapping[str, Any] = MappingProxyType(
    {"num_train_timesteps": 100, "beta_start": 0.002, "beta_end": 0.1, "clip_sample": False}
)
"""The noise that the denoiser learns to take away, as a scheduler's configuration."""


def centres() -> Tensor:
    """float[8, 2]: the clouds' centres, in the order of `PLACES`."""
    angle = torch.arange(8) * math.pi / 4
    return torch.stack([angle.cos(), angle.sin()], 1)


@dataclass(frozen=True)
class RingTasks:
    """Prompts such as "a point in the north"; the answer is that cloud's centre, [x, y].

    ``places`` are asked for in turn. Tasks of one place differ in the noise they start from. The
    condition is the centre's direction.
    """

    places: tuple[str, ...] = ("north", "south-east", "west", "east")
    train: PositiveInt = 64
    test: Count = 64

    def __post_init__(self) -> None:
        check_ranges(self)
        unknown = [place for place in self.places if place not in PLACES]
        if unknown or not self.places:
            raise ValueError(
                f"RingTasks.places names {unknown or 'nothing'}; there are {', '.join(PLACES)}"
            )

    def load(self, split: str) -> Sequence[Task]:
        """Raises ValueError for a split other than "train" and "test"."""
        if split not in ("train", "test"):
            raise ValueError(f"there is no split {split!r}; use 'train' or 'test'")
        tasks = []
        for number in range(self.train if split == "train" else self.test):
            place = self.places[number % len(self.places)]
            centre = [round(x, 4) for x in centres()[PLACES.index(place)].tolist()]
            tasks.append(
                Task(
                    f"{split}-{number}",
                    f"a point in the {place}",
                    answer=centre,
                    columns={CONDITION: centre},
                )
            )
        return tasks


@dataclass(frozen=True)
class NearAnswer:
    """The distance of what a row ended in to its task's answer, negated.

    Never below ``-far``: a sample that is not finite has that, and loses to every other. The
    diagnostic "hit" is 1 within ``reach`` of the answer.
    """

    reach: Positive = 0.36
    far: Positive = 10.0

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def range(self) -> tuple[float, float]:
        return -self.far, 0.0

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        outcome = rollouts.outcome
        if outcome is None:
            raise ValueError("NearAnswer judges a sample: these rollouts have no observations")
        answer_N2 = torch.tensor(rollouts.answers(), dtype=torch.float32).reshape(-1, 2)
        gap_N = (outcome.flatten(1) - answer_N2).norm(dim=1)
        gap_N = gap_N.nan_to_num(self.far, self.far).clamp_max(self.far)
        hit_N = (gap_N <= self.reach).float()
        return Scores(-gap_N, {"nearness": -gap_N}, diagnostics={"hit": hit_N})


class RingNoise(nn.Module):
    """The noise in a point of the ring, known exactly, and what learning adds to it.

    A point at signal share ᾱ has the density of eight normals of variance ``v = ᾱ width^2 + 1 - ᾱ``
    around ``sqrt(ᾱ)`` times the centres, so the noise in it is expected to be ``-sqrt(1 - ᾱ)``
    times the gradient of that log-density. To this, which is frozen, two hidden layers add what
    they make of point, time and condition: nothing at first.
    """

    def __init__(self, width: int, kept: Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("kept", kept.float(), persistent=False)
        self.register_buffer("centres", centres(), persistent=False)
        sizes = (2 + 2 * len(_TURNS) + 2, width, width, 2)
        layers = [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
        self.layers = nn.ModuleList(layers)
        with torch.no_grad():
            for layer in layers:
                scale = 0.0 if layer is layers[-1] else layer.in_features**-0.5
                for weights in layer.parameters():
                    weights.uniform_(-scale, scale, generator=generator)

    def forward(self, latent: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """float[M, 2]."""
        turns = time[:, None] / len(self.get_buffer("kept")) * torch.tensor(_TURNS) * math.pi
        read = torch.cat([latent, turns.cos(), turns.sin(), condition], 1)
        for layer in self.layers[:-1]:
            read = nn.functional.silu(layer(read))
        noise: Tensor = self.known(latent, time) + self.layers[-1](read)
        return noise

    def known(self, latent: Tensor, time: Tensor) -> Tensor:
        """float[M, 2]: the expected noise before anything is learned."""
        left_M1 = self.get_buffer("kept")[time][:, None]
        middle_M82 = left_M1[..., None].sqrt() * self.get_buffer("centres")
        variance_M1 = left_M1 * WIDTH**2 + 1 - left_M1
        away_M82 = middle_M82 - latent[:, None]
        cloud_M8 = (-0.5 * away_M82.square().sum(2) / variance_M1).softmax(1)
        pull_M2 = (cloud_M8[..., None] * away_M82).sum(1) / variance_M1
        return -(1 - left_M1).sqrt() * pull_M2


_TURNS = (1.0, 2.0, 4.0)
"""Half turns over all times, by which a network reads the time."""


@dataclass(frozen=True)
class RingDenoiser:
    """A `DenoiserPolicy` that draws from every cloud of the ring alike, whatever is asked.

    What is learned is an addition to a denoiser that is frozen, as an adapter's (`RingNoise`).

    Attributes:
        kernel: the steps of a chain; times are those of `SCHEDULER`.
        width: of the two hidden layers.
        seed: of their weights.
        shared: as in `DenoiserPolicy`.
        guidance: as in `DenoiserPolicy`.
        name: the folder of one that was saved, to begin with ("" = nothing is learned yet).
    """

    kernel: StepKernel = field(default_factory=lambda: DDPM(dict(SCHEDULER), steps=10))
    width: PositiveInt = 64
    seed: Seed = 0
    shared: Count = 0
    guidance: NonNegative = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, tasks: Sequence[Task] = ()) -> DenoiserPolicy:
        """The denoiser, the same for all tasks.

        Raises ModelError (a ValueError) where ``name`` is none of this width.
        """
        total = int(SCHEDULER["num_train_timesteps"])
        kept = levels_of(SCHEDULER, total).before.flip(0)
        noise = RingNoise(self.width, kept, torch.Generator().manual_seed(self.seed))
        made = DenoiserPolicy(
            noise,
            self.kernel,
            (2,),
            shared=self.shared,
            guidance=self.guidance,
            source=replace(self, name=""),
        )
        if self.name:
            saved_policy(self.name, RingDenoiser).into(made)
        return made
