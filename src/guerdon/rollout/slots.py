"""A form to fill in: independent softmaxes, one for each blank of each task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from guerdon.keyed import row_key, uniforms
from guerdon.models.saved_policy import save_policy
from guerdon.records import PolicyOutput, Rollouts, Task
from guerdon.rollout.drawing import choose
from guerdon.stages import Sampling

_NEVER = -1e4
"""Logit of a choice that a blank does not have: its probability is exactly 0."""


class SlotPolicy(nn.Module):
    """Logits float[S, T, A]: for each of S task ids a choice at each of T slots.

    ``choices[t]`` are the options of slot t, and ``write(task, chosen)`` the completion's text.
    Slots know nothing of each other. ``logits`` start at 0 (uniform) unless given, as
    float[T, A] for all tasks or float[S, T, A]; entries beyond a slot's options do not count.
    A task that was not declared raises ValueError.
    """

    couples: ClassVar[str] = "row"

    def __init__(
        self,
        tasks: Sequence[str],
        choices: Sequence[Sequence[str]],
        write: Callable[[Task, tuple[str, ...]], str],
        logits: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.index = {task: row for row, task in enumerate(tasks)}
        self.choices = tuple(tuple(options) for options in choices)
        self.write = write
        shape = (len(self.index), len(self.choices), max(map(len, self.choices)))
        start = torch.zeros(shape) if logits is None else logits.detach().expand(shape)
        self.logits = nn.Parameter(start.clone())
        sizes_T1 = torch.tensor([len(options) for options in self.choices])[:, None]
        self.register_buffer("absent_TA", torch.arange(shape[2]) >= sizes_T1)

    @property
    def module(self) -> nn.Module:
        """The table itself."""
        return self

    def save(self, folder: Path) -> None:
        """The table as `save_policy` writes it; `SavedPolicy.into` puts it into another form."""
        facts = {"tasks": list(self.index), "choices": [list(one) for one in self.choices]}
        save_policy(folder, self.state_dict(), None, **facts)

    def log_probs(self, tasks: Sequence[Task]) -> Tensor:
        """float[len(tasks), T, A] log-probabilities of every option at temperature 1."""
        return self._logits(tasks).log_softmax(-1)

    def sample(
        self, tasks: Sequence[Task], group_size: int, sampling: Sampling, seed: int
    ) -> Rollouts:
        """``group_size`` filled-in forms of each task."""
        group = torch.arange(len(tasks)).repeat_interleave(group_size)
        keys = [row_key(task.id, member) for task in tasks for member in range(group_size)]
        n, t = len(keys), len(self.choices)
        logits_NTA = self._logits(tasks).detach()[group]
        uniform = uniforms(seed, keys, t).flatten()
        ids, logps = choose(logits_NTA.flatten(0, 1), uniform, sampling)
        ids_NT, whole = ids.reshape(n, t), torch.ones(n, t, dtype=torch.bool)
        texts = [
            self.write(tasks[g], tuple(o[i] for o, i in zip(self.choices, row, strict=True)))
            for g, row in zip(group.tolist(), ids_NT.tolist(), strict=True)
        ]
        return Rollouts(
            tasks=tuple(tasks),
            group=group,
            prompts=tuple(torch.zeros(0, dtype=torch.long) for _ in tasks),
            ids=ids_NT,
            mask=whole,
            lengths=torch.full((n,), t),
            logps=logps.reshape(n, t),
            texts=tuple(texts),
            temperature=sampling.temperature or 1.0,
        )

    def forward(self, rollouts: Rollouts, needs: frozenset[str] = frozenset()) -> PolicyOutput:
        """Log-probs (and entropies) of the rollouts' choices, 0 where the mask is False."""
        logits_NTA = self._logits(rollouts.tasks)[rollouts.group] / rollouts.temperature
        logp_NTA = logits_NTA.log_softmax(-1)
        taken_NT = logp_NTA.gather(2, rollouts.ids[..., None])[..., 0]
        zero_NT = torch.zeros_like(taken_NT)
        entropy_NT = None
        if "entropy" in needs:
            entropy_NT = -(logp_NTA.exp() * logp_NTA).sum(-1)
            entropy_NT = torch.where(rollouts.mask, entropy_NT, zero_NT)
        return PolicyOutput(torch.where(rollouts.mask, taken_NT, zero_NT), entropy_NT)

    def _logits(self, tasks: Sequence[Task]) -> Tensor:
        unknown = [task.id for task in tasks if task.id not in self.index]
        if unknown:
            raise ValueError(f"task {unknown[0]!r} is not in the table; declare it at the start")
        rows = torch.tensor([self.index[task.id] for task in tasks], dtype=torch.long)
        return self.logits[rows].masked_fill(self.get_buffer("absent_TA"), _NEVER)
