"""A DPO update of guerdon against one of TRL's `DPOTrainer`, on equal work, in turns.

Run: python benchmarks/preferences_against_trl.py [--prompt 512] [--completion 64] [--pairs 8].
Writes benchmarks/results/preferences.json. docs/benchmarks.md says what is equal.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import tyro
from measuring import median_ratio, origin
from turns import Finished, Program, Turns, alternate
from workload import (
    CLIP,
    END,
    RATE,
    TRL_SETTINGS,
    Workload,
    make_model,
    make_prompts,
    make_tokenizer,
)

from guerdon.objectives import DPO
from guerdon.rankings import Ranking
from guerdon.records import Task
from guerdon.rollout import LanguagePolicy
from guerdon.training import AdamW, fit_preferences

BETA = 0.1
MANY = 1_000_000
"""Both loops are asked for more passes over the pairs than they get: the turns end them."""
RESULTS = Path(__file__).parent / "results" / "preferences.json"


@dataclass(frozen=True)
class PairWork:
    """One update's work: ``pairs`` prompts, each with two completions of ``completion`` tokens.

    A completion's last token is the end token.
    """

    model: str = "2M"
    prompt: int = 512
    completion: int = 64
    pairs: int = 8
    threads: int = 2
    seed: int = 0


def make_pairs(work: PairWork) -> list[dict[str, str]]:
    """One update's pairs, of random words."""
    source = random.Random(work.seed + 1)

    def words() -> str:
        return "".join(f" w{source.randrange(1, END)}" for _ in range(work.completion - 1))

    prompts = make_prompts(Workload(prompt_tokens=work.prompt, seed=work.seed), work.pairs)
    return [{"prompt": p, "chosen": words(), "rejected": words()} for p in prompts]


def model_with_end(work: PairWork) -> Any:
    """The workload's model; here the end token belongs to its vocabulary."""
    model = make_model(Workload(work.model, seed=work.seed))
    model.resize_token_embeddings(END + 1, mean_resizing=False)
    return model


def guerdon_pairs(work: PairWork) -> list[Ranking]:
    return [
        Ranking(Task(str(i), pair["prompt"]), (pair["chosen"], pair["rejected"]))
        for i, pair in enumerate(make_pairs(work))
    ]


def run_guerdon(turns: Turns, work: PairWork) -> dict[str, list[float]]:
    policy = LanguagePolicy(model_with_end(work), make_tokenizer())
    fit_in_turns(partial(fit_preferences, policy, guerdon_pairs(work), DPO(beta=BETA)), turns, work)
    return {}


def fit_in_turns(fit: Callable[..., Any], turns: Turns, work: PairWork) -> None:
    """Let one of guerdon's fitting loops take its turns."""
    with suppress(Finished):
        turns.begin()
        fit(
            epochs=MANY,
            batch=work.pairs,
            optimiser=AdamW(lr=RATE, clip=CLIP),
            seed=work.seed,
            report=lambda *_: turns.begin(),
        )


def trl_settings(work: PairWork, folder: str) -> dict[str, Any]:
    """What TRL's trainers on pairs share: the settings that are fastest for them on a CPU."""
    return {
        "output_dir": folder,
        "max_steps": MANY,
        "per_device_train_batch_size": work.pairs,
        "max_length": None,
        "seed": work.seed,
        **TRL_SETTINGS,
    }


def trl_trainer(work: PairWork, folder: str) -> Any:
    """TRL's trainer on the same work."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    return DPOTrainer(
        model=model_with_end(work),
        ref_model=model_with_end(work),
        args=DPOConfig(beta=BETA, **trl_settings(work, folder)),
        train_dataset=Dataset.from_list(make_pairs(work)),
        processing_class=make_tokenizer(),
    )


def run_trl(turns: Turns, work: PairWork) -> dict[str, list[float]]:
    take_turns(trl_trainer, turns, work)
    return {}


def take_turns(make: Callable[[PairWork, str], Any], turns: Turns, work: PairWork) -> None:
    """Let the trainer that ``make`` makes take its turns in a folder that is then removed."""
    import transformers

    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore", FutureWarning)

    class InTurn(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            turns.begin()

    with tempfile.TemporaryDirectory() as folder:
        trainer = make(work, folder)
        trainer.add_callback(InTurn())
        with suppress(Finished):
            trainer.train()


@dataclass(frozen=True)
class Options(PairWork):
    """Compare an update on preference pairs with TRL's.

    Attributes:
        rounds: measured updates of each side.
        warm_up: updates before them.
        out: the JSON file.
    """

    rounds: int = 12
    warm_up: int = 3
    out: Path = RESULTS


def main() -> None:
    compare({"guerdon": run_guerdon, "trl": run_trl}, tyro.cli(Options))


def compare(programs: Mapping[str, Program], options: Options) -> None:
    """Measure, print and write what two programs take for the same pairs."""
    source = origin(sys.argv, versions=("trl",))
    sides = alternate(programs, options, options.rounds, options.warm_up)
    ratio, processor = (
        median_ratio(*(getattr(side, kind) for side in sides.values()))
        for kind in ("seconds", "processor")
    )
    for name, side in sides.items():
        print(f"{name}: {statistics.median(side.seconds):.3f} s, peak {side.memory_peak:.0f} MiB")
    print(f"guerdon / trl: {ratio} of the time per update, {processor} of the processor time")
    found = {
        **source,
        "work": {k: v for k, v in asdict(options).items() if k != "out"},
        "ratio": asdict(ratio),
        "processor_ratio": asdict(processor),
        "sides": {name: asdict(side) for name, side in sides.items()},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
