"""Where a run's policy comes from: a language model, a table, a small network."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Annotated

from guerdon.models.saved_policy import saved_policy
from guerdon.ranges import Filled, FloatType, OneOf, PositiveInt, between, check_ranges
from guerdon.records import Task
from guerdon.rollout.engines import Engine, Transformers
from guerdon.rollout.environments import make_environment
from guerdon.rollout.episodes import is_played
from guerdon.rollout.language import LanguagePolicy
from guerdon.rollout.tabular import NetworkPolicy, TabularPolicy
from guerdon.stages import Policy, PolicySource


@dataclass(frozen=True)
class Model:
    """A language model as the policy: which, where, and what samples from it.

    ``name`` is ``seedling``, a Hub id, a local folder or a GGUF file; ``gguf_file`` names a
    GGUF file in a folder. A vision-language model reads the images that tasks show. ``adapter``
    "lora", "dora", "rslora" or "rsdora" (both) trains an adapter of rank ``rank`` instead of all
    weights. ``value_head`` adds one for GAE and PPO. ``engine`` samples (``--model.engine vllm``;
    `guerdon.rollout.NAMES`).

    ``dtype`` is what weights are held in. ``mixed_precision`` "bf16" computes in bfloat16 and
    leaves weights and optimiser as they are; "no" is off; "auto" is what ``accelerate
    launch`` was told, else "no". ``device`` "auto" is the one accelerate finds for this
    process; else torch's name of one, such as "cpu" or "cuda:1".
    ``chat_template`` is a file with the template that chats are written by, in place of the model's
    own; "plain" writes them as text, which is also how a model reads them that has no template.
    ``shared_prefix`` False computes prompts once per completion in training, not once per
    group: same numbers, more work.
    """

    name: Filled = "seedling"
    gguf_file: str | None = None
    adapter: Annotated[str | None, OneOf("lora", "dora", "rslora", "rsdora")] = None
    rank: PositiveInt = 16
    dtype: FloatType = "float32"
    mixed_precision: Annotated[str, OneOf("auto", "no", "bf16")] = "auto"
    device: str = "auto"
    value_head: bool = False
    chat_template: str = ""
    shared_prefix: bool = True
    engine: Engine = field(default_factory=Transformers)

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, tasks: Sequence[Task] = ()) -> Policy:
        """The model, sampled by its engine; the same for all tasks."""

        def here() -> LanguagePolicy:
            return LanguagePolicy.load(
                self.name,
                gguf_file=self.gguf_file,
                adapter=self.adapter,
                rank=self.rank,
                dtype=self.dtype,
                mixed_precision=self.mixed_precision,
                device=self.device,
                value_head=self.value_head,
                chat_template=self.chat_template,
                shared_prefix=self.shared_prefix,
            )

        return self.engine.start(self.name, here)


@dataclass(frozen=True)
class Table:
    """A `TabularPolicy` over the tasks' states: `states_and_actions` says which.

    ``name`` is the folder of one that was saved, to begin with ("" = a uniform one).
    """

    actions: tuple[Filled, ...] = ()
    """What there is to do; empty: what the tasks' worlds say."""
    name: str = ""
    """The folder of one that was saved, to begin with; empty: a uniform one."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, tasks: Sequence[Task]) -> Policy:
        """The table. Raises ValueError where the tasks' states can't be counted, and ModelError
        (a ValueError too) where ``name`` is no table of these actions.
        """
        states, actions = states_and_actions(tasks, self.actions)
        if self.name:
            return TabularPolicy.begun(saved_policy(self.name, Table), states, actions)
        return TabularPolicy(states, actions)


@dataclass(frozen=True)
class Network:
    """A `NetworkPolicy` over the tasks' states: ``layers`` hidden layers of ``width``.

    Unlike a table it says something of states that it never learned from. ``name`` is the folder
    of one that was saved, to begin with ("" = one that is uniform yet).
    """

    actions: tuple[Filled, ...] = ()
    """What there is to do; empty: what the tasks' worlds say."""
    width: PositiveInt = 64
    """Units of a hidden layer."""
    layers: Annotated[int, between(0, 8)] = 1
    """Hidden layers."""
    name: str = ""
    """The folder of one that was saved, to begin with; empty: one that is uniform yet."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, tasks: Sequence[Task]) -> Policy:
        """The network. Raises as `Table.load`."""
        states, actions = states_and_actions(tasks, self.actions)
        if self.name:
            saved = saved_policy(self.name, Network)
            return NetworkPolicy.begun(saved, states, actions, self.width, self.layers)
        return NetworkPolicy(states, actions, self.width, self.layers)


def begun_from(source: PolicySource, folder: str) -> PolicySource:
    """``source``, beginning with the model in ``folder`` and as it is otherwise.

    Raises ValueError for one that loads none.
    """
    if not is_dataclass(source) or "name" not in {field.name for field in fields(source)}:
        raise ValueError(
            f"{type(source).__name__} loads no folder, so it can't begin with {folder}"
        )
    packed = {"gguf_file": None} if isinstance(source, Model) else {}
    return replace(source, name=folder, **packed)


def states_and_actions(
    tasks: Sequence[Task], given: Sequence[str] = ()
) -> tuple[list[Hashable], tuple[str, ...]]:
    """The states that the tasks can reach, and the actions that there are in all of them.

    A task that is a world has the world's; any other is one choice, whose state is its id and
    whose actions are the names in its column "choices" (``given`` for tasks without). Raises
    ValueError, naming the task, for a world that can't count its states, for a task without
    actions, and where two tasks have different ones.
    """
    states: dict[Hashable, None] = {}
    actions: tuple[str, ...] = tuple(given)
    for task in tasks:
        if is_played(task):
            world = make_environment(task)
            count = getattr(world, "states", None)
            if count is None:
                raise ValueError(
                    f"task {task.id!r}: a table needs to know every state, and "
                    f"{type(world).__name__} does not say them; give it states()"
                )
            states |= dict.fromkeys(count())
            own: Iterable[str] = world.actions
        else:
            states[task.id] = None
            own = task.columns.get("choices") or actions
        found = tuple(map(str, own))
        if not found:
            raise ValueError(
                f"task {task.id!r} is no world and offers no choices for a table to take: give "
                "the tasks a column 'choices', or name the actions (--model.actions A B)"
            )
        if actions and found != actions:
            raise ValueError(
                f"task {task.id!r} has the actions {', '.join(found)}, others have "
                f"{', '.join(actions)}; a table takes tasks of one kind"
            )
        actions = found
    return list(states), actions
