"""`Learner.descend_in_pieces`: the update is the uncut one's, in any number of processes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from kills.entries import Written
from torch import Tensor, nn

from guerdon.records import Loss
from guerdon.training import Learner, PreferenceRecipe, RewardModelRecipe
from guerdon.training.optimisers import SGD
from guerdon.training.update import ALONE, Shard


class Line(nn.Module):
    """A model of three weights that says two numbers of an item."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.3, -0.7, 0.2], dtype=torch.float64))

    @property
    def module(self) -> nn.Module:
        return self

    def said(self, items: Tensor) -> Tensor:
        """float64[n, 2]"""
        x = items.double()
        first = self.weight[0] * x + self.weight[1] * x.cos()
        return torch.stack([first, (self.weight[2] * x).sin()], 1)


def disco(said: Tensor) -> Loss:
    """As DisCO couples: a log of a sum over one half against the other, and a squared hinge."""
    good, bad = said[::2, 0], said[1::2, 0]
    hinge = (said[:, 1].mean() - 0.01).clamp(min=0) ** 2
    return Loss(bad.exp().sum().log() - good.mean() + 5 * hinge, {"hinge": float(hinge.detach())})


def pairs(said: Tensor) -> Loss:
    """DPO's: the first number of an item is the chosen one's, the second the rejected one's."""
    margin = said[:, 0] - said[:, 1]
    return Loss(-torch.nn.functional.logsigmoid(margin).mean(), {"margin": float(margin.mean())})


def spread(said: Tensor) -> Loss:
    """Of all items together, as a whitened batch is."""
    return Loss((said - said.mean(0)).pow(2).mean().sqrt() * said.sum(), {})


LOSSES: dict[str, Callable[[Tensor], Loss]] = {"disco": disco, "pairs": pairs, "spread": spread}


def descended(
    loss: Callable[[Tensor], Loss], items: Tensor, microbatch: int, shard: Shard = ALONE
) -> tuple[Tensor, dict[str, float]]:
    """The weights after one update, and its figures."""
    model = Line()
    learner = Learner(model, SGD(lr=0.1, clip=0.0), shard)
    figures = learner.descend_in_pieces(model.said, items, loss, microbatch)
    return model.weight.detach(), figures


def together(world: int, work: Callable[[Shard], Any]) -> list[Any]:
    """What ``work`` gives in each of so many processes; these are threads that wait for another."""
    gate, shelf, found = threading.Barrier(world, timeout=60), [None] * world, [None] * world

    def begin(rank: int) -> None:
        def gather(thing: Any) -> list[Any]:
            shelf[rank] = thing
            gate.wait()
            everyone = list(shelf)
            gate.wait()
            return everyone

        def total(tensor: Tensor) -> Tensor:
            return torch.stack(gather(tensor)).sum(0)

        found[rank] = work(Shard(rank, world, total, gather))

    workers = [threading.Thread(target=begin, args=(rank,)) for rank in range(world)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    return found


@pytest.mark.parametrize("items", [8, 7, 2])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_number_of_processes_and_pieces_is_the_uncut_update(loss: str, items: int) -> None:
    order = torch.arange(items).flip(0)
    whole, figures = descended(LOSSES[loss], order, 0)
    assert (whole - Line().weight).abs().max() > 1e-4
    for world in (1, 2, 3):
        for microbatch in (0, 1, 3):
            for weight, told in together(
                world, lambda shard, m=microbatch: descended(LOSSES[loss], order, m, shard)
            ):
                assert (weight - whole).abs().max() < 1e-12
                assert told == pytest.approx(figures, rel=1e-9, abs=1e-12)


def test_losses_of_the_pieces_alone_would_be_another_update() -> None:
    """What the second pass is for: each piece's own loss, summed, leads elsewhere."""
    order = torch.arange(8)
    whole, _ = descended(disco, order, 0)
    model = Line()
    for piece in order.split(4):
        (disco(model.said(piece)).value / 2).backward()
    assert model.weight.grad is not None
    assert (model.weight.detach() - 0.1 * model.weight.grad - whole).abs().max() > 1e-3


SETTINGS: dict[str, Any] = {"batch": 4, "epochs": 1, "checkpoint_every": 0, "microbatch": 1}
SCRIPT = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from kills.entries import Written
from guerdon.training import PreferenceRecipe, RewardModelRecipe
folder = Path(sys.argv[1])
PreferenceRecipe(Written(), **{SETTINGS}).run(folder / "pairs", quiet=True)
RewardModelRecipe(Written(), **{SETTINGS}).run(folder / "rankings", quiet=True)
"""


@pytest.mark.timeout(300)
def test_two_processes_learn_from_pairs_as_one_does(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    subprocess.run([*launch, str(script), str(tmp_path / "two")], check=True, timeout=240)
    for kind, recipe in (("pairs", PreferenceRecipe), ("rankings", RewardModelRecipe)):
        recipe(Written(), **SETTINGS).run(tmp_path / "one" / kind, quiet=True)
        one, two = (
            [json.loads(line) for line in (tmp_path / n / kind / "metrics.jsonl").open()]
            for n in ("one", "two")
        )
        assert len(one) == len(two) == 2
        for a, b in zip(one, two, strict=True):
            assert a.keys() == b.keys()
            assert {k: v for k, v in a.items() if k != "seconds"} == pytest.approx(
                {k: v for k, v in b.items() if k != "seconds"}, abs=2e-4
            )
        assert one[0]["grad_norm"] > 0
