"""One update of the weights: accumulated over micro-batches and processes, and guarded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from guerdon.records import OWN_POLICY, Experience, PolicyOutput, Rollouts
from guerdon.stages import COUPLINGS, Objective, Policy
from guerdon.training.optimisers import Trainable, trainable
from guerdon.training.recording import check_sampler_known
from guerdon.training.stopping import TrainingStopped, naming


@dataclass
class Guard:
    """Leaves out updates whose gradient is not finite or too large; stops after ``limit``.

    ``skip_above`` 0 means that only non-finite gradients are left out. ``limit`` counts bad
    updates in a row.
    """

    limit: int = 5
    skip_above: float = 0.0
    in_row: int = 0
    skipped: int = 0

    def allows(self, norm: float) -> bool:
        """Whether to apply an update with this gradient norm; raises TrainingStopped."""
        if torch.isfinite(torch.tensor(norm)) and not 0 < self.skip_above < norm:
            self.in_row = 0
            return True
        self.in_row += 1
        self.skipped += 1
        if self.in_row >= self.limit:
            raise TrainingStopped(
                f"{self.in_row} updates in a row had a gradient norm that is not finite or "
                f"above optimiser.skip_above (the last: {norm}); lower optimiser.lr or look at "
                "the last rollouts for extreme rewards"
            )
        return False

    def state_dict(self) -> dict[str, Any]:
        return {"in_row": self.in_row, "skipped": self.skipped}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.in_row, self.skipped = int(state["in_row"]), int(state["skipped"])


@dataclass(frozen=True)
class Shard:
    """This process's place among those that train together.

    ``total`` adds a tensor up over all processes; ``gather`` lists every process's object, in
    the order of their ranks.
    """

    rank: int = 0
    world: int = 1
    total: Callable[[Tensor], Tensor] = field(default=lambda tensor: tensor)
    gather: Callable[[Any], list[Any]] = field(default=lambda thing: [thing])


ALONE = Shard()


def apply_gradients(
    model: Trainable, optimiser: torch.optim.Optimizer, guard: Guard, clip: float
) -> dict[str, float]:
    """Clip the gradients that stand and step, if the guard allows; they are cleared after.

    ``clip`` bounds the gradient's norm (0 = off). Returns ``grad_norm``, before clipping, and
    ``skipped_updates``, 1 where the guard refused: weights and the optimiser's state are then
    as they were.
    """
    bound = clip if clip > 0 else float("inf")
    norm = float(torch.nn.utils.clip_grad_norm_(trainable(model), bound))
    applied = guard.allows(norm)
    if applied:
        optimiser.step()
        # A fused optimiser writes without saying so; engines go by this to fetch new weights.
        torch.autograd.graph.increment_version(trainable(model))
    optimiser.zero_grad(set_to_none=True)
    return {"grad_norm": norm, "skipped_updates": float(not applied)}


def minibatches(rows: Tensor, group_N: Tensor, size: int, seed: int) -> tuple[Tensor, ...]:
    """Rows long[M] in an order drawn from ``seed``, dealt in pieces of ``size`` (0 = one piece).

    Groups are shuffled, and rows inside them, and dealt whole: their prompt is computed once, and
    objectives that compare the rows of a group see all of it. A piece holds at most ``size`` rows,
    fewer where the next group would not fit; a group of more rows is a piece of its own.
    """
    generator = torch.Generator().manual_seed(seed)
    shuffled = rows[torch.randperm(len(rows), generator=generator)]
    place_B = torch.randperm(int(group_N.max()) + 1, generator=generator)
    together = shuffled[torch.argsort(place_B[group_N[shuffled]], stable=True)]
    groups = torch.unique_consecutive(group_N[together], return_counts=True)[1].tolist()
    sizes = [0]
    for count in groups:
        if size and sizes[-1] and sizes[-1] + count > size:
            sizes.append(0)
        sizes[-1] += count
    pieces: tuple[Tensor, ...] = together.split(sizes)
    return pieces


def update(
    policy: Policy,
    optimiser: torch.optim.Optimizer,
    objective: Objective,
    experience: Experience,
    *,
    guard: Guard,
    clip: float = 1.0,
    microbatch: int = 0,
    shard: Shard = ALONE,
) -> dict[str, float]:
    """One optimiser step on all rows given; returns summed metrics and `apply_gradients`' own.

    ``off_policy`` among them is the mean over acted tokens of ``|ratio - 1|``, the ratio of what
    the policy says before this step to what it said when it sampled.

    ``microbatch`` bounds what the policy computes at a time (0 = all): so many rows, or, where its
    positions don't hang together, so many positions. The gradient does not depend on it, nor on the
    number of processes: row weights are computed over the whole batch before it is cut, and what
    the objective couples is put together again (`_put_together`). Rows whose mask is empty weigh
    nothing. See `apply_gradients` for ``guard`` and ``clip``, and `check_sampler_known` for the
    ValueError where an objective has a ratio to what sampled a row and nobody knows that.
    """
    optimiser.zero_grad(set_to_none=True)
    rollouts = experience.rollouts
    check_sampler_known(objective, rollouts)
    pieces = _cut(policy, rollouts, _whole_groups(rollouts, shard), microbatch)
    reach = COUPLINGS.index(objective.couples)
    whole = len(pieces) == 1 and len(pieces[0].windows) == 1 and shard.world == 1
    with naming("the objective", objective):
        weight_N = objective.aggregation(rollouts.mask.sum(1))
    if reach > COUPLINGS.index("row") and not whole:
        metrics = _put_together(policy, objective, experience, None, pieces, shard)
    else:
        metrics = {}
        for piece in pieces:
            weight_n = weight_N[piece.rows]
            if len(piece.windows) > 1 and reach > COUPLINGS.index("position"):
                some = experience.select(piece.rows)
                inside = [Piece(torch.arange(len(some)), piece.windows)]
                _add(metrics, _put_together(policy, objective, some, weight_n, inside, ALONE))
            else:
                for _, _, part in _parts(experience, [piece]):
                    _add(metrics, _learn(policy, objective, part, weight_n))
        metrics = _summed(shard.gather(metrics))
    off, acted = metrics.pop(_OFF, 0.0), metrics.pop(_ACTED, 0.0)
    off_policy = {"off_policy": off / acted} if acted else {}
    share_gradients(trainable(policy), shard)
    return {**metrics, **off_policy, **apply_gradients(policy, optimiser, guard, clip)}


@dataclass(frozen=True)
class Piece:
    """Rows long[n] that are computed together, and the windows of positions that are."""

    rows: Tensor
    windows: tuple[tuple[int, int], ...]


def _cut(policy: Policy, rollouts: Rollouts, order: Tensor, size: int) -> list[Piece]:
    """This process's rows, in their order, in pieces of at most ``size`` (0 = one piece)."""
    size = size or len(order) * rollouts.mask.shape[1]
    pieces = []
    for rows in order.split(max(size, 1)) if len(order) else ():
        width = max(int(rollouts.lengths[rows].max()), 1)
        step = width if policy.couples == "row" else max(size // len(rows), 1)
        windows = tuple((first, min(first + step, width)) for first in range(0, width, step))
        pieces.append(Piece(rows, windows))
    return pieces


def _learn(
    policy: Policy, objective: Objective, some: Experience, weight_n: Tensor
) -> dict[str, float]:
    """The gradient of a piece of a loss that is a sum over pieces; its metrics."""
    now = policy.forward(some.rollouts, objective.needs & FORWARD)
    with naming("the objective", objective):
        loss = objective(now, some, weight_n)
    off, acted = _off_policy(now.logps, some.rollouts)
    if loss.value.requires_grad:
        loss.value.backward()
    return {"loss": float(loss.value.detach()), _OFF: off, _ACTED: acted, **loss.metrics}


def _put_together(
    policy: Policy,
    objective: Objective,
    experience: Experience,
    weight_N: Tensor | None,
    pieces: Sequence[Piece],
    shard: Shard,
) -> dict[str, float]:
    """Gradients of a loss that couples what the policy computes apart, in two passes; its metrics.

    The first pass collects what the policy says of all pieces, without gradient. There the loss is
    computed once, whole, and with it the gradient at each position's output, float[N, T]. The
    second pass carries these through the policy, piece by piece: by the chain rule their sum is the
    gradient of the uncut loss. It costs one forward pass more than a loss that is a sum over
    pieces.
    """
    needs, rollouts = objective.needs & FORWARD, experience.rollouts
    said: list[tuple[Tensor, int, PolicyOutput]] = []
    with torch.no_grad():
        for rows, first, part in _parts(experience, pieces):
            said.append((rows, first, policy.forward(part.rollouts, needs)))
    everywhere = [one for share in shard.gather(said) for one in share]
    if not everywhere:
        return {}
    leaves: dict[str, Tensor] = {}
    for name in (f.name for f in fields(PolicyOutput)):
        one = getattr(everywhere[0][2], name)
        if one is None:
            continue
        leaves[name] = one.new_zeros((*rollouts.mask.shape, *one.shape[2:]))
        for rows, first, now in everywhere:
            leaves[name][rows, first : first + now.logps.shape[1]] = getattr(now, name)
        leaves[name].requires_grad_(name != "largest")
    with naming("the objective", objective):
        loss = objective(PolicyOutput(**leaves), experience, weight_N)
    if loss.value.requires_grad:
        loss.value.backward()
        for rows, first, part in _parts(experience, pieces):
            _carry(policy.forward(part.rollouts, needs), leaves, rows, first)
    off, acted = _off_policy(leaves["logps"], rollouts)
    return {"loss": float(loss.value.detach()), _OFF: off, _ACTED: acted, **loss.metrics}


def _parts(
    experience: Experience, pieces: Sequence[Piece]
) -> Iterator[tuple[Tensor, int, Experience]]:
    """What the policy computes at a time: its rows, its first position, and what is known of it."""
    for piece in pieces:
        some = experience.select(piece.rows)
        for first, end in piece.windows:
            part = some if len(piece.windows) == 1 else some.positions(first, end)
            if len(piece.windows) == 1 or part.rollouts.mask.any():
                yield piece.rows, first, part


def _carry(now: PolicyOutput, leaves: Mapping[str, Tensor], rows: Tensor, first: int) -> None:
    """Carry the gradients that stand at the policy's outputs to its weights."""
    end = first + now.logps.shape[1]
    carried = [
        (getattr(now, name), leaf.grad[rows, first:end])
        for name, leaf in leaves.items()
        if leaf.grad is not None and getattr(now, name).requires_grad
    ]
    if carried:
        outputs, gradients = zip(*carried, strict=True)
        torch.autograd.backward(outputs, gradients)


def _add(total: dict[str, float], more: Mapping[str, float]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0.0) + value


def _summed(shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    totals: dict[str, float] = {}
    for one in shares:
        _add(totals, one)
    return totals


FORWARD = frozenset({"entropy", "values"})
"""Of what an objective needs, what the policy computes as it learns."""

_OFF, _ACTED = "off-policy sum", "acted tokens"


def _off_policy(logp_NT: Tensor, rollouts: Rollouts) -> tuple[float, float]:
    """Sum of ``|ratio - 1|`` over the tokens of the policy's own rows, and their number.

    Before the first update of a batch the ratio is 1 but for rounding. Rows of an earlier step, or
    that somebody else made, are off-policy from the start.
    """
    own_N = torch.tensor([maker == OWN_POLICY for maker in rollouts.makers], dtype=torch.bool)
    sampled_NT = rollouts.behaviour_logps
    own_NT = rollouts.mask & own_N[:, None] & ~sampled_NT.isnan()
    gap_M = (logp_NT.detach() - sampled_NT)[own_NT].clamp(-20, 20)
    return float((gap_M.exp() - 1).abs().sum()), float(len(gap_M))


def _whole_groups(rollouts: Rollouts, shard: Shard) -> Tensor:
    """This process's rows: group by group, groups and the rows in them longest first.

    Rows of a group in one micro-batch share their prompt, and rows of like length need less
    padding; the sum is the same in any order. With fewer groups than processes, groups are cut.
    """
    longest_B = torch.zeros(len(rollouts.tasks), dtype=torch.long)
    longest_B.scatter_reduce_(0, rollouts.group, rollouts.lengths, "amax")
    place_B = torch.argsort(torch.argsort(longest_B, descending=True, stable=True))
    order = torch.argsort(rollouts.lengths, descending=True, stable=True)
    order = order[torch.argsort(place_B[rollouts.group[order]], stable=True)]
    if len(longest_B) < shard.world:
        return order[shard.rank :: shard.world]
    return order[place_B[rollouts.group[order]] % shard.world == shard.rank]


def share_gradients(parameters: list[torch.nn.Parameter], shard: Shard) -> None:
    """Sum gradients over processes: one flat tensor, one call."""
    if shard.world == 1:
        return
    flat = torch.cat(
        [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters]
    )
    flat = shard.total(flat)
    for p, piece in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        p.grad = piece.view_as(p).clone()
