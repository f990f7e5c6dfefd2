"""``guerdon train``: a recipe of any kind, run."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from guerdon.cli.choices import choices_of
from guerdon.cli.options import UsageError, own_output, reading_arguments
from guerdon.cli.score import score_file
from guerdon.cli.settings import (
    FILE_FORMS,
    having,
    is_file,
    recipe_from,
    recipe_on_file,
    show_foreign,
)
from guerdon.cli.sheet import sheet
from guerdon.training import PolicyRecipe, check_start
from guerdon.training.resuming import recipe_to_resume


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Train, score or show, as the options say; returns the exit status."""
    if options["resume"]:
        folder = Path(options["resume"])
        if rest or any(options[name] for name in ("recipe", "out", "settings", *FILE_FORMS)):
            raise UsageError("--resume continues a run as it was: it takes no other settings")
        recipe = recipe_to_resume(folder, options["trust"])
        show_foreign(recipe)
    else:
        recipe, base = _recipe(options, rest)
        if options["settings"]:
            return _show_settings(sheet(recipe, choices_of(type(recipe)), base), options["out"])
        folder = Path(options["out"]) if options["out"] else _fresh_folder(recipe.name)
    if options["dry_run"]:
        return score_file(having(("reward",), recipe), Path(options["dry_run"]), options["json"])
    with reading_arguments():
        for one in (recipe, *(stage.recipe for stage in getattr(recipe, "stages", ()))):
            if isinstance(one, PolicyRecipe):
                check_start(one)
    with own_output() if options["json"] else nullcontext():
        result = recipe.run(
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


def _recipe(options: dict[str, Any], rest: list[str]) -> tuple[Any, str]:
    """What is to be run, a named recipe, a file's, or what a short form stands for; and the name
    of the recipe that settings are laid over, "" where it has none.
    """
    forms = [form for form in FILE_FORMS if options[form]]
    if options["reward_model"] and forms != ["pairs"]:
        raise UsageError("--reward-model needs --pairs FILE to train on")
    if not forms:
        slug = options["recipe"] or "grpo"
        if slug == "dpo":
            raise UsageError("dpo learns from pairs: give --pairs FILE (prompt, chosen, rejected)")
        made = recipe_from(slug, rest, trust=options["trust"])
        return made, "grpo" if is_file(slug) else slug
    form, *more = forms
    named = options["recipe"] and not (form == "pairs" and options["recipe"] == "dpo")
    more += ["recipe"] if named or (options["recipe"] and options["reward_model"]) else []
    for name in (*more, *(name for name in ("dry_run", "trust") if options[name])):
        raise UsageError(f"--{form} does not go with --{name.replace('_', '-')}")
    kind = "rankings" if options["reward_model"] else form
    return recipe_on_file(kind, options[form], rest), ""


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


def _fresh_folder(name: str) -> Path:
    """runs/NAME, or runs/NAME-2 and so on where that exists."""
    base = Path("runs") / name
    number = 1
    folder = base
    while folder.exists():
        number += 1
        folder = base.with_name(f"{name}-{number}")
    return folder
