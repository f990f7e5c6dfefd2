"""What every sampler promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from guerdon.contracts import check_sampler
from guerdon.records import Progress, Rollouts, Task
from guerdon.rollout import SAMPLERS, Groups, LanguagePolicy, Table
from guerdon.schedules import Steps
from guerdon.stages import Policy, Sampling


@pytest.mark.parametrize("kind", SAMPLERS.values(), ids=SAMPLERS.keys())
def test_the_contract(kind: Any) -> None:
    check_sampler(kind())
    check_sampler(kind(3, Sampling(max_tokens=4), portion=1))


def test_the_contract_with_policies_of_ours() -> None:
    tasks = [Task(name, "", columns={"choices": "AB"}) for name in "ab"]
    check_sampler(Groups(2), Table().load(tasks), [tasks[0], replace(tasks[1], samples=3)])
    check_sampler(Groups(2, Sampling(max_tokens=4)), LanguagePolicy.load(), [Task("a", "1+1=")])


def one_each(policy: Policy, tasks: Sequence[Task], progress: Progress, seed: int) -> Rollouts:
    return policy.sample(tasks, 1, Sampling(), seed)


def test_a_function_is_held_to_it() -> None:
    check_sampler(one_each)


@dataclass(frozen=True)
class Broken:
    """Two rows a task, broken as it is told."""

    broken: str
    portion: int = 0
    calls: list[int] = field(default_factory=list, init=False, compare=False)

    def __call__(self, policy: Policy, tasks: Sequence[Task], progress: Progress, seed: int) -> Any:
        if self.broken == "raises":
            raise LookupError("no rows")
        if self.broken == "beside":
            seed += len(tasks)
        if self.broken == "chance":
            seed = int(torch.randint(1 << 30, ()))
        rows = policy.sample(tasks, 2, Sampling(), seed)
        if self.broken == "order":
            return rows.select(torch.arange(len(rows)).flip(0))
        if self.broken == "mask":
            return replace(rows, lengths=rows.lengths - 1)
        if self.broken == "width":
            return replace(rows, lengths=rows.lengths + 9)
        if self.broken == "logps":
            return replace(rows, logps=torch.full(rows.mask.shape, -1.0))
        if self.broken == "above":
            return replace(rows, logps=rows.mask.float())
        return rows.texts if self.broken == "texts" else rows


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("raises", r"it raises LookupError \(no rows\) on 4 tasks"),
        ("beside", "asked for t0 alone, it draws other rows"),
        ("chance", "asked again with the same seed, it draws other rows"),
        ("order", "ordered by task"),
        ("mask", "a row acts beyond its length"),
        ("width", "a row is longer than 4 positions"),
        ("logps", "it gives log-probs where nothing was done"),
        ("above", "it gives log-probs above 0"),
        ("texts", "a sampler returns Rollouts, not tuple"),
    ],
)
def test_what_is_broken_is_told(broken: str, told: str) -> None:
    with pytest.raises(AssertionError, match=f"^Broken: .*{told}"):
        check_sampler(Broken(broken))


def test_a_size_that_is_a_schedule_is_written_and_read_back() -> None:
    from guerdon.contracts.promises import check_written_and_read_back

    check_written_and_read_back(Groups(Steps((2, 4))))
