"""An update of a reward model by guerdon against one by TRL's `RewardTrainer`, on equal work.

Run: python benchmarks/reward_model_against_trl.py [--prompt 512] [--completion 64] [--pairs 8].
Writes benchmarks/results/reward-model.json. docs/benchmarks.md says what is equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import tyro
from preferences_against_trl import (
    Options,
    PairWork,
    compare,
    fit_in_turns,
    guerdon_pairs,
    make_pairs,
    model_with_end,
    take_turns,
    trl_settings,
)
from turns import Turns
from workload import make_tokenizer

from guerdon.objectives import BradleyTerry
from guerdon.reward_models import RewardModel
from guerdon.training import fit_rankings


def scalar_model(work: PairWork) -> Any:
    """The workload's decoder with a head of one output, the same for the same seed."""
    from transformers import LlamaForSequenceClassification

    language_model = model_with_end(work)
    config = language_model.config
    config.num_labels = 1
    torch.manual_seed(work.seed)
    model = LlamaForSequenceClassification(config)
    model.model.load_state_dict(language_model.model.state_dict())
    return model


def run_guerdon(turns: Turns, work: PairWork) -> dict[str, list[float]]:
    model = RewardModel(scalar_model(work), make_tokenizer())
    rankings = guerdon_pairs(work)
    fit_in_turns(partial(fit_rankings, model, rankings, BradleyTerry()), turns, work)
    return {}


def trl_trainer(work: PairWork, folder: str) -> Any:
    """TRL's trainer on the same work."""
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    return RewardTrainer(
        model=scalar_model(work),
        args=RewardConfig(**trl_settings(work, folder)),
        train_dataset=Dataset.from_list(make_pairs(work)),
        processing_class=make_tokenizer(),
    )


def run_trl(turns: Turns, work: PairWork) -> dict[str, list[float]]:
    take_turns(trl_trainer, turns, work)
    return {}


@dataclass(frozen=True)
class RewardModelOptions(Options):
    """Compare an update of a reward model with TRL's.

    Attributes:
        rounds: measured updates of each side.
        warm_up: updates before them.
        out: the JSON file.
    """

    out: Path = Path(__file__).parent / "results" / "reward-model.json"


if __name__ == "__main__":
    compare({"guerdon": run_guerdon, "trl": run_trl}, tyro.cli(RewardModelOptions))
