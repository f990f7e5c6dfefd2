"""What every objective of a policy promises."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from guerdon.contracts.promises import calling, check_written_and_read_back, promise
from guerdon.records import Experience, Loss, Pairs, PolicyOutput, Rollouts, Task
from guerdon.stages import NEEDS, Objective
from guerdon.traits import readers_of_sampler

MASK = ((1, 1, 1, 0), (1, 0, 1, 1), (0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 1, 1))
GROUP = (0, 0, 1, 1, 1)


def check_objective(objective: Objective) -> None:
    """Raises AssertionError where an objective breaks what every objective promises.

    No gradient where the policy did not act, whatever stands there; a loss and a gradient that
    are finite at extreme ratios; rows that never acted change nothing, and nothing that acted is
    a loss of 0; the parts of a batch add up to the batch (unless it ``couples`` rows); it reads no
    log-probs at sampling unless ``reads_sampler`` says so; it needs what there is; and it goes to a
    recipe's file and back.
    """
    told: frozenset[str] = getattr(objective, "needs", frozenset())
    promise(told <= NEEDS, objective, f"it needs {sorted(told - NEEDS)}; there are {sorted(NEEDS)}")
    check_mask(objective)
    check_extremes(objective)
    check_idle_rows(objective)
    check_pieces(objective)
    check_unknown_sampler(objective)
    check_written_and_read_back(objective)


def made_batch(spread: float = 0.3) -> tuple[Rollouts, Tensor, PolicyOutput]:
    """Five rows in two groups, graded advantages, and what the policy says, in float64.

    ``spread`` is how far log-probs moved since they were sampled. Row 2 never acted.
    """
    generator = torch.Generator().manual_seed(0)

    def drawn() -> Tensor:
        return torch.randn(5, 4, generator=generator, dtype=torch.float64)

    mask_NT = torch.tensor(MASK).bool()
    old_NT = torch.where(mask_NT, -1 + spread * drawn(), 0.0)
    rollouts = Rollouts(
        tasks=(Task("a", "one"), Task("b", "two")),
        group=torch.tensor(GROUP),
        prompts=(torch.tensor([1, 2]),) * 2,
        ids=torch.ones(5, 4, dtype=torch.long),
        mask=mask_NT,
        lengths=torch.full((5,), 4),
        logps=old_NT,
        old_logps=torch.where(mask_NT, old_NT + 0.1, 0.0),
        reference_logps=old_NT - 0.2,
        values=drawn(),
        returns=drawn(),
        texts=("",) * 5,
    )
    now = PolicyOutput(
        (old_NT + spread * drawn()).requires_grad_(),
        drawn().abs().requires_grad_(),
        drawn().requires_grad_(),
    )
    return rollouts, torch.where(mask_NT, drawn(), 0.0), now


def lost(
    objective: Objective,
    now: PolicyOutput,
    rollouts: Rollouts,
    advantage: Tensor,
    weight: Tensor | None = None,
) -> Loss:
    """What the objective says; if it learns from pairs, of one of each group's rows that acted."""
    pairs = None
    if getattr(objective, "couples", "row") == "pair":
        acted_N = rollouts.mask.any(1)
        rows = [(rollouts.group == g) & acted_N for g in range(len(rollouts.tasks))]
        both = [row.nonzero().flatten()[:2] for row in rows if int(row.sum()) > 1]
        ends = torch.stack([torch.zeros(2, dtype=torch.long), *both])[1:]
        pairs = Pairs(ends[:, 0], ends[:, 1])
    learned = Experience(rollouts, advantage=advantage, pairs=pairs)
    with calling(objective, f"{len(rollouts)} rows"):
        loss = objective(now, learned, weight)
    kind = type(loss).__name__
    promise(isinstance(loss, Loss), objective, f"it returns a {kind}, no Loss")
    return loss


def gradients(loss: Tensor, now: PolicyOutput) -> tuple[Tensor, ...]:
    """At log-probs, entropies and values; 0 where the loss does not read them."""
    leaves = (now.logps, now.entropy, now.values)
    if not loss.requires_grad:
        return tuple(torch.zeros_like(leaf) for leaf in leaves)  # type: ignore[arg-type]
    return torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)  # type: ignore[arg-type]


def rows_of(now: PolicyOutput, rows: Tensor, width: int) -> PolicyOutput:
    """Some rows of what a policy says, cut to ``width`` positions."""
    return PolicyOutput(*(x[rows, :width] for x in (now.logps, now.entropy, now.values)))  # type: ignore[index]


def check_mask(objective: Any) -> None:
    """No gradient off the mask; what stands there changes nothing."""
    rollouts, advantage, now = made_batch()
    loss = lost(objective, now, rollouts, advantage)
    found = gradients(loss.value, now)
    off = any((one[~rollouts.mask] != 0).any() for one in found)
    promise(not off, objective, "it has a gradient where the policy did not act")
    told = "it has no gradient at the log-probs: nothing is learned"
    promise(found[0].abs().max() > 0, objective, told)
    held = (now.logps, now.entropy, now.values)
    filled = (torch.where(rollouts.mask, x.detach(), 1e6).requires_grad_() for x in held)  # type: ignore[union-attr]
    other = lost(objective, PolicyOutput(*filled), rollouts, advantage)
    near = torch.isclose(other.value, loss.value, rtol=1e-9)
    promise(near, objective, "what stands where the policy did not act changes the loss")


def check_extremes(objective: Any) -> None:
    """Finite where the policy has moved by e^50 and e^10000."""
    for spread in (50.0, 1e4):
        rollouts, advantage, now = made_batch(spread)
        loss = lost(objective, now, rollouts, advantage)
        told = f"where log-probs moved by some {spread:g}"
        promise(torch.isfinite(loss.value), objective, f"its loss is not finite {told}")
        finite = all(torch.isfinite(one).all() for one in gradients(loss.value, now))
        promise(finite, objective, f"its gradient is not finite {told}")
        for name, figure in loss.metrics.items():
            known = abs(figure) < float("inf")
            promise(known, objective, f"its figure {name!r} is not finite {told}")


def check_idle_rows(objective: Any) -> None:
    """A row that never acted changes nothing, and alone it is a loss of 0."""
    rollouts, advantage, now = made_batch()
    whole = lost(objective, now, rollouts, advantage).value
    acted = torch.tensor([0, 1, 3, 4])
    some = lost(objective, rows_of(now, acted, 4), rollouts.select(acted), advantage[acted]).value
    told = "a row that never acted changes the loss"
    promise(torch.isclose(whole, some, rtol=1e-6), objective, told)
    idle = torch.tensor([2])
    none = lost(objective, rows_of(now, idle, 4), rollouts.select(idle), advantage[idle]).value
    promise(none == 0, objective, f"its loss is {none.item():g} where nothing acted")


def check_pieces(objective: Any) -> None:
    """Loss, figures and gradient of a batch are the sums of its parts'."""
    if getattr(objective, "couples", "row") not in ("position", "row"):
        return
    rollouts, advantage, now = made_batch()
    whole = lost(objective, now, rollouts, advantage)
    slopes = gradients(whole.value, now)
    weight_N = objective.aggregation(rollouts.mask.sum(1))
    for cuts in ([1, 4], [2, 2, 1], [1] * 5):
        total, figures = torch.zeros(()).double(), dict.fromkeys(whole.metrics, 0.0)
        for rows in torch.arange(5).split(cuts):
            piece = rollouts.select(rows)
            width = piece.ids.shape[1]
            cut = rows_of(now, rows, width)
            part = lost(objective, cut, piece, advantage[rows, :width], weight_N[rows])
            total = total + part.value
            figures = {name: figures[name] + part.metrics[name] for name in figures}
        told = f"cut into parts of {cuts} rows"
        near = torch.isclose(total, whole.value, rtol=1e-6)
        promise(near, objective, f"{told}, a batch has another loss; say what it `couples`")
        for name, figure in whole.metrics.items():
            close = abs(figures[name] - figure) <= 1e-6 * abs(figure) + 1e-12
            promise(close, objective, f"{told}, its figure {name!r} is another: figures are sums")
        pairs = zip(slopes, gradients(total, now), strict=True)
        alike = all(torch.allclose(one, other, atol=1e-7) for one, other in pairs)
        promise(alike, objective, f"{told}, a batch has another gradient")


def check_unknown_sampler(objective: Any) -> None:
    """Rows that nobody knows the sampler's log-probs of are learned from, or refused by name."""
    if any(True for _ in readers_of_sampler(objective)):
        return
    rollouts, advantage, now = made_batch()
    unknown = torch.full_like(rollouts.logps, torch.nan).where(rollouts.mask, rollouts.logps)
    rows = replace(rollouts, logps=unknown, old_logps=unknown)
    loss = lost(objective, now, rows, advantage)
    finite = torch.isfinite(loss.value) and all(
        torch.isfinite(one).all() for one in gradients(loss.value, now)
    )
    told = "it reads log-probs at sampling, which rows of another maker lack: say `reads_sampler`"
    promise(finite, objective, told)
