"""Whether a folder holds a run that can be resumed; if not, what it holds and what to do."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from guerdon.models.sources import POLICY
from guerdon.parsing.strict_yaml import read_yaml
from guerdon.report import read_summary
from guerdon.sealed import SUMS, fault, faults
from guerdon.training.recipe import Recipe, load_any
from guerdon.training.run_folder import RECIPE, resume_command
from guerdon.traits import made_by


class NotResumable(ValueError):
    """The folder holds nothing to go on with; one sentence says what it holds and the mend."""


def recipe_to_resume(folder: Path, trust: Sequence[str] = ()) -> Recipe:
    """The recipe of the run in ``folder``, which can be resumed with it.

    Raises `NotResumable` where there is no such folder, no run in it, one that is done, or a recipe
    that is not as the run wrote it.
    """
    if not folder.is_dir():
        raise NotResumable(f"there is no folder {folder} to resume; {_others(folder.parent)}")
    if not (folder / RECIPE).is_file():
        raise NotResumable(_no_recipe(folder))
    if (folder / SUMS).is_file() and RECIPE in faults(folder):
        raise NotResumable(_damaged_recipe(folder))
    try:
        read_yaml(folder / RECIPE)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise NotResumable(f"{_damaged_recipe(folder)} ({reason})") from error
    recipe = load_any(folder / RECIPE, trust)
    _refuse_finished(folder, recipe)
    return recipe


def _refuse_finished(folder: Path, recipe: Recipe) -> None:
    summary = read_summary(folder)
    steps = summary.get("steps", 0)
    wanted = getattr(getattr(recipe, "loop", None), "steps", steps)
    if not summary or "stopped" in summary or steps < wanted:
        return
    model, makes = folder / "model", made_by(recipe)
    if (makes and not model.is_dir()) or not (folder / "report.html").is_file():
        return
    then = {
        "policy": "to train on, begin a new run from its model: guerdon train --model ",
        "scorer": "use its model: guerdon train --reward reward-model:",
    }.get(makes)
    on = f"; {then}{shlex.quote(str(model))}" if then else ""
    raise NotResumable(f"{folder} has done all its {steps} steps{on}")


def _others(folder: Path) -> str:
    """Runs that lie beside one that is not there."""
    runs = sorted(folder.glob(f"*/{RECIPE}")) if folder.is_dir() else []
    if not runs:
        return "guerdon train --out FOLDER begins a run"
    names = ", ".join(str(run.parent) for run in runs[:5])
    return f"there are {names}" + (f" and {len(runs) - 5} more" if len(runs) > 5 else "")


def _no_recipe(folder: Path) -> str:
    here = shlex.quote(str(folder))
    if any((folder / name).is_file() for name in ("config.json", "adapter_config.json", POLICY)):
        if (folder.parent / RECIPE).is_file():
            return f"{folder} is the model of a run; the run is resumed by " + resume_command(
                folder.parent
            )
        if _is_reward_model(folder):
            return (
                f"{folder} holds a reward model, not a run; use it with guerdon train --reward "
                f"reward-model:{here}"
            )
        return f"{folder} holds a model, not a run; guerdon train --model {here} trains it on"
    saved = _saved_recipe(folder)
    if saved is not None:
        return f"{folder / RECIPE} is missing; put it back: cp {saved} {here}/{RECIPE}"
    return f"{folder} holds no run (it has no {RECIPE}); {_others(folder.parent)}"


def _is_reward_model(folder: Path) -> bool:
    try:
        names = json.loads((folder / "config.json").read_bytes()).get("architectures") or [""]
    except (OSError, ValueError, AttributeError):
        return False
    return str(names[0]).endswith("ForSequenceClassification")


def _damaged_recipe(folder: Path) -> str:
    """A recipe other than the run's would go on silently as another run."""
    told = f"{folder / RECIPE} is not as the run wrote it (edited or damaged); "
    saved, sums = _saved_recipe(folder), shlex.quote(str(folder / SUMS))
    here = shlex.quote(str(folder / RECIPE))
    back = f"put it back: cp {saved} {here}, or " if saved is not None else ""
    return told + back + f"go on with it as it is: rm {sums}"


def _saved_recipe(folder: Path) -> str | None:
    """The copy in the newest whole checkpoint, for a shell."""
    for file in sorted((folder / "checkpoints").glob(f"step-*/{RECIPE}"), reverse=True):
        if fault(file.parent) is None:
            return shlex.quote(str(file))
    return None
