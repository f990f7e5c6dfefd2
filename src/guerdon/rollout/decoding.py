"""The decoding loop: one prefill per context, finished rows retired, waiting ones let in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from guerdon.keyed import uniforms
from guerdon.models.image_inputs import Inputs
from guerdon.models.row_engines import RowEngine, row_engine
from guerdon.records import Ending
from guerdon.rollout.drawing import choose
from guerdon.stages import Sampling

RETIRE_BELOW = 0.75
"""Finished rows are dropped when fewer than this share of the rows still runs."""


@dataclass(frozen=True)
class Continuations:
    """ids long[N, T] right-padded with 0, lengths long[N], logps float[N, T], N endings."""

    ids: Tensor
    lengths: Tensor
    logps: Tensor
    endings: tuple[Ending, ...]


def decode(
    model: Any,
    contexts: Sequence[Tensor],
    fan: list[int],
    keys: Sequence[int],
    sampling: Sampling,
    seed: int,
    *,
    end: list[int],
    pad: int,
    text_of: Callable[[Tensor], str],
    inputs: Sequence[Inputs] | None = None,
) -> Continuations:
    """Continue ``contexts[fan[i]]`` for every row i by at most ``sampling.max_tokens`` tokens.

    ``inputs`` are what the model reads beside each context, if any shows images. The token that
    ends a completion is part of it. It ends so, by a stop string or at the length limit. At most
    ``sampling.max_rows`` rows run at a time; rows that wait take the places of finished ones.
    Raises ValueError for a context without tokens.
    """
    if any(len(contexts[c]) == 0 for c in fan):
        raise ValueError("a context to continue has no tokens; begin it with the end-of-text token")
    pages = _Pages(len(fan), keys, sampling, seed, model.device, end, text_of)
    waiting = sorted(range(len(fan)), key=fan.__getitem__) if sampling.max_tokens else []
    if not waiting:
        return pages.continuations()
    most = sampling.max_rows or len(fan)
    live = torch.zeros(0, dtype=torch.long, device=model.device)  # the rows of the engine
    logits = torch.zeros(0)
    with torch.inference_mode():
        engine = row_engine(model, pad)
        while waiting or len(live):
            room = most - len(live) if engine.refills or not len(live) else 0
            taken = _take(waiting, fan, room, idle=not len(live))
            if taken:
                fresh = _admit(engine, contexts, inputs, [fan[i] for i in taken], model.device)
                logits = torch.cat([logits, fresh]) if len(live) else fresh
                live = torch.cat([live, torch.tensor(taken, device=live.device)])
            token = pages.write(live, logits)
            running = ~pages.done[live]
            still = int(running.sum())
            if still < RETIRE_BELOW * len(live):
                kept = running.nonzero().flatten()
                live, token = live[kept], token[kept]
                engine.keep(kept)
            if still:
                logits = engine.step(token)
    return pages.continuations()


class _Pages:
    """What N rows have written so far, and which of them are done."""

    def __init__(
        self,
        n: int,
        keys: Sequence[int],
        sampling: Sampling,
        seed: int,
        device: torch.device,
        end: list[int],
        text_of: Callable[[Tensor], str],
    ) -> None:
        limit = sampling.max_tokens
        self.sampling = sampling
        self.ids = torch.zeros(n, limit, dtype=torch.long, device=device)
        self.logps = torch.zeros(n, limit, device=device)
        self.lengths = torch.zeros(n, dtype=torch.long, device=device)
        self.ended = torch.zeros(n, dtype=torch.bool, device=device)
        self.stopped: set[int] = set()
        self.done = torch.zeros(n, dtype=torch.bool, device=device)
        self.uniform = uniforms(seed, keys, limit).to(device)
        self.end = torch.tensor(end, device=device)
        self.text_of = text_of
        self.may_stop: dict[int, bool] = {}

    def write(self, rows: Tensor, logits: Tensor) -> Tensor:
        """One more token in each of these rows that is not done; long[n], the tokens."""
        running = ~self.done[rows]
        at = self.lengths[rows].clamp_max(self.ids.shape[1] - 1)
        token, logp = choose(logits, self.uniform[rows, at], self.sampling)
        writing, at, written = rows[running], at[running], token[running]
        self.ids[writing, at] = written
        self.logps[writing, at] = logp[running].to(self.logps.dtype)
        self.lengths[writing] = at + 1
        self.ended[writing] = torch.isin(written, self.end)
        if self.sampling.stop:
            self._stop(writing.tolist(), at.tolist(), written.tolist())
        self.done[writing] |= self.ended[writing] | (at + 1 == self.ids.shape[1])
        return token

    def _stop(self, rows: list[int], at: list[int], tokens: list[int]) -> None:
        """Finish rows whose text ends with a stop string (seen in the last few tokens)."""
        longest = max(len(s) for s in self.sampling.stop)
        for row, last, token in zip(rows, at, tokens, strict=True):
            if not self._may_stop(token):
                continue
            # No token is shorter than one byte, so this many tokens cover the longest stop string.
            tail = self.text_of(self.ids[row, max(0, last + 1 - 4 * longest) : last + 1])
            # An earlier stop string would have ended the row already.
            if any(s in tail for s in self.sampling.stop):
                self.done[row] = True
                self.stopped.add(row)

    def _may_stop(self, token: int) -> bool:
        """Whether the token could be the last of a stop string: it shows one's last character.

        Spaces at a token's edge and parts of a character show only beside other tokens.
        """
        if token not in self.may_stop:
            text = self.text_of(torch.tensor([token]))
            lasts = {s[-1] for s in self.sampling.stop}
            self.may_stop[token] = (
                any(c in text for c in lasts) or "\ufffd" in text or any(map(str.isspace, lasts))
            )
        return self.may_stop[token]

    def continuations(self) -> Continuations:
        width = int(self.lengths.max()) if len(self.lengths) else self.ids.shape[1]
        return Continuations(
            self.ids[:, :width].cpu(),
            self.lengths.cpu(),
            self.logps[:, :width].cpu(),
            tuple(
                Ending.STOP_STRING
                if row in self.stopped and not ended
                else Ending.FINISHED
                if ended
                else Ending.TOKEN_LIMIT
                for row, ended in enumerate(self.ended.tolist())
            ),
        )


def _admit(
    engine: RowEngine,
    contexts: Sequence[Tensor],
    inputs: Sequence[Inputs] | None,
    fan: list[int],
    device: torch.device,
) -> Tensor:
    """Lets rows in that continue ``contexts[fan[i]]``, ``fan`` ascending; their logits [n, V]."""
    used, group = torch.unique(torch.tensor(fan), return_inverse=True)
    seen = None if inputs is None else [inputs[c] for c in used.tolist()]
    return engine.admit([contexts[c] for c in used.tolist()], group.to(device), seen)


def _take(waiting: list[int], fan: list[int], room: int, *, idle: bool) -> list[int]:
    """Removes and returns the rows to let in: whole contexts, in order, while they fit.

    When nothing runs, a context with more rows than there is room for is split.
    """
    taken: list[int] = []
    for _, rows in groupby(waiting, key=fan.__getitem__):
        group = list(rows)
        if len(taken) + len(group) > room:
            if idle and not taken:
                taken = group[:room]
            break
        taken += group
    del waiting[: len(taken)]
    return taken
