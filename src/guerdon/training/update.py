"""One update of the weights: accumulated over micro-batches and processes, and guarded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from guerdon.records import PolicyOutput, Rollouts
from guerdon.stages import Objective, Policy
from guerdon.training.optimisers import Trainable, trainable
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
    rollouts: Rollouts,
    advantage_NT: Tensor,
    *,
    guard: Guard,
    clip: float = 1.0,
    microbatch: int = 0,
    shard: Shard = ALONE,
) -> dict[str, float]:
    """One optimiser step on all rows given; returns summed metrics and `apply_gradients`' own.

    ``off_policy`` among them is the mean over acted tokens of ``|ratio - 1|``, the ratio of what
    the policy says before this step to what it said when it sampled.

    The objective's row weights are computed over the whole batch before it is cut, and one that
    couples rows is computed over it whole (`_coupled`), so the gradient does not depend on
    ``microbatch`` (0 = one piece) or on the number of processes. Rows whose mask is empty weigh
    nothing. See `apply_gradients` for ``guard`` and ``clip``.
    """
    optimiser.zero_grad(set_to_none=True)
    order = _whole_groups(rollouts, shard)
    pieces = order.split(microbatch or len(order)) if len(order) else ()
    whole = len(pieces) == 1 and shard.world == 1
    coupled = getattr(objective, "couples", "position") not in ("position", "row")
    learn = _coupled if coupled and not whole else _apart
    metrics = learn(policy, objective, rollouts, advantage_NT, pieces, shard)
    off, acted = metrics.pop(_OFF, 0.0), metrics.pop(_ACTED, 0.0)
    off_policy = {"off_policy": off / acted} if acted else {}
    _share_gradients(trainable(policy), shard)
    return {**metrics, **off_policy, **apply_gradients(policy, optimiser, guard, clip)}


def _apart(
    policy: Policy,
    objective: Objective,
    rollouts: Rollouts,
    advantage_NT: Tensor,
    pieces: Sequence[Tensor],
    shard: Shard,
) -> dict[str, float]:
    """Gradients piece by piece, of a loss that is a sum over rows; its summed metrics."""
    with naming("the objective", objective):
        row_weight_N = objective.aggregation(rollouts.mask.sum(1))
    metrics: dict[str, float] = {}
    for rows in pieces:
        piece = rollouts.select(rows)
        width = piece.mask.shape[1]
        now = policy.forward(piece, objective.needs - {"reference"})
        with naming("the objective", objective):
            loss = objective(now, piece, advantage_NT[rows, :width], row_weight_N[rows])
        off, acted = _off_policy(now.logps, piece)
        if loss.value.requires_grad:
            loss.value.backward()
        told = {"loss": float(loss.value.detach()), _OFF: off, _ACTED: acted, **loss.metrics}
        for name, value in told.items():
            metrics[name] = metrics.get(name, 0.0) + value
    totals: dict[str, float] = {}
    for part in shard.gather(metrics):
        for name, value in part.items():
            totals[name] = totals.get(name, 0.0) + value
    return totals


def _coupled(
    policy: Policy,
    objective: Objective,
    rollouts: Rollouts,
    advantage_NT: Tensor,
    pieces: Sequence[Tensor],
    shard: Shard,
) -> dict[str, float]:
    """Gradients of a loss that couples rows, in two passes; its metrics.

    The first pass collects what the policy says of all rows, without gradient. There the loss is
    computed once, whole, and with it the gradient at each position's output, float[N, T]. The
    second pass carries these through the policy, piece by piece: by the chain rule their sum is the
    gradient of the uncut loss. It costs one forward pass more than a loss that is a sum over rows.
    """
    needs = objective.needs - {"reference"}
    said: list[tuple[Tensor, PolicyOutput]] = []
    with torch.no_grad():
        for rows in pieces:
            said.append((rows, policy.forward(rollouts.select(rows), needs)))
    everywhere = [one for share in shard.gather(said) for one in share]
    if not everywhere:
        return {}
    names = [f.name for f in fields(PolicyOutput) if getattr(everywhere[0][1], f.name) is not None]
    leaves: dict[str, Tensor] = {}
    for name in names:
        one = getattr(everywhere[0][1], name)
        leaves[name] = one.new_zeros((*rollouts.mask.shape, *one.shape[2:]))
        for rows, now in everywhere:
            leaves[name][rows, : now.logps.shape[1]] = getattr(now, name)
        leaves[name].requires_grad_(name != "largest")
    with naming("the objective", objective):
        loss = objective(PolicyOutput(**leaves), rollouts, advantage_NT)
    if loss.value.requires_grad:
        loss.value.backward()
        _carry(policy, rollouts, needs, leaves, pieces)
    off, acted = _off_policy(leaves["logps"], rollouts)
    return {"loss": float(loss.value.detach()), _OFF: off, _ACTED: acted, **loss.metrics}


def _carry(
    policy: Policy,
    rollouts: Rollouts,
    needs: frozenset[str],
    leaves: Mapping[str, Tensor],
    pieces: Sequence[Tensor],
) -> None:
    """Carry the gradients that stand at the policy's outputs to its weights."""
    for rows in pieces:
        now = policy.forward(rollouts.select(rows), needs)
        width = now.logps.shape[1]
        carried = [
            (getattr(now, name), leaf.grad[rows, :width])
            for name, leaf in leaves.items()
            if leaf.grad is not None and getattr(now, name).requires_grad
        ]
        if carried:
            outputs, gradients = zip(*carried, strict=True)
            torch.autograd.backward(outputs, gradients)


_OFF, _ACTED = "off-policy sum", "acted tokens"


def _off_policy(logp_NT: Tensor, rollouts: Rollouts) -> tuple[float, float]:
    """Sum of ``|ratio - 1|`` over the tokens that were acted, and their number.

    Before the first update of a batch the ratio is 1 but for rounding.
    """
    gap_M = (logp_NT.detach() - rollouts.behaviour_logps)[rollouts.mask].clamp(-20, 20)
    return float((gap_M.exp() - 1).abs().sum()), float(rollouts.mask.sum())


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


def _share_gradients(parameters: list[torch.nn.Parameter], shard: Shard) -> None:
    """Sum gradients over processes: one flat tensor, one call."""
    if shard.world == 1:
        return
    flat = torch.cat(
        [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters]
    )
    flat = shard.total(flat)
    for p, piece in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        p.grad = piece.view_as(p).clone()
