"""``guerdon train``: a recipe, run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from guerdon.cli.choices import POLICY_CHOICES, PREFERENCE_CHOICES, RANKING_CHOICES
from guerdon.cli.options import UsageError, own_output, reading_arguments
from guerdon.cli.score import score_file
from guerdon.cli.settings import (
    is_file,
    preference_recipe_from,
    recipe_from,
    reward_model_recipe_from,
    show_foreign,
)
from guerdon.cli.sheet import sheet
from guerdon.training import check_start, train, train_on_pairs, train_reward_model
from guerdon.training.resuming import recipe_to_resume


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Train, score or show, as the options say; returns the exit status."""
    if options["pairs"]:
        return _train_on_pairs(options, rest)
    if options["recipe"] == "dpo":
        raise UsageError("dpo learns from pairs: give --pairs FILE (prompt, chosen, rejected)")
    if options["reward_model"]:
        raise UsageError("--reward-model needs --pairs FILE to train on")
    if options["resume"]:
        folder = Path(options["resume"])
        if rest or options["recipe"] or options["out"] or options["settings"]:
            raise UsageError("--resume continues a run as it was: it takes no other settings")
        recipe = recipe_to_resume(folder, options["trust"])
        show_foreign(recipe)
    else:
        slug = options["recipe"] or "grpo"
        recipe = recipe_from(slug, rest, trust=options["trust"])
        if options["settings"]:
            base = "grpo" if is_file(slug) else slug
            return _show_settings(sheet(recipe, POLICY_CHOICES, base), options["out"])
        folder = Path(options["out"]) if options["out"] else _fresh_folder(recipe.name)
    if options["dry_run"]:
        return score_file(recipe, Path(options["dry_run"]), options["json"])
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


def _show_settings(text: str, out: str | None) -> int:
    """A recipe's settings on the terminal, and in a file where one is named."""
    print(text, end="")
    if out is not None:
        file = Path(out)
        if not is_file(out) or file.exists():
            told = "is there already" if file.exists() else "is no recipe file's name"
            raise UsageError(f"--out {out} {told}; with --settings give a new FILE.yaml")
        file.write_text(text, encoding="utf-8")
    return 0


def _train_on_pairs(options: dict[str, Any], rest: list[str]) -> int:
    if options["recipe"] == "dpo" and not options["reward_model"]:
        options["recipe"] = None  # what pairs are learned by
    for name in ("recipe", "resume", "trackers", "dry_run", "trust"):
        if options[name]:
            raise UsageError(f"--pairs does not go with --{name.replace('_', '-')}")
    read: Callable[..., Any] = preference_recipe_from
    train_it: Callable[..., Any] = train_on_pairs
    choices = PREFERENCE_CHOICES
    if options["reward_model"]:
        read, train_it = reward_model_recipe_from, train_reward_model
        choices = RANKING_CHOICES
    recipe = read(options["pairs"], rest)
    if options["settings"]:
        return _show_settings(sheet(recipe, choices), options["out"])
    folder = Path(options["out"]) if options["out"] else _fresh_folder(recipe.name)
    result = train_it(recipe, folder, quiet=options["quiet"] or options["json"])
    if options["json"]:
        print((folder / "summary.json").read_text())
    return 128 + result.signal if result.signal else 0


def _fresh_folder(name: str) -> Path:
    """runs/NAME, or runs/NAME-2 and so on where that exists."""
    base = Path("runs") / name
    number = 1
    folder = base
    while folder.exists():
        number += 1
        folder = base.with_name(f"{name}-{number}")
    return folder
