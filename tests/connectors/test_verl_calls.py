"""verl's own reward managers load and call an exported reward (docs/connectors.md says how)."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("verl", reason="verl has an environment of its own: docs/connectors.md")
from omegaconf import OmegaConf
from tensordict import TensorDict
from verl import DataProto
from verl.trainer.ppo.reward import get_custom_reward_fn, load_reward_manager
from verl.workers.reward_manager.batch import BatchRewardManager

FILE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from connected import BOTH, Z
from guerdon.connectors import verl
compute_score = verl.export(BOTH, invalid=-1.0, parts=["right"])
compute_scores = verl.export_batch(Z)
"""
TEXTS = ["4", "55", "crash", "7"]


class Tokenizer:
    """A character a token; 0 is padding."""

    def decode(self, ids, skip_special_tokens=True):
        return "".join(chr(i) for i in torch.as_tensor(ids).tolist() if i)


def batch() -> DataProto:
    rows = len(TEXTS)
    ids = torch.zeros(rows, 6, dtype=torch.long)
    for row, text in enumerate(TEXTS):
        ids[row, : len(text)] = torch.tensor([ord(c) for c in text])
    prompts = torch.full((rows, 3), ord("?"))
    mask = torch.cat([torch.ones(rows, 3), (ids > 0).long()], 1).long()
    held = {"prompts": prompts, "responses": ids, "attention_mask": mask}
    objects = [{"index": i, "split": "train"} for i in (0, 0, 0, 1)]
    golds = [{"ground_truth": gold} for gold in ("4", "4", "4", "7")]
    return DataProto(
        batch=TensorDict(held, batch_size=rows),
        non_tensor_batch={
            "data_source": np.array(["sums"] * rows, dtype=object),
            "reward_model": np.array(golds, dtype=object),
            "extra_info": np.array(objects, dtype=object),
        },
    )


def configuration(folder: Path, name: str):
    file = folder / "my_reward.py"
    file.write_text(FILE)
    manager = {"source": "register", "name": "naive"}
    custom = {"path": str(file), "name": name, "reward_kwargs": {}}
    return OmegaConf.create(
        {"reward": {"reward_manager": manager, "custom_reward_function": custom}}
    )


def test_the_reward_loops_manager_scores_rows_at_once(tmp_path):
    manager = load_reward_manager(configuration(tmp_path, "compute_score"), Tokenizer())
    data = batch()

    async def run():
        return await asyncio.gather(*(manager.run_single(data[i : i + 1]) for i in range(4)))

    found = manager.loop.run_until_complete(run())
    assert [one["reward_score"] for one in found] == pytest.approx([1.99, -0.02, -1.0, 1.99])
    extra = [one["reward_extra_info"] for one in found]
    assert [one["valid"] for one in extra] == [1, 1, 0, 1]
    assert math.isnan(extra[2]["part/right"])
    placed = manager.assemble_rm_scores(data, [one["reward_score"] for one in found])
    assert placed.sum(1).tolist() == pytest.approx([1.99, -0.02, -1.0, 1.99])


def test_the_batch_manager_gives_whole_groups(tmp_path):
    compute_scores = get_custom_reward_fn(configuration(tmp_path, "compute_scores"))
    manager = BatchRewardManager(Tokenizer(), num_examine=0, compute_score=compute_scores)
    found = manager(batch(), return_dict=True)
    totals = found["reward_tensor"].sum(1)
    assert totals.tolist() == pytest.approx([1, -1, 0, 0], abs=1e-5)
    assert found["reward_tensor"][1, 1] == totals[1]  # on the last token
    assert found["reward_extra_info"]["valid"] == [1, 1, 0, 1]
