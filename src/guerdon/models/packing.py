"""Rollouts as one row without padding, in which every prompt stands once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from guerdon.records import Rollouts


@dataclass(frozen=True)
class Ragged:
    """n pieces of different lengths, as one flat sequence [M] or as a padded table [n, width].

    ``slot`` long[M] is each item's place in the flattened table, or None where all pieces are
    equally long and the two are views of each other.
    """

    count: int
    width: int
    slot: Tensor | None

    @classmethod
    def of(cls, lengths: Tensor, device: torch.device) -> Ragged:
        """Pieces of the given lengths long[n], n > 0, in that order."""
        count, width = len(lengths), int(lengths.max())
        if bool((lengths == width).all()):
            return cls(count, width, None)
        real = torch.arange(width) < lengths[:, None]
        return cls(count, width, real.flatten().nonzero().flatten().to(device))

    def pad(self, flat: Tensor) -> Tensor:
        """[M, ...] to [n, width, ...]; 0 at the ends of the shorter pieces."""
        shape = (self.count, self.width, *flat.shape[1:])
        if self.slot is None:
            return flat.reshape(shape)
        table = flat.new_zeros(self.count * self.width, *flat.shape[1:])
        return table.index_copy(0, self.slot, flat).view(shape)

    def flatten(self, table: Tensor) -> Tensor:
        """[n, width, ...] to [M, ...]; what stands in the padding is dropped."""
        flat = table.flatten(0, 1)
        return flat if self.slot is None else flat.index_select(0, self.slot)


@dataclass(frozen=True)
class Packed:
    """B prompts, then N completions ordered by group, in one row of S tokens.

    A completion's last token predicts nothing that counts and is left out (see `context_lengths`).

    Attributes:
        ids: long[1, S].
        positions: long[1, S]; every completion starts again at its prompt's length.
        prompts: the B prompts as pieces.
        responses: the N completions as pieces.
        tails: the completions of each of the B groups joined, as pieces.
        group: long[N], the group of each of ``responses``.
        starts: long[N], their first tokens' positions: the lengths of their prompts.
        ends: long[B], where in the row each prompt's last token stands.
        before: long[N, T], where in the row the token stands that predicts a completion's
            token; rows as in the rollouts, meaningless beyond a completion's end.
        padded: tokens of the same work done plainly: whole rows, padded to the longest.
    """

    ids: Tensor
    positions: Tensor
    prompts: Ragged
    responses: Ragged
    tails: Ragged
    group: Tensor
    starts: Tensor
    ends: Tensor
    before: Tensor
    padded: int

    @property
    def tokens(self) -> int:
        """S."""
        return int(self.ids.shape[1])

    @property
    def prompt_tokens(self) -> int:
        """How many of them are prompts': where the completions begin."""
        slot = self.prompts.slot
        return self.prompts.count * self.prompts.width if slot is None else len(slot)

    @property
    def read(self) -> Tensor:
        """long[K], where a token stands that predicts another: prompts' ends and completions."""
        tails = torch.arange(self.prompt_tokens, self.tokens, device=self.ends.device)
        return torch.cat([self.ends, tails])


def context_lengths(lengths: Tensor) -> Tensor:
    """long[N], the tokens of each completion that predict another: all but its last.

    Where no completion has two tokens nothing is left out, so that there is one to compute.
    """
    return (lengths - 1).clamp_min(0) if int(lengths.max()) > 1 else lengths


def pack(rollouts: Rollouts, device: torch.device) -> Packed:
    """The rollouts in one row; at least one completion must have a token.

    Raises ValueError for an empty prompt: nothing would predict its completions' first token.
    """
    prompt_B = torch.tensor([len(p) for p in rollouts.prompts])
    if int(prompt_B.min()) == 0:
        raise ValueError("a prompt has no tokens; give it at least the end-of-text token")
    order_N = torch.argsort(rollouts.group, stable=True)
    group_N, length_N = rollouts.group[order_N], context_lengths(rollouts.lengths)[order_N]
    prompt_end_B = prompt_B.cumsum(0)
    start_N = prompt_end_B[-1] + length_N.cumsum(0) - length_N
    step_T = torch.arange(rollouts.ids.shape[1])
    real_NT = step_T < length_N[:, None]
    positions_NT = prompt_B[group_N][:, None] + step_T
    before_NT = start_N[:, None] + step_T - 1
    before_NT[:, 0] = prompt_end_B[group_N] - 1
    tail_B = torch.zeros_like(prompt_B).index_add(0, group_N, length_N)
    return Packed(
        ids=torch.cat([*rollouts.prompts, rollouts.ids[order_N][real_NT]])[None].to(device),
        positions=torch.cat([*(torch.arange(n) for n in prompt_B.tolist()), positions_NT[real_NT]])[
            None
        ].to(device),
        prompts=Ragged.of(prompt_B, device),
        responses=Ragged.of(length_N, device),
        tails=Ragged.of(tail_B, device),
        group=group_N.to(device),
        starts=prompt_B[group_N].to(device),
        ends=(prompt_end_B - 1).to(device),
        before=before_NT[torch.argsort(order_N)],
        padded=len(rollouts) * int((prompt_B[group_N] + length_N).max()),
    )
