"""Step-level credit from states that several trajectories visit: GiGPO (2505.10978)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from guerdon.advantages.group import Single, SingleZero
from guerdon.advantages.spread import single_precision
from guerdon.groups import group_statistics, over, root
from guerdon.ranges import NonNegative, PositiveInt, Share, check_ranges
from guerdon.records import Experience, Rollouts, Scores


class Norm(Protocol):
    """Centred numbers and their groups' spread to advantages."""

    def __call__(self, centred: Tensor, std: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class MeanNorm:
    """Centred only."""

    def __call__(self, centred: Tensor, std: Tensor) -> Tensor:
        return centred


@dataclass(frozen=True)
class MeanStdNorm:
    """Centred and divided by the spread plus ``epsilon``."""

    epsilon: NonNegative = 1e-6

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, centred: Tensor, std: Tensor) -> Tensor:
        return over(centred, torch.where(std > 0, std + self.epsilon, 0.0))


class EpisodeStatistic(Protocol):
    """How often an episode of ``turns`` turns counts in its group's mean and spread."""

    def __call__(self, turns_N: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class AcrossSteps:
    """Once per turn: long episodes weigh more (the released default)."""

    def __call__(self, turns_N: Tensor) -> Tensor:
        return turns_N


@dataclass(frozen=True)
class AcrossTrajectories:
    """Once per episode."""

    def __call__(self, turns_N: Tensor) -> Tensor:
        return torch.ones_like(turns_N)


class Anchors(Protocol):
    """Which of a task's states count as one: a number for each, in the order they were met."""

    def __call__(self, states: Sequence[Hashable]) -> Sequence[int]: ...


@dataclass(frozen=True)
class Equal:
    """States are one where they are equal."""

    def __call__(self, states: Sequence[Hashable]) -> list[int]:
        known: dict[Hashable, int] = {}
        return [known.setdefault(state, len(known)) for state in states]


@dataclass(frozen=True)
class Similar:
    """Texts are one where they are alike: for worlds whose observations hardly ever repeat.

    Greedy: a text joins the first cluster whose first text has a `difflib` ratio of ``least`` to it
    or more, and begins a new one else. So it depends on the order of rows, which nothing else here
    does. Only the first ``read`` characters are compared, at a cost of up to their square. Raises
    ValueError for a state that is no text: of positions and the like, neighbours look alike.
    """

    least: Share = 0.95
    """How alike two texts have to be: 1 is equal, as far as they are read."""
    read: PositiveInt = 1000
    """How many characters of a state are looked at."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def __call__(self, states: Sequence[Hashable]) -> list[int]:
        known: dict[str, int] = {}
        first: list[str] = []
        found = []
        for state in states:
            if not isinstance(state, str):
                raise ValueError(
                    f"Similar compares texts, and a state of this world is {state!r:.80}; use Equal"
                )
            text = state[: self.read]
            if text not in known:
                known[text] = self._cluster(text, first)
                if known[text] == len(first):
                    first.append(text)
            found.append(known[text])
        return found

    def _cluster(self, text: str, first: Sequence[str]) -> int:
        """The first cluster that takes it, or the number of clusters."""
        # What it knows of the second text is kept. Left to itself it would not look at signs that
        # are frequent in a long one, which is all of them.
        matcher = SequenceMatcher(None, "", text, autojunk=False)
        for number, other in enumerate(first):
            matcher.set_seq1(other)
            # From the cheapest: each is an upper bound of the next.
            if all(
                bound() >= self.least
                for bound in (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)
            ):
                return number
        return len(first)


@dataclass(frozen=True)
class TwoLevel:
    """``A = A_episode + omega A_step`` on the tokens of each turn.

    ``A_episode`` compares the episode's total with its task's others. ``A_step`` compares the
    discounted return from a turn on with those of all turns of the same task that started in
    one state, as ``anchors`` has it, of any trajectory and time. A state met once gives ``A_step``
    0. A task with one valid episode gives ``A_episode`` 0; where that is a single entry by
    ``statistic``, it is what ``single`` says (`SingleRaw`, the released code: its raw reward).
    After the last turn of a row that was cut off comes what `Rollouts.value_after` says.
    Needs rollouts with ``states`` and ``turn_rewards``; invalid rows take no part. `of_calls` is
    the same for one row per call of a model.
    """

    name: ClassVar[str] = "two-level"

    discount: Share = 0.95
    """What a reward counts one turn earlier."""
    omega: NonNegative = 1.0
    """The step level's weight beside the episode's."""
    norm: Norm = MeanNorm()
    """How centred numbers are scaled."""
    statistic: EpisodeStatistic = AcrossSteps()
    """How often an episode counts in its group's mean and spread."""
    anchors: Anchors = Equal()
    """Which states count as one."""
    single: Single = SingleZero()
    """The episode level of the only entry of its task."""

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def scope(self) -> str:
        """What is compared: "group" where an episode that is alone learns nothing by its total."""
        return "completion" if self.single(torch.ones(1)).any() else "group"

    def __call__(self, experience: Experience) -> Tensor:
        scores, rollouts = experience.scores, experience.rollouts
        row_M, turn_M, anchor_M = self._turns(scores, rollouts)
        if not len(row_M):
            return torch.zeros(rollouts.mask.shape)
        reward_NK = _rewards(rollouts).double()
        turns_N = torch.tensor([len(states) for states in rollouts.states or ()])
        after_N = torch.where(turns_N > 0, self.discount * rollouts.value_after, 0.0).double()
        last_N1 = (turns_N - 1).clamp_min(0)[:, None]
        reward_NK = reward_NK.scatter_add(1, last_N1, after_N[:, None])
        return_NK = returns_to_go(reward_NK, self.discount)
        total_N = torch.where(scores.valid, scores.value, 0.0).double()
        episode_N = self._episodes(total_N, turns_N, rollouts.group, scores.valid)
        step_M = self._steps(return_NK[row_M, turn_M], anchor_M)
        credit_NK = torch.zeros(return_NK.shape, dtype=torch.float64)
        credit_NK[row_M, turn_M] = episode_N[row_M] + self.omega * step_M
        turn_NT = _turn_of(rollouts)
        use_NT = rollouts.mask & scores.valid[:, None]
        return single_precision(credit_NK.gather(1, turn_NT), use_NT)

    def of_calls(
        self,
        task: Sequence[Hashable],
        episode: Sequence[Hashable],
        anchor: Sequence[Hashable],
        reward: Sequence[float],
    ) -> Tensor:
        """float[M] for M rows of one call each, as agents' loops keep them.

        Row m is a call in an ``episode`` of a ``task`` (one episode is of one task), made in state
        ``anchor``, with ``reward`` for its step. Rows may stand in any order in which the calls of
        an episode follow each other. An episode's total is the sum of its rewards, so what is taken
        off for an invalid action is in both levels. Raises ValueError where lengths differ.
        """
        if len({len(task), len(episode), len(anchor), len(reward)}) > 1:
            sizes = f"{len(task)} tasks, {len(episode)} episodes, {len(anchor)} states"
            raise ValueError(
                f"of_calls was given {sizes} and {len(reward)} rewards; one each a row"
            )
        if not len(task):
            return torch.zeros(0)
        whose = list(zip(task, episode, strict=True))
        group_M, row_M = (torch.tensor(Equal()(which)) for which in (task, whose))
        turns_N = torch.bincount(row_M)
        order_M = torch.argsort(row_M, stable=True)
        turn_M = torch.empty_like(row_M)
        turn_M[order_M] = torch.cat([torch.arange(int(count)) for count in turns_N])
        reward_NK = torch.zeros(len(turns_N), int(turns_N.max()), dtype=torch.float64)
        reward_NK[row_M, turn_M] = torch.tensor(list(reward), dtype=torch.float64)
        group_N = torch.zeros_like(turns_N).scatter(0, row_M, group_M)
        whole_N = torch.ones_like(group_N, dtype=torch.bool)
        episode_N = self._episodes(reward_NK.sum(1), turns_N, group_N, whole_N)
        return_M = returns_to_go(reward_NK, self.discount)[row_M, turn_M]
        anchor_M = self._anchored(group_M.tolist(), anchor)
        credit_M = episode_N[row_M] + self.omega * self._steps(return_M, anchor_M)
        return single_precision(credit_M, torch.ones_like(row_M, dtype=torch.bool))

    def stats(self, experience: Experience) -> dict[str, float]:
        """Mean size of the anchor groups and the share of turns that are alone in theirs.

        A share of 1 means that the step level is silent and the method is GRPO.
        """
        _, _, anchor_M = self._turns(experience.scores, experience.rollouts)
        if not len(anchor_M):
            return {"anchor_group_size": 0.0, "singleton_share": 1.0}
        size = torch.bincount(anchor_M)
        return {
            "anchor_group_size": float(size.double().mean()),
            "singleton_share": float((size[anchor_M] == 1).double().mean()),
        }

    def _episodes(
        self, total_N: Tensor, turns_N: Tensor, group_N: Tensor, valid_N: Tensor
    ) -> Tensor:
        """float64[N], the episode level."""
        weight_N = self.statistic(turns_N.double()) * valid_N
        zeros = torch.zeros(int(group_N.max()) + 1, dtype=torch.float64)
        weight = zeros.index_add(0, group_N, weight_N)
        mean = zeros.index_add(0, group_N, weight_N * total_N) / weight.clamp_min(1)
        centred_N = total_N - mean[group_N]
        spread = zeros.index_add(0, group_N, weight_N * centred_N**2)
        std = root(spread / (weight - 1).clamp_min(1))
        episodes = zeros.index_add(0, group_N, valid_N.double())
        normed_N = self.norm(centred_N, std[group_N])
        alone_N = valid_N & (weight[group_N] == 1)
        found_N = torch.where(episodes[group_N] > 1, normed_N, 0.0)
        return torch.where(alone_N, self.single(total_N), found_N)

    def _steps(self, return_M: Tensor, anchor_M: Tensor) -> Tensor:
        """float64[M], the step level."""
        found = group_statistics(return_M, torch.ones_like(anchor_M, dtype=torch.bool), anchor_M)
        return torch.where(found.count > 1, self.norm(found.centred, found.std), 0.0)

    def _turns(self, scores: Scores, rollouts: Rollouts) -> tuple[Tensor, Tensor, Tensor]:
        """Row, turn and anchor group of every turn of every valid row, each long[M]."""
        if rollouts.states is None:
            raise ValueError("TwoLevel needs multi-turn rollouts: they have no states")
        rows = [
            (row, turn, state)
            for row, ok in enumerate(scores.valid.tolist())
            for turn, state in enumerate(rollouts.states[row] if ok else ())
        ]
        group = rollouts.group.tolist()
        anchor_M = self._anchored([group[row] for row, _, _ in rows], [s for _, _, s in rows])
        row_M = torch.tensor([row for row, _, _ in rows], dtype=torch.long)
        return row_M, torch.tensor([turn for _, turn, _ in rows], dtype=torch.long), anchor_M

    def _anchored(self, group: Sequence[int], states: Sequence[Hashable]) -> Tensor:
        """long[M]: states of one task that count as one have one number."""
        places: dict[int, list[int]] = {}
        for place, one in enumerate(group):
            places.setdefault(one, []).append(place)
        anchor_M = torch.zeros(len(group), dtype=torch.long)
        used = 0
        for some in places.values():
            found = self.anchors([states[place] for place in some])
            anchor_M[some] = torch.tensor(found) + used
            used += max(found) + 1
        return anchor_M

    @classmethod
    def example(cls) -> TwoLevel:
        return cls(norm=MeanStdNorm(), statistic=AcrossTrajectories())


def returns_to_go(reward_NK: Tensor, discount: float) -> Tensor:
    """float[N, K]: ``sum_{k >= t} discount^(k - t) r_k``; whole numbers count as float32."""
    if not reward_NK.is_floating_point():
        reward_NK = reward_NK.float()
    running = torch.zeros(reward_NK.shape[0], dtype=reward_NK.dtype)
    made = torch.zeros_like(reward_NK)
    for t in reversed(range(reward_NK.shape[1])):
        running = reward_NK[:, t] + discount * running
        made[:, t] = running
    return made


def _rewards(rollouts: Rollouts) -> Tensor:
    if rollouts.turn_rewards is None:
        raise ValueError("TwoLevel needs multi-turn rollouts: they have no turn_rewards")
    return rollouts.turn_rewards


def _turn_of(rollouts: Rollouts) -> Tensor:
    """long[N, T], within the turns there are."""
    turns = _rewards(rollouts).shape[1]
    turn = rollouts.mask.long() * 0 if rollouts.turn is None else rollouts.turn
    return turn.clamp(0, max(turns - 1, 0))
