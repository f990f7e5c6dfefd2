"""Many turns as one row: a language policy playing in text worlds."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from guerdon.failures import told
from guerdon.keyed import row_key
from guerdon.records import VALID, Ending, Rollouts, Task
from guerdon.rollout.decoding import Continuations
from guerdon.rollout.environments import Environment, Step, make_environment
from guerdon.stages import Sampling

T = TypeVar("T")

logger = logging.getLogger("guerdon.rollout")

INVALID_ACTION = 0.1
"""Taken from a turn's reward when its text names no action (GiGPO, 2505.10978)."""


class Speaker(Protocol):
    """What `play` needs of a language policy."""

    tokenizer: Any

    def encode(self, task: Task) -> Tensor: ...

    def decode(self, ids: Tensor, length: Tensor | int) -> str: ...

    def generate(
        self,
        contexts: Sequence[Tensor],
        keys: Sequence[int],
        sampling: Sampling,
        seed: int,
        *,
        fan: Sequence[int] | None = None,
    ) -> Continuations: ...


def is_played(task: Task) -> bool:
    """Whether the task is a world to act in rather than a question to answer."""
    return "environment" in task.columns


def answer_of(ask: Callable[[], T], said: str) -> T | None:
    """What a world answers; None where it raises, which goes to the log with ``said``.

    Whatever a model says may not end the run.
    """
    try:
        return ask()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        logger.warning("the world failed at %.120r\n%s", said, told(error)[1])
        return None


def ending_of(step: Step) -> Ending | None:
    """Why the episode ended with this step; None where it goes on."""
    if not step.done:
        return None
    return Ending.TIME_LIMIT if step.truncated else Ending.FINISHED


@dataclass
class _Episode:
    """One row while it is played."""

    world: Environment
    group: int
    member: int
    ids: list[int] = field(default_factory=list)
    mask: list[bool] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    turn: list[int] = field(default_factory=list)
    states: list[Hashable] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    valid: list[float] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    ending: Ending | None = None

    def fail(self) -> None:
        """The world raised in this turn: there is no further one."""
        self.states.append(None)
        self.rewards.append(math.nan)
        self.valid.append(math.nan)
        self.ending = Ending.ENVIRONMENT_ERROR

    def add(self, ids: list[int], logps: list[float], turn: int, acted: bool) -> None:
        self.ids += ids
        self.logps += logps
        self.mask += [acted] * len(ids)
        self.turn += [turn] * len(ids)


def play(
    policy: Speaker,
    tasks: Sequence[Task],
    group_size: int,
    sampling: Sampling,
    seed: int,
    *,
    penalty: float = INVALID_ACTION,
) -> Rollouts:
    """``group_size`` episodes of each task, all live ones stepped together.

    One row is one episode: the turns' tokens with the world's text between them (mask False,
    belonging to the turn that it opens). The prompt is the world's first observation. An
    episode ends when the world says so or after ``sampling.max_turns`` turns;
    a turn has at most ``sampling.max_turn_tokens`` tokens. A text that names no action costs
    ``penalty`` in its turn's reward, hence in the episode's total, and leaves the world as it
    was; the signal `VALID` of a turn is 1 where an action was named, else 0. The whole history is
    the context of every turn and is read anew each time. A world that raises at its reset or at
    what was said ends that episode with a turn reward of NaN, which is invalid to
    `EnvironmentReturn`; the traceback goes to the log "guerdon.rollout".
    """
    spoken = replace(sampling, max_tokens=sampling.max_turn_tokens)
    episodes = [
        _Episode(make_environment(task), group, member)
        for group, task in enumerate(tasks)
        for member in range(group_size)
    ]
    firsts: dict[int, str] = {}
    for episode in episodes:
        seen = answer_of(episode.world.reset, "its reset")
        if seen is None:
            episode.fail()
        else:
            firsts.setdefault(episode.group, seen)
    prompts = [
        policy.encode(replace(task, prompt=firsts.get(group, task.prompt or task.id)))
        for group, task in enumerate(tasks)
        if group_size
    ]
    for turn in range(sampling.max_turns):
        live = [episode for episode in episodes if episode.ending is None]
        if not live:
            break
        groups = sorted({e.group for e in live})
        if turn == 0:  # every prompt is computed once for its whole group
            contexts, fan = [prompts[g] for g in groups], [groups.index(e.group) for e in live]
        else:
            contexts = [torch.cat([prompts[e.group], torch.tensor(e.ids)]) for e in live]
            fan = list(range(len(live)))
        keys = [row_key(tasks[e.group].id, e.member, turn) for e in live]
        made = policy.generate(contexts, keys, spoken, seed, fan=fan)
        for row, episode in enumerate(live):
            _act(policy, episode, made, row, turn, turn + 1 == sampling.max_turns, penalty)
    return _rows(policy, tasks, prompts, episodes, sampling)


def _act(
    policy: Speaker,
    episode: _Episode,
    made: Continuations,
    row: int,
    turn: int,
    last: bool,
    penalty: float,
) -> None:
    """One turn: the tokens said, what the world made of them, and its answer."""
    length = int(made.lengths[row])
    said = policy.decode(made.ids[row], length)
    episode.add(made.ids[row, :length].tolist(), made.logps[row, :length].tolist(), turn, True)
    answer = answer_of(lambda: (episode.world.state_key, episode.world.step(said)), said)
    if answer is None:
        episode.fail()
        return
    state, step = answer
    episode.states.append(state)
    episode.rewards.append(step.reward - (0.0 if step.valid else penalty))
    episode.valid.append(float(step.valid))
    episode.ending = ending_of(step)
    if episode.ending is Ending.FINISHED:
        return
    # A turn that was cut off has no end mark to keep its text from the world's.
    text = step.observation if made.endings[row].by_itself else "\n" + step.observation
    heard = policy.tokenizer.encode(text, add_special_tokens=False)
    if step.done or last:  # a limit: there is no turn in which it could be read
        episode.unread = heard
    else:
        episode.add(heard, [0.0] * len(heard), turn + 1, False)


def _rows(
    policy: Speaker,
    tasks: Sequence[Task],
    prompts: list[Tensor],
    episodes: list[_Episode],
    sampling: Sampling,
) -> Rollouts:
    lengths = torch.tensor([len(e.ids) for e in episodes], dtype=torch.long)
    width = int(lengths.max()) if episodes else 0
    turns = max((len(e.rewards) for e in episodes), default=0)
    ids = torch.tensor([_padded(e.ids, width, 0) for e in episodes], dtype=torch.long)
    return Rollouts(
        tasks=tuple(tasks),
        group=torch.tensor([e.group for e in episodes], dtype=torch.long),
        prompts=tuple(prompts),
        ids=ids.reshape(len(episodes), width),
        mask=torch.tensor([_padded(e.mask, width, False) for e in episodes], dtype=torch.bool),
        lengths=lengths,
        logps=torch.tensor([_padded(e.logps, width, 0.0) for e in episodes]),
        texts=tuple(policy.decode(torch.tensor(e.ids), len(e.ids)) for e in episodes),
        endings=tuple(e.ending or Ending.TURN_LIMIT for e in episodes),
        turn=torch.tensor([_padded(e.turn, width, 0) for e in episodes], dtype=torch.long),
        states=tuple(tuple(e.states) for e in episodes),
        turn_rewards=torch.tensor([_padded(e.rewards, turns, 0.0) for e in episodes]),
        signals={VALID: torch.tensor([_padded(e.valid, turns, math.nan) for e in episodes])},
        unread=tuple(torch.tensor(e.unread, dtype=torch.long) for e in episodes),
        temperature=sampling.temperature or 1.0,
    )


def _padded(values: list[Any], width: int, fill: Any) -> list[Any]:
    return values + [fill] * (width - len(values))
