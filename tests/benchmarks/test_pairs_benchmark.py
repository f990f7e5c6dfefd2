"""The comparison compares equal things: on the same pairs, loss and gradient are the same."""

from __future__ import annotations

import pytest
import torch

trl = pytest.importorskip("trl")

from preferences_against_trl import (  # noqa: E402
    BETA,
    PairWork,
    guerdon_pairs,
    model_with_end,
    run_guerdon,
    run_trl,
    trl_trainer,
)
from turns import alternate  # noqa: E402
from workload import make_tokenizer  # noqa: E402

from guerdon.objectives import DPO  # noqa: E402
from guerdon.rollout import LanguagePolicy  # noqa: E402
from guerdon.training.preference import pairs_to_rollouts  # noqa: E402

SMALL = PairWork(prompt=9, completion=5, pairs=3, threads=1)


def test_loss_and_gradient_agree_on_the_same_pairs(tmp_path):
    trainer = trl_trainer(SMALL, str(tmp_path))
    batch = next(iter(trainer.get_train_dataloader()))
    policy = LanguagePolicy(model_with_end(SMALL), make_tokenizer())
    both = pairs_to_rollouts(policy, guerdon_pairs(SMALL))
    assert both.lengths.tolist() == [5] * 6
    assert int(batch["completion_mask"].sum()) == 30
    # Both references are the model itself; moved away from it, the loss is not log 2.
    with torch.no_grad():
        reference = policy.forward(both).logps.sum(1).chunk(2)
        for model in (policy.model, trainer.model):
            for p in model.parameters():
                p.mul_(1.5)
    mine = DPO(beta=BETA)(*policy.forward(both).logps.sum(1).chunk(2), *reference).value
    trainer.model.train()
    theirs = trainer.compute_loss(trainer.model, batch)
    assert abs(mine.item() - 0.6931) > 1e-3
    assert mine.item() == pytest.approx(theirs.item(), rel=1e-4)
    mine.backward()
    theirs.backward()
    one, two = (
        torch.cat([p.grad.flatten() for p in model.parameters()])
        for model in (policy.model, trainer.model)
    )
    assert one.norm() > 1e-3
    assert torch.allclose(one, two, rtol=1e-3, atol=1e-4 * float(one.abs().max()))


def test_both_take_their_turns():
    sides = alternate({"guerdon": run_guerdon, "trl": run_trl}, SMALL, 2, 1)
    assert all(len(side.seconds) == 2 and min(side.seconds) > 0 for side in sides.values())
