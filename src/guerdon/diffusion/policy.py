"""A denoiser as a policy: each denoising step is an act, the latent before it what it saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from guerdon.diffusion.kernels import StepKernel
from guerdon.keyed import normals, row_key
from guerdon.models.saved_policy import save_policy
from guerdon.parts import describe
from guerdon.records import PolicyOutput, Rollouts, Task
from guerdon.stages import Sampling

CONDITION = "condition"
"""The task column with the C numbers that a denoiser is conditioned on."""


class DenoiserPolicy(nn.Module):
    """Chains of S Gaussian steps from noise to a sample of ``shape``; T counts steps.

    ``denoiser(latent [M, *shape], time long[M], condition float[M, C])`` says something of the
    latent, the same shape, and the kernel makes a step of it. What stands before step k is
    observation k, what was drawn is the act, and the last observation is the sample. A step whose
    standard deviation is 0 is no act (mask False).

    All noise is keyed by seed, task, member and step. The first ``shared`` members of a group start
    from one latent, the next from another (0: all from one), as D3PO compares them.

    Attributes:
        guidance: w in ``said = without + w (with - without)`` a condition, in sampling and in
            learning alike; 1 is off, else the denoiser is asked twice, once with zeros.
        averaged: log-probs are means over a latent's D numbers and not sums (as D3PO's code has
            them): ratios nearer to 1, hence a smaller effective beta.
        source: the part that made it, if any, which a saved one names.
    """

    couples: ClassVar[str] = "position"

    def __init__(
        self,
        denoiser: nn.Module,
        kernel: StepKernel,
        shape: Sequence[int],
        *,
        shared: int = 0,
        guidance: float = 1.0,
        averaged: bool = False,
        source: Any = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.denoiser, self.kernel, self.shape = denoiser, kernel, tuple(shape)
        self.shared, self.guidance, self.averaged = shared, guidance, averaged

    @property
    def module(self) -> nn.Module:
        """The denoiser."""
        return self

    def save(self, folder: Path) -> None:
        """The weights as `save_policy` writes them, and the part that made the denoiser."""
        made_by = None if self.source is None else describe(self.source)
        save_policy(folder, self.state_dict(), made_by, shape=list(self.shape))

    def sample(
        self, tasks: Sequence[Task], group_size: int, sampling: Sampling, seed: int
    ) -> Rollouts:
        """``group_size`` chains of each task.

        ``sampling.temperature`` multiplies the standard deviations; 0 takes every step's mean.
        """
        steps, size = self.kernel.steps, math.prod(self.shape)
        group_N = torch.arange(len(tasks)).repeat_interleave(group_size)
        members = [(task.id, member) for task in tasks for member in range(group_size)]
        together = self.shared or max(group_size, 1)
        starts = [row_key(name, "start", member // together) for name, member in members]
        chains = [row_key(name, member) for name, member in members]
        latent = normals(seed, starts, size).float().view(-1, *self.shape)
        noise = normals(seed, chains, steps * size).float().view(-1, steps, *self.shape)
        conditions = self._conditions(tasks)[group_N]
        seen, taken, logps, acted = [latent], [], [], []
        for k in range(steps):
            step = torch.full((len(members),), k)
            with torch.no_grad():
                mean, std = self._gaussian(latent, step, conditions)
            drawn = sampling.temperature * _spread(std, latent)
            latent = mean + drawn * noise[:, k]
            scale = sampling.temperature or 1.0
            seen.append(latent)
            taken.append(latent.flatten(1))
            logps.append(self._logp(latent.flatten(1), mean.flatten(1), scale * std))
            acted.append(std > 0)
        mask = torch.stack(acted, 1)
        return Rollouts(
            tasks=tuple(tasks),
            group=group_N,
            prompts=tuple(torch.zeros(0, dtype=torch.long) for _ in tasks),
            mask=mask,
            lengths=torch.full((len(members),), steps),
            logps=torch.where(mask, torch.stack(logps, 1), 0.0),
            actions=torch.stack(taken, 1),
            captions=tuple(map(_told, latent.flatten(1).tolist())),
            turn=torch.arange(steps).expand(len(members), steps),
            observations=torch.stack(seen, 1),
            temperature=sampling.temperature or 1.0,
        )

    def forward(self, rollouts: Rollouts, needs: frozenset[str] = frozenset()) -> PolicyOutput:
        """Log-probs (and entropies) of the steps that were taken, 0 where the mask is False.

        Of the positions that there are: `Rollouts.positions` cuts a chain anywhere. Raises
        ValueError for rollouts of something else than denoising.
        """
        if rollouts.actions is None or rollouts.observations is None or rollouts.turn is None:
            raise ValueError(
                "a DenoiserPolicy learns from its own chains: these rollouts lack actions, "
                "observations or turns"
            )
        row_M, at_M = rollouts.mask.nonzero(as_tuple=True)
        step_M = rollouts.turn[row_M, at_M]
        conditions = self._conditions(rollouts.tasks)[rollouts.group[row_M]]
        mean, std_M = self._gaussian(rollouts.observations[row_M, step_M], step_M, conditions)
        std_M = rollouts.temperature * std_M
        zeros_NT = torch.zeros(rollouts.mask.shape, dtype=mean.dtype)
        logp_M = self._logp(rollouts.actions[row_M, at_M], mean.flatten(1), std_M)
        entropy_NT = None
        if "entropy" in needs:
            entropy_M = 0.5 + 0.5 * math.log(2 * math.pi) + std_M.log()
            size = 1 if self.averaged else math.prod(self.shape)
            entropy_NT = zeros_NT.index_put((row_M, at_M), size * entropy_M)
        return PolicyOutput(zeros_NT.index_put((row_M, at_M), logp_M), entropy_NT)

    def _gaussian(self, latent: Tensor, step: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Mean [M, *shape] and standard deviation float[M] of what follows."""
        if not len(latent):
            return self.kernel(latent, latent, step)
        time = self.kernel.times[step]
        said = self.denoiser(latent, time, conditions)
        if self.guidance != 1:
            without = self.denoiser(latent, time, torch.zeros_like(conditions))
            said = without + self.guidance * (said - without)
        return self.kernel(latent, said, step)

    def _logp(self, act_MD: Tensor, mean_MD: Tensor, std_M: Tensor) -> Tensor:
        """float[M]: ``log N(act; mean, std^2)`` summed (or averaged) over D."""
        std_M1 = torch.where(std_M > 0, std_M, 1.0)[:, None]
        each_MD = -0.5 * ((act_MD - mean_MD) / std_M1) ** 2 - std_M1.log()
        each_MD = each_MD - 0.5 * math.log(2 * math.pi)
        return each_MD.mean(1) if self.averaged else each_MD.sum(1)

    def _conditions(self, tasks: Sequence[Task]) -> Tensor:
        """float[B, C]. Raises ValueError for a task without the column."""
        lacking = [task.id for task in tasks if CONDITION not in task.columns]
        if lacking:
            raise ValueError(f"task {lacking[0]!r} has no column {CONDITION!r} for the denoiser")
        rows = [list(task.columns[CONDITION]) for task in tasks]
        return torch.tensor(rows, dtype=next(self.parameters()).dtype)


def _spread(std_M: Tensor, like: Tensor) -> Tensor:
    return std_M.view(-1, *[1] * (like.dim() - 1))


def _told(sample: list[Any]) -> str:
    """A row's sample for a page: its numbers, the first few of many."""
    return ", ".join(f"{number:.3g}" for number in sample[:8]) + (" …" if len(sample) > 8 else "")
