"""Judgements of completions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from guerdon.records.pairs import Comparisons, joined

INVALID = float("nan")
"""What ``value`` and ``parts`` hold in invalid rows: loud if anybody uses it by mistake."""


@dataclass(frozen=True)
class Scores:
    """A judgement of N completions.

    A crashed, timed-out or ungradable row is *invalid*: ``valid`` False, a reason given,
    ``value`` NaN. It is left out of group statistics and of the loss, counted and shown. A
    wrong or unparsable answer is a valid 0 (or penalty), by the reward's own rule. A row
    whose value is not finite is made invalid here, so no NaN passes as a score.

    Attributes:
        value: float[N], the total.
        parts: named float[N] components, kept for the logs.
        valid: bool[N].
        reasons: N entries, None where valid.
        placed: float[N, T] rewards at positions (tokens, turn ends) that sum to ``value``
            over T, or None when the whole value falls on the completion's end.
        errors: N entries, set where a row is invalid because its judge raised, ran out of time
            or lost its process: exception, file and line, then maybe a traceback.
        diagnostics: named float[N] figures, logged and drawn and never paid; NaN where a row has
            none.
        remarks: N entries, why a row got its value, in words, to be shown beside it; or None.
        comparisons: what was said of pairs of these rows, or None where rows were judged alone.
    """

    value: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    valid: Tensor = None  # type: ignore[assignment]  # filled in __post_init__
    reasons: tuple[str | None, ...] = ()
    placed: Tensor | None = None
    errors: tuple[str | None, ...] = ()
    diagnostics: Mapping[str, Tensor] = field(default_factory=dict)
    remarks: tuple[str | None, ...] = ()
    comparisons: Comparisons | None = None

    def __post_init__(self) -> None:
        value = self.value.float()
        n = value.shape[0]
        valid = torch.ones(n, dtype=torch.bool) if self.valid is None else self.valid.bool()
        reasons: list[str | None] = list(self.reasons) if self.reasons else [None] * n
        errors: list[str | None] = list(self.errors) if self.errors else [None] * n
        remarks = self.remarks or (None,) * n
        held: dict[str, Sized] = {"valid flags": valid, "reasons": reasons}
        held |= {"errors": errors, "remarks": remarks}
        if any(len(some) != n for some in held.values()):
            sizes = ", ".join(f"{len(some)} {name}" for name, some in held.items())
            raise ValueError(f"Scores: {n} values, {sizes}")
        for row in (valid & ~torch.isfinite(value)).nonzero().flatten().tolist():
            reasons[row] = f"score is not finite ({value[row].item()})"
        valid = valid & torch.isfinite(value)
        for row in (~valid).nonzero().flatten().tolist():
            reasons[row] = reasons[row] or "invalid, no reason given"
        reasons = [None if ok else r for ok, r in zip(valid.tolist(), reasons, strict=True)]
        errors = [None if ok else e for ok, e in zip(valid.tolist(), errors, strict=True)]
        for kind, named in (("part", self.parts), ("diagnostic", self.diagnostics)):
            for name, one in named.items():
                if one.shape != value.shape:
                    shape = tuple(one.shape)
                    raise ValueError(f"Scores {kind} {name!r} has shape {shape}, not ({n},)")
        object.__setattr__(self, "value", value.masked_fill(~valid, INVALID))
        object.__setattr__(self, "valid", valid)
        object.__setattr__(self, "reasons", tuple(reasons))
        object.__setattr__(self, "errors", tuple(errors))
        object.__setattr__(self, "parts", {k: v.float() for k, v in self.parts.items()})
        object.__setattr__(self, "remarks", tuple(remarks))
        object.__setattr__(self, "diagnostics", {k: v.float() for k, v in self.diagnostics.items()})

    def __len__(self) -> int:
        return int(self.value.shape[0])

    def select(self, rows: Tensor) -> Scores:
        """The rows named by a bool[N] mask or a long tensor of indices, in that order.

        Comparisons stay where both of their rows do.
        """
        index = rows.nonzero().flatten() if rows.dtype == torch.bool else rows
        return Scores(
            value=self.value[index],
            parts={k: v[index] for k, v in self.parts.items()},
            valid=self.valid[index],
            reasons=tuple(self.reasons[i] for i in index.tolist()),
            placed=None if self.placed is None else self.placed[index],
            errors=tuple(self.errors[i] for i in index.tolist()),
            diagnostics={k: v[index] for k, v in self.diagnostics.items()},
            remarks=tuple(self.remarks[i] for i in index.tolist()),
            comparisons=self.comparisons and self.comparisons.select(index, len(self)),
        )

    def at_positions(self, mask: Tensor) -> Tensor:
        """float[N, T]: ``placed``, or the value on a row's last acted position of ``mask``.

        0 on invalid rows, on rows that never acted and have no placement, and where a placed
        reward is missing (NaN); an infinite one is the largest number.
        """
        valid_N1 = self.valid[:, None]
        if self.placed is not None:
            return torch.where(valid_N1, self.placed, 0.0).nan_to_num(0.0)
        acted_after_NT = mask.flip(1).cumsum(1).flip(1)
        return torch.where(valid_N1 & mask & (acted_after_NT == 1), self.value[:, None], 0.0)

    def map(self, change: Callable[[Tensor], Tensor]) -> Scores:
        """The same judgement with ``value`` passed through ``change``; parts stay.

        For scores without placement only: a placed reward needs a rule for every position.
        """
        if self.placed is not None:
            raise ValueError("this shaper changes totals, but the scores are placed at positions")
        return replace(self, value=change(self.value))


def concat_scores(batches: Sequence[Scores]) -> Scores:
    """One ``Scores`` of all rows. Parts and diagnostics missing from a batch are NaN there.

    One without a valid row may lack ``placed`` where others have it.
    """
    if not batches:
        raise ValueError("concat_scores needs at least one batch")
    known = [b.placed for b in batches if b.placed is not None or bool(b.valid.any())]
    if 0 < sum(p is None for p in known) < len(known):
        raise ValueError("cannot join scores: placed is set in some batches and not in others")
    placed = [torch.zeros(len(b), 0) if b.placed is None else b.placed for b in batches]
    width = max(p.shape[1] for p in placed)
    padded = [torch.nn.functional.pad(p, (0, width - p.shape[1])) for p in placed]
    return Scores(
        value=torch.cat([b.value for b in batches]),
        parts=_side_by_side([b.parts for b in batches], batches),
        valid=torch.cat([b.valid for b in batches]),
        reasons=tuple(r for b in batches for r in b.reasons),
        placed=torch.cat(padded) if any(b.placed is not None for b in batches) else None,
        errors=tuple(e for b in batches for e in b.errors),
        diagnostics=_side_by_side([b.diagnostics for b in batches], batches),
        remarks=tuple(r for b in batches for r in b.remarks),
        comparisons=_all_comparisons(batches),
    )


def _side_by_side(
    named: Sequence[Mapping[str, Tensor]], batches: Sequence[Scores]
) -> dict[str, Tensor]:
    names = dict.fromkeys(name for some in named for name in some)
    nothing = [torch.full_like(b.value, INVALID) for b in batches]
    return {
        name: torch.cat([some.get(name, none) for some, none in zip(named, nothing, strict=True)])
        for name in names
    }


def _all_comparisons(batches: Sequence[Scores]) -> Comparisons | None:
    found, before = [], 0
    for b in batches:
        if b.comparisons is not None:
            found.append(b.comparisons.after(before))
        before += len(b)
    return joined(found)
