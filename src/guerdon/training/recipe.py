"""A recipe: the whole composition of a run as one printable, reloadable value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Protocol,
    TypedDict,
    Unpack,
    runtime_checkable,
)

from guerdon.advantages import GroupNormalised
from guerdon.curriculum import ShuffledTasks
from guerdon.names import check_name
from guerdon.objectives import ClippedSurrogate
from guerdon.parts import PartError
from guerdon.ranges import (
    Count,
    PositiveInt,
    Seed,
    Share,
    at_least,
    between,
    check_composition,
    check_ranges,
)
from guerdon.rewards import AnswerMatch
from guerdon.rollout import Groups, Model
from guerdon.stages import (
    Advantage,
    Buffer,
    Curriculum,
    GroupFilter,
    Monitor,
    Objective,
    PolicySource,
    Reward,
    Sampler,
    Sampling,
    Selection,
    Shaper,
    TaskSource,
)
from guerdon.tasks import Arithmetic
from guerdon.training.agreement import check_agreement
from guerdon.training.disk import write_whole
from guerdon.training.exams import Exam, check_exams
from guerdon.training.optimisers import AdamW, Optimiser
from guerdon.training.recipe_file import read_recipe, recipe_text
from guerdon.training.reference import NoReference, Reference

if TYPE_CHECKING:
    from guerdon.training.held_out import HeldOut
    from guerdon.training.remembered import Carried


@dataclass(frozen=True)
class Loop:
    """How long and how the loop runs.

    A step samples completions of ``groups`` tasks (how many of each, the recipe's sampler says),
    then makes ``epochs`` passes over them in minibatches, each accumulated over micro-batches. With
    ``ahead`` 1 sampling is asynchronous, one step off-policy; with 0 the newest weights sample.
    Held-out tasks are answered before the first and after the last step as well.

    A run ends whole, with an error, where the reward *fails* (raises, runs out of time, loses its
    process) on more than the share ``max_failed`` of a step's or an evaluation's completions, or
    on all of them; and after ``max_empty`` steps in a row (0 = never) that had nothing to learn
    from.
    """

    steps: Count = 60
    """How many steps the run has."""
    groups: PositiveInt = 16
    """Tasks of a step that are learned from; probes come beside them."""
    _: KW_ONLY
    epochs: PositiveInt = 1
    """Passes over what a step sampled."""
    minibatch: Annotated[int, at_least(0, "0 is all at once")] = 0
    """Rows of one update; a group's rows stay together."""
    microbatch: Annotated[int, at_least(0, "0 is whole")] = 0
    """Rows computed at a time; it bounds memory, and changes no number."""
    resample: Count = 1
    """How often groups that the filter drops are drawn again, at most."""
    ahead: Annotated[int, between(0, 1)] = 0
    """1: the next batch is sampled while this one is learned from, by the weights before it."""
    evaluate_every: Annotated[int, at_least(0, "0 is never between")] = 0
    """After how many steps held-out tasks are answered, besides first and last."""
    checkpoint_every: Annotated[int, at_least(0, "0 is never between")] = 20
    """After how many steps a checkpoint is written."""
    keep_checkpoints: PositiveInt = 2
    """How many of the newest stay."""
    evaluation_tasks: Count = 256
    """How many held-out tasks are answered, at most."""
    max_failed: Share = 0.5
    """The share of a step's completions on which the reward may fail before the run ends."""
    max_empty: Annotated[int, at_least(0, "0 is never")] = 10
    """After how many steps in a row with nothing to learn from the run ends."""
    seed: Seed = 0
    """What everything is drawn from."""

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Result:
    """What a run ends with. ``before`` and ``after`` are None where nothing was held out.

    ``model`` is what was trained. ``signal``: the number of the one that ended it before it was
    done, else 0. ``nothing_learned``: why not one of its steps updated the weights, "" where one
    did. ``exams``: by name, the results before and after of further held-out sets.
    """

    model: Any
    before: HeldOut | None
    after: HeldOut | None
    history: tuple[dict[str, Any], ...]
    folder: Path | None = None
    signal: int = 0
    nothing_learned: str = ""
    exams: Mapping[str, tuple[HeldOut | None, HeldOut | None]] = field(default_factory=dict)

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended it before it was done."""
        return self.signal != 0


class RunOptions(TypedDict, total=False):
    """What every run can be told besides its recipe.

    ``resume`` goes on with the run in the folder from its newest whole checkpoint, bit for bit as
    if it had never stopped. ``stop_after`` ends it early after that many steps, as Ctrl-C does:
    whole, with a checkpoint and a summary. ``carried`` is what a first step begins with besides
    weights (see `Stages`).
    """

    resume: bool
    quiet: bool
    trackers: Sequence[str]
    stop_after: int | None
    carried: Carried | None


@runtime_checkable
class Recipe(Protocol):
    """One run of any kind, whole: a frozen dataclass that can be written down, and runs itself."""

    @property
    def name(self) -> str:
        """What the run is called: its folder's default name, and its name on the page."""
        ...

    def run(self, folder: Path | None = None, **options: Unpack[RunOptions]) -> Result:
        """Run; write to ``folder`` (None = keep nothing on disk)."""
        ...


@dataclass(frozen=True)
class PolicyRecipe:
    """One run, whole: what is sampled, how it is judged and what is learned from it.

    ``exams`` are further held-out sets, each with a reward of its own, ``monitors`` give figures of
    what each step collected, and ``buffer`` adds rows of earlier steps to it.
    """

    name: str = "grpo"
    model: PolicySource = field(default_factory=Model)
    tasks: TaskSource = field(default_factory=Arithmetic)
    reward: Reward = field(default_factory=AnswerMatch)
    shaping: tuple[Shaper, ...] = ()
    advantage: Advantage = field(default_factory=GroupNormalised)
    objective: Objective = field(default_factory=ClippedSurrogate)
    curriculum: Curriculum = field(default_factory=ShuffledTasks)
    filter: GroupFilter | None = None
    selection: Selection | None = None
    monitors: tuple[Monitor, ...] = ()
    buffer: Buffer | None = None
    reference: Reference = field(default_factory=NoReference)
    sampler: Sampler = field(default_factory=Groups)
    evaluation_sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.0))
    exams: tuple[Exam, ...] = ()
    optimiser: Optimiser = field(default_factory=AdamW)
    loop: Loop = field(default_factory=Loop)

    makes: ClassVar[str] = "policy"
    short_places: ClassVar[Mapping[str, str]] = MappingProxyType({"sampling": "sampler.sampling"})
    """What options and short files may call a place besides its own name."""
    moved_places: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"loop.group_size": "sampler.size", "loop.sampling_groups": "sampler.portion"}
    )
    """What places were called, which is read and told."""

    def __post_init__(self) -> None:
        check_name(self.name, "recipe.name")
        check_composition(self)
        check_exams(self.exams)
        check_agreement(self)

    def run(self, folder: Path | None = None, **options: Unpack[RunOptions]) -> Result:
        """See `guerdon.training.train`."""
        from guerdon.training.loop import train

        return train(self, folder, **options)

    def save(self, path: Path) -> None:
        """Write the complete recipe as YAML: the file is the old one or the whole new one."""
        write_whole(path, recipe_text(self))

    @staticmethod
    def load(path: Path, trust: Sequence[str] = ()) -> PolicyRecipe:
        """Read a recipe written by `save`; the file may be anybody's.

        It may name guerdon's own parts, and what ``trust`` lists: files (``mine.py``) and modules,
        whose code then runs. Raises PartError naming file, field and mend.
        """
        recipe = read_recipe(Path(path), trust)
        if not isinstance(recipe, PolicyRecipe):
            raise PartError(f"{path} does not hold a recipe (its top level says no such part)")
        return recipe


def load_any(path: Path, trust: Sequence[str] = ()) -> Recipe:
    """Read a recipe of any kind, as `PolicyRecipe.load` reads one of its own."""
    recipe = read_recipe(Path(path), trust)
    if not isinstance(recipe, Recipe) or isinstance(recipe, type):
        raise PartError(f"{path} does not hold a recipe (its top level says no such part)")
    return recipe
