"""One denoising step as a Gaussian: its mean and spread, of what stood before and what is said.

The numbers are read from the configuration of a ``diffusers`` scheduler (a mapping, or its
``scheduler_config.json`` read), so a chain here is the chain that a pipeline of that package would
run. ``ᾱ`` is the share of the signal's variance that is left at a time, ``alphas_cumprod`` there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, NamedTuple, Protocol

import torch
from torch import Tensor

from guerdon.ranges import NonNegative, OneOf, PositiveInt, check_ranges


class StepKernel(Protocol):
    """The Gaussian of each of S steps, the noisiest first."""

    @property
    def steps(self) -> int:
        """S."""
        ...

    @property
    def times(self) -> Tensor:
        """long[S]: the time that a denoiser is told at each step."""
        ...

    def __call__(self, latent: Tensor, said: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Mean [M, ...] and standard deviation float[M] of what follows ``latent`` [M, ...].

        ``said`` [M, ...] is what the denoiser says of it, ``step`` long[M] which step it is. A
        step of standard deviation 0 is no choice.
        """
        ...


class Levels(NamedTuple):
    """Per step, float64[S]: ᾱ before it and after it, and the time before it, long[S]."""

    before: Tensor
    after: Tensor
    times: Tensor


@dataclass(frozen=True)
class _Scheduled:
    """What both kernels read of a scheduler.

    Attributes:
        scheduler: its configuration; what it does not say has that package's default.
        steps: S, the number of steps of a chain.
    """

    scheduler: Mapping[str, Any] = field(default_factory=dict)
    steps: PositiveInt = 20

    def __post_init__(self) -> None:
        check_ranges(self)
        kind = self.scheduler.get("prediction_type", "epsilon")
        if kind not in ("epsilon", "sample", "v_prediction"):
            raise ValueError(
                f"scheduler.prediction_type is {kind!r}; known are epsilon, sample, v_prediction"
            )
        _ = self.levels  # a scheduler that can't be read is refused when it is given

    @property
    def times(self) -> Tensor:
        """long[S], falling."""
        return self.levels.times

    @cached_property
    def levels(self) -> Levels:
        return levels_of(self.scheduler, self.steps)

    def _clean(self, latent: Tensor, said: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """The clean sample and the noise that ``said`` stands for at ᾱ ``kept`` [M, 1, ...]."""
        signal, noise = kept.sqrt(), (1 - kept).sqrt()
        kind = self.scheduler.get("prediction_type", "epsilon")
        if kind == "sample":
            clean, added = said, (latent - signal * said) / noise
        elif kind == "v_prediction":
            clean, added = signal * latent - noise * said, signal * said + noise * latent
        else:
            clean, added = (latent - noise * said) / signal, said
        if self.scheduler.get("clip_sample", True):
            bound = float(self.scheduler.get("clip_sample_range", 1.0))
            clean = clean.clamp(-bound, bound)
        return clean, added

    def _at(self, step: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """ᾱ before and after each of M steps, shaped to be multiplied with ``like`` [M, ...]."""
        shape = (-1, *[1] * (like.dim() - 1))
        before, after = self.levels.before[step], self.levels.after[step]
        return before.to(like.dtype).view(shape), after.to(like.dtype).view(shape)


@dataclass(frozen=True)
class DDPM(_Scheduled):
    """The posterior of the forward chain (2006.11239, eq. 7), as ``DDPMScheduler`` draws from it.

    ``variance`` "fixed_small" is the posterior's, ``(1 - ᾱ') / (1 - ᾱ) β``, "fixed_large" is
    ``β``. The last step has standard deviation 0.
    """

    variance: Annotated[str, OneOf("fixed_small", "fixed_large")] = "fixed_small"

    def __call__(self, latent: Tensor, said: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        before, after = self._at(step, latent)
        clean, _ = self._clean(latent, said, before)
        lost = 1 - before / after  # β of the step
        mean = after.sqrt() * lost / (1 - before) * clean
        mean = mean + (before / after).sqrt() * (1 - after) / (1 - before) * latent
        small = (1 - after) / (1 - before) * lost
        variance = small if self.variance == "fixed_small" else torch.where(after < 1, lost, 0.0)
        return mean, variance.clamp_min(0.0).sqrt().flatten()


@dataclass(frozen=True)
class DDIM(_Scheduled):
    """The family of 2010.02502 (eq. 12, 16): ``eta`` 0 is deterministic, 1 as noisy as `DDPM`.

    ``std = eta sqrt((1 - ᾱ') / (1 - ᾱ)) sqrt(1 - ᾱ / ᾱ')``. At 0 no step is a choice, and nothing
    can be learned.
    """

    eta: NonNegative = 1.0

    def __call__(self, latent: Tensor, said: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        before, after = self._at(step, latent)
        clean, added = self._clean(latent, said, before)
        variance = self.eta**2 * (1 - after) / (1 - before) * (1 - before / after)
        towards = (1 - after - variance).clamp_min(0.0).sqrt() * added
        return after.sqrt() * clean + towards, variance.clamp_min(0.0).sqrt().flatten()


def levels_of(scheduler: Mapping[str, Any], steps: int) -> Levels:
    """ᾱ before and after each of ``steps`` steps, by a scheduler's configuration.

    Raises ValueError for more steps than training times, and, by name, for a setting that would
    change the numbers and is not known here.
    """
    for name in ("thresholding", "rescale_betas_zero_snr", "use_karras_sigmas"):
        if scheduler.get(name):
            raise ValueError(f"scheduler.{name} is set, which is not known here; leave it off")
    total = int(scheduler.get("num_train_timesteps", 1000))
    if steps > total:
        raise ValueError(f"steps is {steps}, but scheduler.num_train_timesteps is {total}")
    kept = torch.cumprod(1 - _betas(scheduler, total), 0)
    times = _times(scheduler, total, steps)
    previous = times - total // steps
    last = 1.0 if scheduler.get("set_alpha_to_one", True) else float(kept[0])
    after = torch.where(previous >= 0, kept[previous.clamp_min(0)], last)
    return Levels(kept[times], after, times)


def _betas(scheduler: Mapping[str, Any], total: int) -> Tensor:
    """float64[total]: the share of variance that each training time replaces by noise."""
    if scheduler.get("trained_betas") is not None:
        return torch.tensor(scheduler["trained_betas"], dtype=torch.float64)
    kind = scheduler.get("beta_schedule", "linear")
    first, last = (
        float(scheduler.get(f"beta_{e}", d)) for e, d in (("start", 1e-4), ("end", 0.02))
    )
    if kind == "linear":
        return torch.linspace(first, last, total, dtype=torch.float64)
    if kind == "scaled_linear":
        return torch.linspace(first**0.5, last**0.5, total, dtype=torch.float64) ** 2
    if kind == "squaredcos_cap_v2":
        at = torch.arange(total + 1, dtype=torch.float64) / total
        left = torch.cos((at + 0.008) / 1.008 * math.pi / 2) ** 2
        return (1 - left[1:] / left[:-1]).clamp_max(0.999)
    raise ValueError(
        f"scheduler.beta_schedule is {kind!r}; known are linear, scaled_linear and "
        "squaredcos_cap_v2, or give trained_betas"
    )


def _times(scheduler: Mapping[str, Any], total: int, steps: int) -> Tensor:
    """long[S], falling: which training times a chain of S steps visits."""
    spacing = scheduler.get("timestep_spacing", "leading")
    if spacing == "leading":
        offset = int(scheduler.get("steps_offset", 0))
        times = torch.arange(steps) * (total // steps) + offset
    elif spacing == "trailing":
        times = (total - torch.arange(steps, dtype=torch.float64) * total / steps).round() - 1
        times = times.flip(0)
    elif spacing == "linspace":
        times = torch.linspace(0, total - 1, steps, dtype=torch.float64).round()
    else:
        raise ValueError(
            f"scheduler.timestep_spacing is {spacing!r}; known are leading, trailing and linspace"
        )
    if int(times.max()) >= total:
        raise ValueError(f"scheduler.steps_offset puts a step beyond the {total} training times")
    return times.flip(0).long()
