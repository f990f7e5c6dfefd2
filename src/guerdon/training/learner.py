"""What learns: weights, their optimiser and its guard, as one memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from guerdon.records import Loss, Progress
from guerdon.training.allocator import keep_freed_memory
from guerdon.training.checkpoint import trained_state
from guerdon.training.optimisers import Optimiser, Trainable, trainable
from guerdon.training.update import ALONE, Guard, Shard, apply_gradients, share_gradients

M = TypeVar("M", bound=Trainable)


class Learner(Generic[M]):
    """A model with the optimiser that moves it and the guard that refuses bad updates."""

    def __init__(self, model: M, settings: Optimiser, shard: Shard = ALONE) -> None:
        keep_freed_memory()
        self.model, self.settings, self.shard = model, settings, shard
        self.optimiser = settings.start(model)
        self.guard = Guard(settings.max_bad_updates, settings.skip_above)

    def begin(self, progress: Progress) -> float:
        """Set and return the learning rate of this step."""
        return self.settings.follow(self.optimiser, progress)

    def descend(self, loss: Loss) -> dict[str, float]:
        """One update down a whole batch's loss: its figures and those of `apply_gradients`."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.value.backward()
        return self._apply(loss)

    def descend_in_pieces(
        self,
        said: Callable[[Tensor], Tensor],
        items: Tensor,
        loss_of: Callable[[Tensor], Loss],
        microbatch: int = 0,
    ) -> dict[str, float]:
        """One update down ``loss_of`` what the model says of ``items`` long[n].

        ``said(some)`` is float[m, ...] of some of the items; what it says of all, one after the
        other, is what the loss is of. With ``microbatch`` (0 = all at once) so many items at a
        time, and with several processes, there are two passes: one without gradient, after
        which the loss and its gradient at all that was said are computed once, and one that
        carries this through the model piece by piece. So the update is the uncut one's, even of a
        loss that compares items.
        """
        mine = items.tensor_split(self.shard.world)[self.shard.rank]
        pieces = mine.split(microbatch or max(len(mine), 1)) if len(mine) else ()
        if len(pieces) <= 1 and self.shard.world == 1:
            return self.descend(loss_of(said(items)))
        self.optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            own = [said(piece) for piece in pieces]
        shares = self.shard.gather(torch.cat(own) if own else None)
        all_N = torch.cat([share for share in shares if share is not None]).requires_grad_()
        loss = loss_of(all_N)
        loss.value.backward()
        assert all_N.grad is not None
        sizes = [0 if share is None else len(share) for share in shares]
        gradient = all_N.grad.split(sizes)[self.shard.rank]
        for piece, carried in zip(pieces, gradient.split([len(s) for s in own]), strict=True):
            said(piece).backward(carried)
        share_gradients(trainable(self.model), self.shard)
        return self._apply(loss)

    def _apply(self, loss: Loss) -> dict[str, float]:
        figures = {"loss": float(loss.value.detach()), **loss.metrics}
        clip = self.settings.clip
        return figures | apply_gradients(self.model, self.optimiser, self.guard, clip)

    def state_dict(self) -> dict[str, Any]:
        return {
            "weights": trained_state(self.model),
            "optimiser": self.optimiser.state_dict(),
            "guard": self.guard.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.model.module.load_state_dict(state["weights"], strict=False)
        self.optimiser.load_state_dict(state["optimiser"])
        self.guard.load_state_dict(state["guard"])
