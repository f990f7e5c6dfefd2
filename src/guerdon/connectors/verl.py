"""verl: ``compute_score``, one completion or a batch at a time."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guerdon.connectors.given import Given
from guerdon.connectors.judge import Judge, extras, group_means, numbers
from guerdon.rewards import FunctionReward
from guerdon.rewards.running.workers import awaited
from guerdon.stages import Reward, Shaper


def export(
    reward: Reward,
    *,
    shaping: Sequence[Shaper] = (),
    invalid: float = 0.0,
    parts: Sequence[str] = (),
) -> Callable[..., dict[str, float]]:
    """``compute_score`` for ``custom_reward_function.path``/``name``.

    ``ground_truth`` is the answer; ``data_source`` and the entries of ``extra_info`` are
    columns, and its "prompt" or "question" is the prompt. Returns "score", "valid" (1 or 0)
    and those of the reward's parts that ``parts`` names.

    verl has no way to leave a row out, and NaN would spread to the whole batch. Sent for an
    invalid row are ``invalid`` as its score, 0 as "valid" and NaN parts, so that it can be
    counted in verl's logs; `export_batch` can send the group's mean. Raises ValueError for
    rewards that compare rows: here verl shows one row at a time.
    """
    judge = Judge("verl", reward, shaping)
    judge.refuse_groups("shows compute_score one row at a time; use export_batch")

    def compute_score(
        data_source: str,
        solution_str: str,
        ground_truth: Any,
        extra_info: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> dict[str, float]:
        scores = judge([_given(data_source, solution_str, ground_truth, extra_info)])
        return {"score": numbers(scores, invalid)[0], **extras(scores, 0, parts)}

    return compute_score


def export_batch(
    reward: Reward,
    *,
    shaping: Sequence[Shaper] = (),
    group: str = "index",
    invalid: float | None = None,
    parts: Sequence[str] = (),
) -> Callable[..., list[dict[str, float]]]:
    """``compute_score`` for the reward manager "batch".

    A group is the rows with the same ``data_source``, "split" and ``extra_info[group]`` (verl's
    own data scripts write "index"); it does not pass its ``uid``. ValueError is raised where
    the entry is missing. For an invalid row the score is ``invalid``, or the mean of the
    group's valid rows where that is None: see `guerdon.connectors.judge.group_means`.
    """
    judge = Judge("verl", reward, shaping)

    def compute_score(
        data_sources: Sequence[str],
        solution_strs: Sequence[str],
        ground_truths: Sequence[Any],
        extra_infos: Sequence[Mapping[str, Any] | None],
        **settings: Any,
    ) -> list[dict[str, float]]:
        keys = [_key(s, e, group) for s, e in zip(data_sources, extra_infos, strict=True)]
        given = zip(data_sources, solution_strs, ground_truths, extra_infos, keys, strict=True)
        scores = judge([_given(*one) for one in given])
        sent = group_means(scores, keys) if invalid is None else numbers(scores, invalid)
        return [{"score": v, **extras(scores, row, parts)} for row, v in enumerate(sent)]

    return compute_score


def _key(source: str, extra: Mapping[str, Any] | None, group: str) -> tuple[Any, ...]:
    if extra is None or extra.get(group) is None:
        raise ValueError(
            f"extra_info has no {group!r}, by which verl's rows are put in groups: write one for "
            "each prompt in the data set, or name another entry with export_batch(group=...)"
        )
    return (str(source), str(extra.get("split")), str(extra[group]))


def _given(
    source: str, text: str, answer: Any, extra: Mapping[str, Any] | None, group: Any = None
) -> Given:
    columns = {**(extra or {}), "data_source": source}
    prompt = columns.get("prompt", columns.get("question", ""))
    return Given(text, prompt, answer, columns, group)


_THEIRS = ("data_source", "solution_str", "ground_truth", "extra_info")
_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class ComputeScore:
    """A ``compute_score`` called with a task's answer and columns, as far as it names them.

    What else it must be given (verl takes that from its configuration) is a column of the task.
    "score" of a dict is the value, its other numbers are parts; texts are left out.
    """

    function: Callable[..., Any]
    data_source: str = ""

    @property
    def __name__(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)

    @property
    def __signature__(self) -> inspect.Signature:
        """What is asked of the task: `FunctionReward` says which column is missing."""
        names = ("completion", "answer", "prompt", *self._asked())
        named = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
        return inspect.Signature([*named, inspect.Parameter("columns", _ANY[1])])

    def _asked(self) -> list[str]:
        """What the function must be given beside verl's own."""
        parameters = inspect.signature(self.function).parameters.items()
        return [
            name
            for name, one in parameters
            if one.default is one.empty and one.kind not in _ANY and name not in _THEIRS
        ]

    def __call__(self, completion: str, answer: Any, prompt: str, **columns: Any) -> Any:
        extra = columns.pop("extra_info", None)
        asked = {name: columns[name] for name in self._asked()}
        theirs = {
            "data_source": columns.pop("data_source", self.data_source),
            "solution_str": completion,
            "ground_truth": answer,
            "extra_info": {**columns, "prompt": prompt, **(extra or {})},
        }
        parameters = inspect.signature(self.function).parameters
        every = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
        named = {name: one for name, one in theirs.items() if every or name in parameters}
        found = awaited(self.function(**named, **asked))
        if isinstance(found, Mapping):
            return {k: v for k, v in found.items() if isinstance(v, int | float)}
        return found


def adopt(
    function: Callable[..., Any], *, data_source: str = "", timeout: float | None = None
) -> FunctionReward:
    """verl's ``compute_score`` as a `Reward`; ``timeout`` in seconds a row."""
    return FunctionReward(ComputeScore(function, data_source), timeout=timeout)
