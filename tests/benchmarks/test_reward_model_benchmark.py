"""The comparison compares equal things: on the same pairs, loss and gradient are the same."""

from __future__ import annotations

import pytest
import torch

trl = pytest.importorskip("trl")

from preferences_against_trl import PairWork, guerdon_pairs  # noqa: E402
from reward_model_against_trl import (  # noqa: E402
    run_guerdon,
    run_trl,
    scalar_model,
    trl_trainer,
)
from turns import alternate  # noqa: E402
from workload import make_tokenizer  # noqa: E402

from guerdon.objectives import BradleyTerry  # noqa: E402
from guerdon.reward_models import RewardModel  # noqa: E402

SMALL = PairWork(prompt=9, completion=5, pairs=3, threads=1)


@pytest.mark.parametrize("centring", [0.0, 0.5])
def test_loss_and_gradient_agree_on_the_same_pairs(tmp_path, centring):
    trainer = trl_trainer(SMALL, str(tmp_path))
    trainer.args.center_rewards_coefficient = centring or None
    batch = next(iter(trainer.get_train_dataloader()))
    assert batch["attention_mask"].shape == (6, 14)
    model = RewardModel(scalar_model(SMALL), make_tokenizer())
    with torch.no_grad():
        for module in (model.model, trainer.model):
            module.score.weight.mul_(20)  # away from log 2
    pairs = guerdon_pairs(SMALL)
    scores = model.score([p.task for p in pairs], [(p.chosen, p.rejected) for p in pairs])
    mine = BradleyTerry(centring=centring)(scores.view(3, 2)).value
    trainer.model.train()
    theirs = trainer.compute_loss(trainer.model, batch)
    assert abs(mine.item() - 0.6931) > 1e-2
    assert mine.item() == pytest.approx(theirs.item(), rel=1e-4)
    mine.backward()
    theirs.backward()
    one, two = (
        torch.cat([p.grad.flatten() for p in module.parameters()])
        for module in (model.model, trainer.model)
    )
    assert one.norm() > 1e-3
    assert torch.allclose(one, two, rtol=1e-3, atol=1e-4 * float(one.abs().max()))


def test_both_take_their_turns():
    sides = alternate({"guerdon": run_guerdon, "trl": run_trl}, SMALL, 2, 1)
    assert all(len(side.seconds) == 2 and min(side.seconds) > 0 for side in sides.values())
