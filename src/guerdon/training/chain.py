"""Recipes one after the other: stages that begin with what the last saved, and rounds of one.

    Stages((Stage("sft", SupervisedRecipe(...)), Stage("rl", PolicyRecipe(...))))

Each stage is a run of its own in ``NN-NAME``; the folder above has one summary and page over all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Protocol, Unpack, runtime_checkable

from guerdon.exports import Index
from guerdon.names import check_name
from guerdon.ranges import PositiveInt, check_composition
from guerdon.report import read_summary
from guerdon.reward_models import SavedRewardModel
from guerdon.rewards import ScorerReward
from guerdon.rollout.sources import begun_from
from guerdon.training.checkpoint import seed_generators
from guerdon.training.recipe import Loop, Recipe, Result, RunOptions
from guerdon.training.remembered import Carried
from guerdon.training.run import Run
from guerdon.training.run_folder import RECIPE, resume_command
from guerdon.traits import made_by


@dataclass(frozen=True)
class Done:
    """A stage that is done: its folder, the ``model`` in it, and what it ``makes`` ("policy",
    "scorer" or "" for neither).
    """

    name: str
    folder: Path
    model: Path
    makes: str


@runtime_checkable
class Carry(Protocol):
    """What a stage takes from those before it."""

    def __call__(self, recipe: Any, done: Sequence[Done]) -> tuple[Any, Carried | None]:
        """The recipe that is run, and what its first step begins with besides weights."""
        ...


@dataclass(frozen=True)
class Weights:
    """Begin with the model of the newest stage that made one of this kind.

    A reward model begins with the newest policy where there is none yet. With ``optimiser`` and
    ``reference`` these go on too, from the checkpoint of that stage.
    """

    optimiser: bool = False
    reference: bool = False

    def __call__(self, recipe: Any, done: Sequence[Done]) -> tuple[Any, Carried | None]:
        makes = made_by(recipe)
        last = _newest(done, makes) or (_newest(done, "policy") if makes == "scorer" else None)
        if last is None or not hasattr(recipe, "model"):
            return recipe, None
        carried = Carried(last.folder, self.optimiser, self.reference)
        return replace(recipe, model=begun_from(recipe.model, str(last.model))), carried


@dataclass(frozen=True)
class AsReward:
    """As ``weights``, and the newest reward model is the reward."""

    weights: Carry = field(default_factory=Weights)

    def __call__(self, recipe: Any, done: Sequence[Done]) -> tuple[Any, Carried | None]:
        recipe, carried = self.weights(recipe, done)
        scorer = _newest(done, "scorer")
        if scorer is None:
            raise ValueError(f"no stage before {recipe.name} made a reward model")
        return replace(recipe, reward=ScorerReward(SavedRewardModel(str(scorer.model)))), carried


@dataclass(frozen=True)
class Nothing:
    """Begin with the recipe as it is."""

    def __call__(self, recipe: Any, done: Sequence[Done]) -> tuple[Any, Carried | None]:
        return recipe, None


CARRIES = Index(__name__, {"weights": "Weights", "as-reward": "AsReward", "nothing": "Nothing"})
"""What a stage may take from those before it, by name."""


def _newest(done: Sequence[Done], makes: str) -> Done | None:
    return next((one for one in reversed(done) if makes and one.makes == makes), None)


@dataclass(frozen=True)
class Stage:
    """One of several recipes, and what it takes from those before it."""

    name: str
    recipe: Recipe
    carry: Carry = field(default_factory=Weights)

    def __post_init__(self) -> None:
        check_name(self.name, "stage.name")


@dataclass(frozen=True)
class Stages:
    """Recipes one after the other.

    ``start`` is the name of the first that is run ("" = all are); with it ``given`` is the folder
    of the model that those before it would have made. A run that is resumed goes on inside the
    stage it stood in, bit for bit, and a stage that is done is not run again.
    """

    stages: tuple[Stage, ...]
    name: str = "stages"
    start: str = ""
    given: str = ""

    @property
    def choices(self) -> Mapping[str, Mapping[str, Any]]:
        """What can be put in by name: what each stage takes from those before it."""
        return {f"stages.{number}.carry": CARRIES for number in range(len(self.stages))}

    def __post_init__(self) -> None:
        check_name(self.name, "recipe.name")
        names = [stage.name for stage in self.stages]
        if not names or len({*names}) < len(names):
            raise ValueError(f"recipe.stages are {names}; give one or more, each its own name")
        if self.start and self.start not in names:
            raise ValueError(f"there is no stage {self.start!r}; there are {', '.join(names)}")
        if bool(self.start) != bool(self.given):
            raise ValueError("give the first stage and the model's folder together, or neither")
        check_composition(self)

    def run(self, folder: Path | None = None, **options: Unpack[RunOptions]) -> Result:
        """Run those that are left. ``stop_after`` counts stages; ``before``, ``after`` and
        ``exams`` of what it returns, and its model, are those of the last stage that this call ran.
        """
        return _run_all(self, self.stages, folder, options, self.start, self.given)


@dataclass(frozen=True)
class Rounds:
    """One recipe several times; each round begins with what the last made.

    A round's seed is the recipe's plus the number of rounds before it. Of `Stages` each round has
    all, each beginning with the newest model of its kind: a reward model and a policy in turns.
    """

    recipe: Recipe
    times: PositiveInt = 2
    name: str = "rounds"
    carry: Carry = field(default_factory=Weights)

    choices: ClassVar[Mapping[str, Mapping[str, Any]]] = {"carry": CARRIES}

    def __post_init__(self) -> None:
        check_name(self.name, "recipe.name")
        check_composition(self)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All rounds' stages, in their order."""
        found = []
        for number in range(1, self.times + 1):
            inside: tuple[Stage, ...] = (Stage("round", self.recipe, self.carry),)
            if isinstance(self.recipe, Stages):
                inside = self.recipe.stages
            for stage in inside:
                reseeded = _reseeded(stage.recipe, number - 1)
                found.append(replace(stage, name=f"{stage.name}-{number}", recipe=reseeded))
        return tuple(found)

    def run(self, folder: Path | None = None, **options: Unpack[RunOptions]) -> Result:
        """As `Stages.run`."""
        return _run_all(self, self.stages, folder, options)


def _reseeded(recipe: Any, more: int) -> Any:
    """A recipe with another seed, wherever it keeps it."""
    if hasattr(recipe, "seed"):
        return replace(recipe, seed=recipe.seed + more)
    if hasattr(recipe, "loop"):
        return replace(recipe, loop=replace(recipe.loop, seed=recipe.loop.seed + more))
    return recipe


def _run_all(
    recipe: Any,
    stages: Sequence[Stage],
    folder: Path | None,
    options: RunOptions,
    start: str = "",
    given: str = "",
) -> Result:
    """A run whose steps are runs."""
    if folder is None:
        with TemporaryDirectory(prefix="guerdon-") as kept:
            whole = _run_all(recipe, stages, Path(kept) / "run", options, start, given)
            return replace(whole, folder=None)
    names = [stage.name for stage in stages]
    first = names.index(start) if start else 0
    done = [Done(s.name, Path(given), Path(given), _makes(s)) for s in stages[:first]][-1:]
    left, told = stages[first:], list[Any]()
    loop = Loop(steps=len(left), checkpoint_every=1, keep_checkpoints=1)
    resume, quiet = options.get("resume", False), options.get("quiet", False)
    run = Run(
        recipe,
        folder,
        loop,
        resume=resume,
        quiet=True,
        stop_after=options.get("stop_after"),
        told={"stages": told},
    )
    last = Result(None, None, None, (), folder)
    with run:
        run.start(None, {})
        places = [folder / f"{n:02}-{one.name}" for n, one in enumerate(left, first + 1)]
        for stage, place in list(zip(left, places, strict=True))[: run.step]:
            done.append(Done(stage.name, place, place / "model", _makes(stage)))
            told.append(_outcome(place))
        for progress in run.steps():
            stage, place = left[progress.step], places[progress.step]
            if not _finished(place):
                last = _run_one(stage, place, done, options)
                if last.interrupted:
                    run.end_by(last.signal)
                    continue
            done.append(Done(stage.name, place, place / "model", _makes(stage)))
            told.append(_outcome(place))
            seed_generators(loop.seed)  # as they are where this stage was done long ago
            run.log(_figures(told[-1]))
    if not quiet:
        ended = run.result.interrupted
        print(f"go on with: {resume_command(folder)}" if ended else folder / "report.html")
    measured = replace(run.result, before=last.before, after=last.after, exams=last.exams)
    return replace(measured, model=last.model)


def _run_one(stage: Stage, place: Path, done: Sequence[Done], options: RunOptions) -> Result:
    """One stage, begun or gone on with."""
    recipe, carried = stage.carry(stage.recipe, done)
    begun = any((place / name).exists() for name in (RECIPE, "metrics.jsonl", "checkpoints"))
    more: RunOptions = {"resume": begun, "quiet": options.get("quiet", False)}
    more["trackers"] = options.get("trackers", ())
    if carried is not None and (carried.optimiser or carried.reference):
        more["carried"] = carried
    result: Result = recipe.run(place, **more)
    return result


def _makes(stage: Stage) -> str:
    return made_by(stage.recipe)


def _finished(place: Path) -> bool:
    summary = read_summary(place)
    return bool(summary) and "stopped" not in summary and (place / "report.html").is_file()


def _outcome(place: Path) -> dict[str, Any]:
    """What a stage came to, for the summary over all."""
    summary: Mapping[str, Any] = read_summary(place)
    measured = ("before", "after", "gain")
    kept = {name: summary[name] for name in measured if name in summary}
    return {"name": place.name, "recipe": summary.get("recipe", ""), **kept}


def _figures(outcome: Mapping[str, Any]) -> dict[str, float]:
    """The same as a step's figures."""
    return {n: outcome[n]["mean"] for n in ("before", "after", "gain") if n in outcome}
