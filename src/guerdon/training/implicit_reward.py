"""A policy read as a reward model: DPO's implicit reward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from guerdon.ranges import Positive, check_value
from guerdon.records import Rollouts, Task
from guerdon.rollout import LanguagePolicy
from guerdon.training.reference import FixedReference, RunningReference
from guerdon.training.supervised import Demonstration, demonstrations_to_rollouts

_AT_ONCE = 32


class ImplicitReward:
    """A `Scorer` that trains a policy: ``beta (log pi(y | x) - log pi_ref(y | x))``, summed.

    Bradley-Terry on these scores is DPO (2305.18290, section 4), so what learns from any scorer's
    margins, such as `guerdon.training.peer_review.Peers`, trains policies as well. A response's
    log-probs are those of its tokens and the end token.
    """

    def __init__(
        self,
        policy: LanguagePolicy,
        beta: Positive = 0.1,
        reference: RunningReference | None = None,
    ) -> None:
        """``reference`` None: the policy as it comes. Raises ValueError for a beta not above 0."""
        check_value("ImplicitReward.beta", beta, Positive)
        self.policy, self.beta = policy, beta
        self.reference = reference or FixedReference().start(policy)

    @property
    def module(self) -> nn.Module:
        """All that is trained."""
        return self.policy.module

    def encode(self, tasks: Sequence[Task], responses: Sequence[Sequence[str]]) -> Rollouts:
        """The responses to each task as rows for `forward`, with the reference's word on them."""
        asked = [(task, some) for task, some in zip(tasks, responses, strict=True) if some]
        shown = [Demonstration(task, text) for task, some in asked for text in some]
        rows = demonstrations_to_rollouts(self.policy, shown)
        sizes = torch.tensor([len(some) for _, some in asked], dtype=torch.long)
        once = rows.select(sizes.cumsum(0) - sizes)  # a row of each task
        rows = replace(
            rows,
            tasks=once.tasks,
            prompts=once.prompts,
            inputs=once.inputs,
            group=torch.arange(len(asked)).repeat_interleave(sizes),
        )
        known_NT = torch.zeros(rows.ids.shape)
        for piece in torch.arange(len(rows)).split(_AT_ONCE):
            said = self.reference.logps(rows.select(piece))
            known_NT[piece, : said.shape[1]] = said
        return replace(rows, reference_logps=known_NT)

    def forward(self, rows: Rollouts) -> Tensor:
        """float[N], the scores of rows that `encode` made, in any order and selection."""
        assert rows.reference_logps is not None
        return self.beta * (self.policy.forward(rows).logps - rows.reference_logps).sum(1)

    def score(self, tasks: Sequence[Task], responses: Sequence[Sequence[str]]) -> Tensor:
        """float[N], with gradient where grad mode is on."""
        return self.forward(self.encode(tasks, responses))

    def save(self, folder: Path) -> None:
        """The policy, as it saves itself."""
        self.policy.save(folder)
