"""``guerdon train``: a recipe of any kind, run."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from guerdon.cli.options import UsageError, own_output, reading_arguments
from guerdon.cli.score import score_file
from guerdon.cli.settings import (
    base_of,
    having,
    is_file,
    recipe_from,
    show_foreign,
)
from guerdon.cli.sheet import sheet
from guerdon.training import PolicyRecipe, check_start
from guerdon.training.resuming import recipe_to_resume


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Train, score or show, as the options say; returns the exit status."""
    if options["resume"]:
        folder = Path(options["resume"])
        if rest or any(options[name] for name in ("recipe", "out", "settings", *FORMS)):
            raise UsageError("--resume continues a run as it was: it takes no other settings")
        recipe = recipe_to_resume(folder, options["trust"])
        show_foreign(recipe)
    else:
        recipe, base = _recipe(options, rest)
        if options["settings"]:
            return _show_settings(sheet(recipe, base), options["out"])
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


FORMS = {
    "pairs": ("dpo", "pairs"),
    "rankings": ("reward-model", "pairs"),
    "demonstrations": ("sft", "demonstrations"),
}
"""Short forms that name a file: the recipe that each stands for, and the field that reads it."""


def _recipe(options: dict[str, Any], rest: list[str]) -> tuple[Any, str]:
    """What is to be run, a named recipe, a file's, or what a short form stands for; and the name
    of the recipe that its settings are laid over.
    """
    forms = [form for form in FORMS if options[form]]
    if options["reward_model"] and forms != ["pairs"]:
        raise UsageError("--reward-model needs --pairs FILE to train on")
    named, trust = options["recipe"], options["trust"]
    if not forms:
        slug = named or "grpo"
        return recipe_from(slug, rest, trust=trust), base_of(slug)
    form, *more = forms
    slug, field = FORMS[form]
    if options["reward_model"]:
        slug = "reward-model"
    more += ["dry_run"] if options["dry_run"] else []
    more += ["trust"] if trust and not named else []
    more += ["recipe"] if named and options["reward_model"] and named != slug else []
    for name in more:
        raise UsageError(f"--{form} does not go with --{name.replace('_', '-')}")
    slug = named or slug
    return recipe_from(slug, rest, trust=trust, data={field: options[form]}), base_of(slug)


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
