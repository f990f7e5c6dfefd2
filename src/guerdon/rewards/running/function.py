"""A user's plain function as a reward."""

from __future__ import annotations

import copy
import inspect
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, overload

from guerdon.failures import NotGiven
from guerdon.parsing.visible import visible
from guerdon.parts import describe, rebuild
from guerdon.ranges import Seconds, Unbounded, at_least, check_ranges
from guerdon.records import Progress, Rollouts, Scores, Task
from guerdon.rewards.running.rows import Judged, Ungradable, gather
from guerdon.rewards.running.waiting import call_all
from guerdon.rewards.running.workers import Failed, WorkerPool, call

logger = logging.getLogger("guerdon.rewards")

SLOW_SECONDS = 30.0
"""When a call without a time limit is told about, since it may never end."""

_PARALLEL = ("none", "thread", "process", "async")
_GIVEN = ("completion", "answer", "prompt", "task_id", "step", "progress")


@dataclass(frozen=True)
class FunctionReward:
    """``function(completion, answer, ...) -> float | dict | None``, called once per row.

    Only the parameters that the function names are passed: ``completion`` (text), ``answer``
    (the task's reference), ``prompt`` (text), ``task_id``, ``step`` (int), ``progress`` (share
    of the run, in [0, 1)), and every column of the task by its name; ``**columns`` takes all
    remaining columns. A column that is named as one of the others is an error where the function
    asks for it. A number is the row's value. A dict gives named parts that sum to it,
    or, with a key "score", the value and further parts. None, an exception, a result that is
    not a finite number, one outside the declared ``range`` and a call over its ``timeout``
    make the row invalid, with the reason. Of these all but None and NaN are failures of the
    function, and ``Scores.errors`` holds the traceback: a run in which too many rows fail stops.

    ``parallel`` says how rows run; the scores are the same whichever it is. "process" (by itself
    where there is a ``timeout`` in seconds per row) can stop any call, native code included.
    "thread" suits functions that wait for a network and keep their own limits. An ``async def``
    function runs as "async" by itself: many rows wait at once, and a ``timeout`` stops a call
    where it awaits; one that computes or blocks needs "process". ``workers`` bounds the rows in
    flight; 0 means one per core and at least four (process), 16 (thread), 64 (async).

    Raises ValueError naming the parameter and the task where a column is missing; a run says so
    before its first step.
    """

    name: ClassVar[str] = "function"
    made_of: ClassVar[str] = "your own function"
    no_example: ClassVar[str] = "it says what your own function says"

    function: Callable[..., Any]
    range: tuple[Unbounded, Unbounded] | None = None
    timeout: Seconds | None = None
    parallel: str = ""
    workers: Annotated[int, at_least(0, "0 is what suits")] = 0
    _pool: list[WorkerPool] = field(default_factory=list, init=False, repr=False, compare=False)

    scope: ClassVar[str] = "completion"

    def __post_init__(self) -> None:
        check_ranges(self)
        if isinstance(self.function, FunctionReward):
            # A decorated function is found again by its name, which names the reward.
            object.__setattr__(self, "function", self.function.function)
        if not self.parallel:
            object.__setattr__(self, "parallel", self._suitable())
        name = self._name
        if self.range is not None and self.range[0] > self.range[1]:
            raise ValueError(f"{name}: range is {self.range}; its first end must be the lower")
        if self.parallel not in _PARALLEL:
            raise ValueError(
                f"{name}: parallel is {self.parallel!r}; it can be {', '.join(_PARALLEL)}"
            )
        if self.parallel == "async" and not inspect.iscoroutinefunction(self.function):
            raise ValueError(f"{name}: parallel='async' needs a function made with async def")
        if self.timeout is not None and self.parallel in ("none", "thread"):
            raise ValueError(
                f"{name}: a timeout can't stop a call with parallel={self.parallel!r}; "
                "use parallel='process' or leave the timeout out"
            )

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        calls = self._arguments(rollouts, progress)
        return gather([self._judge(result) for result in self._run(calls)])

    def __deepcopy__(self, memo: Mapping[int, Any]) -> FunctionReward:
        return copy.copy(self)

    def __copy__(self) -> FunctionReward:
        # Immutable but for the pool, which copies may share.
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild, (describe(self),)

    @property
    def _name(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)

    def _suitable(self) -> str:
        if inspect.iscoroutinefunction(self.function):
            return "async"
        return "none" if self.timeout is None else "process"

    def _run(self, calls: list[dict[str, Any]]) -> list[Any]:
        if self.parallel == "process":
            if not self._pool:
                self._pool.append(WorkerPool(self.function, self.timeout, self.workers))
            return self._pool[0].map(calls)
        if self.parallel == "async" and calls:
            return call_all(self.function, calls, self.timeout, self.workers or 64)
        if self.parallel == "thread" and calls:
            with ThreadPoolExecutor(self.workers or 16) as threads:
                return list(threads.map(lambda arguments: call(self.function, arguments), calls))
        with _told_when_slow(self._name) as now_judging:
            return [call(self.function, now_judging(arguments)) for arguments in calls]

    def check_tasks(self, tasks: Sequence[Task]) -> None:
        """Raises NotGiven where the function asks for what a task can't give it."""
        for task in tasks:
            self._given(task, Progress())

    def _arguments(self, rollouts: Rollouts, progress: Progress) -> list[dict[str, Any]]:
        per_task = [self._given(task, progress) for task in rollouts.tasks]
        rows = zip(rollouts.texts, rollouts.group.tolist(), strict=True)
        return [
            {**per_task[group], "completion": text}
            if "completion" in per_task[group]
            else per_task[group]
            for text, group in rows
        ]

    def _given(self, task: Task, progress: Progress) -> dict[str, Any]:
        """What the function is given for a task, its completion left empty. Raises NotGiven."""
        parameters = inspect.signature(self.function).parameters.values()
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        ours = {
            "answer": task.answer,
            "prompt": task.text,
            "task_id": task.id,
            "step": progress.step,
            "progress": progress.fraction,
        }
        known = {**task.columns, **ours, "completion": ""}
        for p in named:
            if p.name not in known and p.default is p.empty:
                raise NotGiven(
                    f"reward {self._name!r} asks for {p.name!r}, but task "
                    f"{task.id!r} has no such column; it can name "
                    f"{', '.join((*_GIVEN, *task.columns))} or give {p.name!r} a default. "
                    "A function written for another trainer: see docs/connectors.md"
                )
            if p.name in ours and not _same(task.columns.get(p.name, ours[p.name]), ours[p.name]):
                raise NotGiven(
                    f"reward {self._name!r} asks for {p.name!r}, which every reward is given, and "
                    f"task {task.id!r} has a column of that name with another value; rename the "
                    "column in the data"
                )
        given = {p.name: known[p.name] for p in named if p.name in known}
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            given |= {k: v for k, v in task.columns.items() if k not in (*given, "completion")}
        return given

    def _judge(self, result: Any) -> Judged | Ungradable:
        if isinstance(result, Failed):
            return Ungradable(result.reason, result.error or result.reason)
        if result is None:
            return Ungradable("the reward returned None")
        try:
            if isinstance(result, Mapping):
                if not result:
                    return _misfit("the reward returned {}: no score and no parts")
                parts = {str(k): float(v) for k, v in result.items() if k != "score"}
                value = float(result["score"]) if "score" in result else sum(parts.values())
            else:
                parts, value = {}, float(result)
        except Exception:  # a result's own methods may raise anything
            return _misfit(f"the reward returned {_shown(result)}, not a number or parts")
        if self.range is not None and not self.range[0] <= value <= self.range[1]:
            low, high = self.range
            return _misfit(f"the reward returned {value:g}, outside its range {low:g}..{high:g}")
        return Judged(value, parts)


def _same(column: Any, ours: Any) -> bool:
    """Whether a column says the same as what stands before it; an array has no one answer."""
    try:
        return bool(column == ours)
    except ValueError:
        return False


def _misfit(reason: str) -> Ungradable:
    """A result that is none: the function's fault and not the completion's."""
    return Ungradable(reason, reason)


def _shown(result: Any) -> str:
    try:
        return visible(f"{result!r:.80}")
    except Exception:
        return f"a {type(result).__name__} that can't be shown"


@contextmanager
def _told_when_slow(name: str) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    """A warning after `SLOW_SECONDS` of one call that nothing here can stop.

    What it yields takes note of each call's arguments and gives them back.
    """
    begun: list[tuple[float, dict[str, Any]]] = []
    done = threading.Event()

    def watch() -> None:
        told = 0
        while not done.wait(SLOW_SECONDS / 4):
            if len(begun) > told and time.monotonic() - begun[-1][0] > SLOW_SECONDS:
                told = len(begun)
                completion = f"{begun[-1][1].get('completion', '')!r:.80}"
                logger.warning(
                    "reward %r has been judging row %d of the batch for over %g s (%s); with "
                    "@reward(timeout=...) such a row is invalid, and the run goes on",
                    *(name, told, SLOW_SECONDS, completion),
                )

    def now_judging(arguments: dict[str, Any]) -> dict[str, Any]:
        begun.append((time.monotonic(), arguments))
        return arguments

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield now_judging
    finally:
        done.set()


@overload
def reward(function: Callable[..., Any], /) -> FunctionReward: ...


@overload
def reward(
    *,
    range: tuple[float, float] | None = None,
    timeout: float | None = None,
    parallel: str = "",
    workers: int = 0,
) -> Callable[[Callable[..., Any]], FunctionReward]: ...


def reward(
    function: Callable[..., Any] | None = None,
    /,
    *,
    range: tuple[float, float] | None = None,
    timeout: float | None = None,
    parallel: str = "",
    workers: int = 0,
) -> FunctionReward | Callable[[Callable[..., Any]], FunctionReward]:
    """Lift a plain function to a reward, as ``@reward`` or ``@reward(timeout=2.0, ...)``.

    See `FunctionReward` for what the function may take and return. The plain function stays
    reachable as ``.function``.
    """
    if function is not None:
        return FunctionReward(function)

    def lift(function: Callable[..., Any]) -> FunctionReward:
        return FunctionReward(function, range, timeout, parallel, workers)

    return lift
