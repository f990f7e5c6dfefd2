"""Data parallelism through accelerate: who am I, how do we add up."""

from __future__ import annotations

import os
from typing import Any, cast

import torch
from torch import Tensor

from guerdon.training.update import ALONE, Shard


def processes() -> Shard:
    """The place of this process in an ``accelerate launch``; `ALONE` outside one."""
    if int(os.environ.get("WORLD_SIZE", "1")) <= 1:
        return ALONE
    from accelerate import Accelerator
    from accelerate.utils import gather_object

    accelerator = Accelerator(cpu=not torch.cuda.is_available())

    def total(tensor: Tensor) -> Tensor:
        return cast(Tensor, accelerator.reduce(tensor, reduction="sum"))

    def gather(thing: Any) -> list[Any]:
        return list(gather_object([thing]))

    return Shard(accelerator.process_index, accelerator.num_processes, total, gather)
