"""A GRPO step of guerdon against one of TRL's `GRPOTrainer`, on equal work, in turns.

Run: python benchmarks/grpo_against_trl.py [--grid] [--help]. docs/benchmarks.md says what is
compared and what the figures mean.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
import tyro
from growth import draw_growth
from measuring import Comparison, compare, origin, write_results
from rich.console import Console
from turns import Finished, Turns
from workload import (
    CLIP,
    RATE,
    TRL_SETTINGS,
    Workload,
    make_model,
    make_prompts,
    make_tokenizer,
    sevens,
)

from guerdon.records import Rollouts, Task
from guerdon.report import read_metrics
from guerdon.rewards import reward
from guerdon.rollout import Groups, LanguagePolicy
from guerdon.stages import Sampling
from guerdon.training import AdamW, Loop, PolicyRecipe, train

MANY_STEPS = 1_000_000
"""Both loops are asked for more steps than they get: the turns end them."""
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Prompts:
    """The workload's prompts as tasks; nothing is held out."""

    work: Workload

    def load(self, split: str) -> Sequence[Task]:
        if split != "train":
            return ()
        return [Task(str(i), text) for i, text in enumerate(make_prompts(self.work))]


class TurnTakingPolicy(LanguagePolicy):
    """Waits for its turn before it samples, which is where a step begins."""

    turns: Turns

    def sample(
        self, tasks: Sequence[Task], group_size: int, sampling: Sampling, seed: int
    ) -> Rollouts:
        self.turns.begin()
        return super().sample(tasks, group_size, sampling, seed)


def guerdon_recipe(work: Workload) -> PolicyRecipe:
    """GRPO as `guerdon train` runs it by default, at the workload's sizes."""
    return PolicyRecipe(
        tasks=Prompts(work),
        reward=reward(sevens),
        sampler=Groups(work.group_size, Sampling(max_tokens=work.completion_tokens)),
        optimiser=AdamW(lr=RATE, clip=CLIP),
        loop=Loop(
            steps=MANY_STEPS,
            groups=work.prompts,
            microbatch=work.microbatch,
            checkpoint_every=0,
            seed=work.seed,
        ),
    )


def run_guerdon(turns: Turns, work: Workload) -> dict[str, list[float]]:
    """The whole loop with its run folder; the split of time is the loop's own."""
    policy = TurnTakingPolicy(make_model(work), make_tokenizer())
    policy.turns = turns
    with tempfile.TemporaryDirectory() as folder:
        with suppress(Finished):
            train(guerdon_recipe(work), Path(folder) / "run", policy=policy, quiet=True)
        history = read_metrics(Path(folder) / "run")
    parts = {
        part: [step[f"seconds/{part}"] for step in history]
        for part in ("sampling", "scoring", "update")
    }
    parts["sampling"] = [s - w for s, w in zip(parts["sampling"], turns.waits, strict=False)]
    return parts


def trl_trainer(work: Workload, folder: str) -> Any:
    """TRL's trainer on the same work, with the settings that are fastest for it on a CPU."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    def score(completions: list[str], **_: Any) -> list[float]:
        return [sevens(text) for text in completions]

    arguments = GRPOConfig(
        output_dir=folder,
        max_steps=MANY_STEPS,
        per_device_train_batch_size=work.microbatch,
        gradient_accumulation_steps=work.rows // work.microbatch,
        num_generations=work.group_size,
        max_completion_length=work.completion_tokens,
        seed=work.seed,
        **TRL_SETTINGS,
    )
    return GRPOTrainer(
        model=make_model(work),
        reward_funcs=score,
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": make_prompts(work)}),
        processing_class=make_tokenizer(),
    )


def run_trl(turns: Turns, work: Workload) -> dict[str, list[float]]:
    """The trainer's own loop; its methods are timed from outside.

    Sampling is ``_generate`` (tokenising and decoding included, as on the other side), scoring
    ``_calculate_rewards``, and update all of a step after its inputs are prepared: forward,
    backward, clipping, optimiser.
    """
    import transformers

    # What it warns of is its own: the old name of a setting, and our unusual end token.
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore", FutureWarning)
    seconds: dict[str, list[float]] = {"sampling": [], "scoring": [], "update": []}
    spent: dict[str, float] = {}

    class InTurn(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            turns.begin()
            spent.update(sampling=0.0, scoring=0.0, preparing=0.0, began=time.perf_counter())

        def on_step_end(self, *_: Any, **__: Any) -> None:
            whole = time.perf_counter() - spent["began"]
            spent["update"] = whole - spent["preparing"]
            for part, values in seconds.items():
                values.append(spent[part])

    with tempfile.TemporaryDirectory() as folder:
        trainer = trl_trainer(work, folder)
        _time(trainer, "_generate", spent, "sampling")
        _time(trainer, "_calculate_rewards", spent, "scoring")
        _time(trainer, "_prepare_inputs", spent, "preparing")
        trainer.add_callback(InTurn())
        with suppress(Finished):
            trainer.train()
    return seconds


def _time(trainer: Any, method: str, spent: dict[str, float], part: str) -> None:
    """Add the time of every call of a method to ``spent[part]``."""
    plain = getattr(trainer, method)

    def timed(*arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        result = plain(*arguments, **named)
        spent[part] += time.perf_counter() - began
        return result

    setattr(trainer, method, timed)


@dataclass(frozen=True)
class Options:
    """Compare a GRPO step with TRL's. Several values of a size give every combination.

    Attributes:
        model: 2M, 25M.
        prompt: tokens of a prompt.
        group: completions of a prompt.
        completion: tokens of a completion.
        prompts: prompts of a step.
        rounds: measured steps of each side.
        warm_up: steps before them.
        threads: threads of each side; 0 = one per core.
        grid: the growth curves of each model: prompts of 16 to 2048 tokens, groups of 4 to 32.
        out: the JSON file; the picture is written beside it.
    """

    model: tuple[str, ...] = ("2M",)
    prompt: tuple[int, ...] = (6,)
    group: tuple[int, ...] = (8,)
    completion: int = 32
    prompts: int = 8
    rounds: int = 20
    warm_up: int = 3
    threads: int = 0
    grid: bool = False
    out: Path = RESULTS / "grpo-short.json"


def workloads(options: Options) -> list[Workload]:
    """Every combination of the sizes asked for; with ``grid``, the two lines of the curves."""
    sizes = list(product(options.model, options.prompt, options.group))
    if options.grid:
        lines = [(p, 8) for p in (16, 128, 512, 2048)] + [(512, g) for g in (4, 16, 32)]
        sizes = [(model, p, g) for model in options.model for p, g in lines]
    threads = options.threads or torch.get_num_threads()
    return [
        Workload(model, prompt, options.completion, options.prompts, group, threads)
        for model, prompt, group in sizes
    ]


def main() -> None:
    """Measure, print the table, write JSON (and, where something grows, a picture)."""
    options = tyro.cli(Options)
    console = Console()
    programs = {"guerdon": run_guerdon, "trl": run_trl}
    source = origin(sys.argv, versions=("trl",))
    done: list[Comparison] = []
    for work in workloads(options):
        done.append(compare(programs, work, options.rounds, options.warm_up, console))
        write_results(options.out, done, source)
    console.print(f"written to {options.out}")
    picture = draw_growth(options.out)
    if picture is not None:
        console.print(f"drawn in {picture}")


if __name__ == "__main__":
    main()
