"""The command line: ``guerdon train | sample | evaluate | score | serve | reproduce | ...``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as Bar
from rich.table import Table

from guerdon.claims import load_claim
from guerdon.cli import reward_commands
from guerdon.cli.arguments import (
    OVERRIDES,
    PREFERENCES,
    UsageError,
    none_left,
    own_output,
    preference_recipe_from,
    reading_arguments,
    recipe_from,
    reward_model_recipe_from,
    show_foreign,
    take_options,
    whole_number,
)
from guerdon.cli.audit_command import audit_command
from guerdon.cli.showing import show_reproduction, shown
from guerdon.failures import RewardFailed, refuse_failing, tally, too_many
from guerdon.judging import judged
from guerdon.parsing.visible import visible
from guerdon.ranges import PositiveInt, Seed, between
from guerdon.recipes import all_recipes
from guerdon.records import Progress
from guerdon.rollout import EndpointError
from guerdon.training import (
    TrainingStopped,
    check_start,
    describe_held_out,
    held_out_summary,
    train,
    train_on_pairs,
    train_reward_model,
)
from guerdon.training import evaluate as evaluate_policy
from guerdon.training.policies import load_policy
from guerdon.training.resuming import recipe_to_resume
from guerdon.training.run_folder import plain

HELP = """guerdon: reward-driven post-training.

  guerdon train        train a model by a recipe (no arguments: the seedling, by GRPO)
  guerdon sample       print completions of a model
  guerdon evaluate     held-out result of a model, with its interval
  guerdon score        score saved completions with a reward
  guerdon serve        a reward over HTTP, for any trainer
  guerdon audit        attack a reward before a run is wasted on it
  guerdon reproduce    run a paper's claim in miniature and say whether it shows
  guerdon recipes      the systems, and what works of each
  guerdon report       write a run's picture and page again
  guerdon doctor       what is installed here, which devices work, how fast they are

guerdon COMMAND --help explains a command. Exit status: 0 done, 1 failed, not shown or
(audit) something found, 2 wrong arguments, 130 interrupted, 143 ended
by SIGTERM (a training run then ends whole and can be resumed)."""


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP)
        return 0
    if arguments[0] == "--version":
        from guerdon import __version__

        print(__version__)
        return 0
    command = COMMANDS.get(arguments[0])
    if command is None:
        print(
            f"guerdon: there is no command {arguments[0]!r}; there are {', '.join(COMMANDS)}",
            file=sys.stderr,
        )
        return 2
    try:
        return command(arguments[1:])
    except UsageError as error:
        print(f"guerdon {arguments[0]}: {visible(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        lost = f" ({error})" if str(error) else ""
        print(f"guerdon {arguments[0]}: interrupted{lost}", file=sys.stderr)
        return int(getattr(error, "status", 130))
    except (ValueError, OSError, ImportError, TrainingStopped, EndpointError) as error:
        print(f"guerdon {arguments[0]}: {visible(error)}", file=sys.stderr)
        return 1


def _train(arguments: list[str]) -> int:
    options, rest = take_options(
        arguments,
        "train",
        "Train a model by a recipe.",
        ["--recipe", "--out", "--resume", "--pairs", "--trackers", "--dry-run", "--trust"],
        ["--reward-model", "--quiet", "--json", "--settings"],
        f"{OVERRIDES}\n\n{PREFERENCES}",
    )
    if options["pairs"]:
        return _train_on_pairs(options, rest)
    if options["reward_model"]:
        raise UsageError("--reward-model needs --pairs FILE to train on")
    if options["resume"]:
        folder = Path(options["resume"])
        if rest or options["recipe"] or options["out"] or options["settings"]:
            raise UsageError("--resume continues a run as it was: it takes no other settings")
        recipe = recipe_to_resume(folder, options["trust"])
        show_foreign(recipe)
    else:
        recipe = recipe_from(
            options["recipe"] or "grpo", rest, settings=options["settings"], trust=options["trust"]
        )
        folder = Path(options["out"]) if options["out"] else _fresh_folder(recipe.name)
    if options["dry_run"]:
        return reward_commands.score_file(recipe, Path(options["dry_run"]), options["json"])
    with reading_arguments():
        check_start(recipe)
    with own_output() if options["json"] else nullcontext():
        result = train(
            recipe,
            folder,
            resume=bool(options["resume"]),
            quiet=options["quiet"] or options["json"],
            trackers=tuple(options["trackers"].split(",")) if options["trackers"] else (),
        )
    if options["json"]:
        print((folder / "summary.json").read_text())
    if result.nothing_learned:
        print(f"guerdon train: {result.nothing_learned}", file=sys.stderr)
        return 1
    return 128 + result.signal if result.interrupted else 0


def _train_on_pairs(options: dict[str, Any], rest: list[str]) -> int:
    for name in ("recipe", "resume", "trackers", "dry_run", "trust"):
        if options[name]:
            raise UsageError(f"--pairs does not go with --{name.replace('_', '-')}")
    read: Callable[..., Any] = preference_recipe_from
    run: Callable[..., Any] = train_on_pairs
    if options["reward_model"]:
        read, run = reward_model_recipe_from, train_reward_model
    recipe = read(options["pairs"], rest, settings=options["settings"])
    folder = Path(options["out"]) if options["out"] else _fresh_folder(recipe.name)
    result = run(recipe, folder, quiet=options["quiet"] or options["json"])
    if options["json"]:
        print((folder / "summary.json").read_text())
    return 128 + result.signal if result.signal else 0


def _sample(arguments: list[str]) -> int:
    options, rest = take_options(
        arguments,
        "sample",
        "Print completions of a model for a recipe's held-out tasks.",
        ["--recipe", "--count", "--trust"],
        ["--json"],
        OVERRIDES,
    )
    count = whole_number("--count", options["count"] or "4", PositiveInt)
    recipe = recipe_from(options["recipe"] or "grpo", rest, trust=options["trust"])
    tasks = list(recipe.tasks.load("test"))[:count]
    rollouts = load_policy(recipe.model).sample(tasks, 1, recipe.sampling, recipe.loop.seed)
    with own_output():
        scores = judged(recipe.reward, rollouts, Progress())
    refuse_failing(tally(rollouts, scores))
    console = Console()
    for row, text in enumerate(rollouts.texts):
        task = rollouts.task_of(row)
        value = scores.value[row].item() if scores.valid[row] else None
        if options["json"]:
            entry = {
                "id": task.id,
                "prompt": task.text,
                "completion": text,
                "answer": task.answer,
                "value": value,
                "reason": scores.reasons[row],
            }
            print(json.dumps(entry, default=str))
            continue
        earned = value if value is not None else scores.reasons[row]
        console.rule(shown(f"{task.id}  reward {earned}"))
        console.print(shown(task.text), style="dim")
        console.print(shown(text))
    return 0


def _evaluate(arguments: list[str]) -> int:
    options, rest = take_options(
        arguments,
        "evaluate",
        "Grade a model on a recipe's held-out tasks.",
        ["--recipe", "--trust"],
        ["--json"],
        OVERRIDES,
    )
    recipe = recipe_from(options["recipe"] or "grpo", rest, trust=options["trust"])
    tasks = list(recipe.tasks.load("test"))[: recipe.loop.evaluation_tasks]
    with own_output():
        result = evaluate_policy(
            load_policy(recipe.model),
            tasks,
            recipe.reward,
            recipe.evaluation_sampling,
            seed=recipe.loop.seed,
        )
    if too_many(result.failed, len(result.results), recipe.loop.max_failed, fewest=1):
        raise RewardFailed(result.failure)
    if options["json"]:
        print(json.dumps(plain(held_out_summary(None, result)["after"])))
    else:
        print(describe_held_out(result))
    return 0 if result.valid else 1


def _reproduce(arguments: list[str]) -> int:
    from guerdon.reproduction import Verdict, run_claim, write
    from guerdon.reproduction.picture import draw

    options, rest = take_options(
        arguments,
        "reproduce",
        "Run a paper's claim in miniature; exit status 0 if it is shown.",
        ["SLUG", "--out"],
        ["--json", "--quiet"],
        "  --seeds N        the first N seeds, or --seeds 0 1 2 for these (default: the claim's)",
    )
    with reading_arguments():
        claim, seeds = load_claim(options["slug"]), _seeds(rest)
    with Bar(transient=True, disable=options["quiet"] or options["json"]) as progress:
        bar = progress.add_task(escape(claim.slug), total=1.0)
        result = run_claim(
            claim,
            seeds,
            lambda done, label: progress.update(bar, completed=done, description=escape(label)),
        )
    folder = Path(options["out"] or "reproductions")
    path = write(result, folder)
    picture = draw(result, folder)
    if options["json"]:
        print(path.read_text())
    else:
        show_reproduction(result)
        print(f"{path}\n{picture}")
    return 0 if result.verdict == Verdict.SHOWN else 1


def _seeds(rest: list[str]) -> tuple[int, ...] | None:
    """``--seeds 3`` is the first three; ``--seeds 0 4 7`` are these."""
    if not rest:
        return None
    if rest[0] != "--seeds":
        raise UsageError(f"unknown argument {rest[0]!r}; --seeds takes whole numbers")
    if not rest[1:]:
        raise UsageError("--seeds is empty; give how many, or several seeds")
    if len(rest) == 2:
        return tuple(range(whole_number("--seeds", rest[1], Annotated[int, between(1, 10_000)])))
    seeds = tuple(whole_number("--seeds", one, Seed) for one in rest[1:])
    if len(set(seeds)) < len(seeds):
        raise UsageError("--seeds names a seed twice, which would count one run as two")
    return seeds


def _recipes(arguments: list[str]) -> int:
    from guerdon.reproduction.table import marks

    options, rest = take_options(
        arguments, "recipes", "The systems, and what works of each.", [], ["--json"]
    )
    none_left(rest)
    root = Path.cwd()
    found = [{"slug": slug, **asdict(marks(slug, root))} for slug in all_recipes()]
    if options["json"]:
        print(json.dumps(found, indent=2))
        return 0
    table = Table(title="recipes")
    for heading in found[0]:
        table.add_column(heading)
    for entry in found:
        table.add_row(*(shown(v) for v in entry.values()))
    Console().print(table)
    return 0


def _report(arguments: list[str]) -> int:
    from guerdon.report import build_report, damage
    from guerdon.training.disk import writing_to

    options, rest = take_options(
        arguments, "report", "Write a run's curves.png and report.html again.", ["RUN"], ["--json"]
    )
    none_left(rest)
    with writing_to(Path(options["run"]) / "report.html"):
        page = build_report(Path(options["run"]))
    for line in damage(Path(options["run"])):
        print(f"guerdon report: {line}", file=sys.stderr)
    curves = page.with_name("curves.png")
    print(json.dumps({"report": str(page), "curves": str(curves)}) if options["json"] else page)
    return 0


def _doctor(arguments: list[str]) -> int:
    from guerdon.cli.doctor import diagnose, render

    options, rest = take_options(
        arguments, "doctor", "What is installed, which devices work, how fast.", [], ["--json"]
    )
    none_left(rest)
    found = diagnose()
    if options["json"]:
        print(json.dumps(found, indent=2, default=str))
    else:
        Console().print(render(found))
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": _train,
    "sample": _sample,
    "evaluate": _evaluate,
    "score": reward_commands.score,
    "serve": reward_commands.serve,
    "audit": audit_command,
    "reproduce": _reproduce,
    "recipes": _recipes,
    "report": _report,
    "doctor": _doctor,
}


def _fresh_folder(name: str) -> Path:
    """runs/NAME, or runs/NAME-2 and so on where that exists."""
    base = Path("runs") / name
    number = 1
    folder = base
    while folder.exists():
        number += 1
        folder = base.with_name(f"{name}-{number}")
    return folder
