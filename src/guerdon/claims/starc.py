"""STARC in miniature: which distance between rewards says what is lost by confusing them.

Random processes of 32 states and 4 actions, and pairs of rewards on them, of which some are sparse,
scaled, shifted or shaped. On the straight line from one of a pair to the other, both ends
included, 16 rewards; for each the exact regret of being optimal under it instead of under the
first, and its distance from the first. The figure is the correlation of the two over all 2,048
points of a seed, by canonicalisation and norm. Pairs whose first reward is trivial are drawn
again: where all policies are equal there is no range to measure regret by. (A sparse reward often
pays only for transitions that never happen.)

Beside it what holds exactly: a reward whose mean after every action is the same has no regret, and
so has one that differs in transitions that never happen, however much. VAL's distance to both is
0, that of the others is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from guerdon.evaluation.reward_distance import CANONICAL, NORMS, StandardisedDistance
from guerdon.evaluation.reward_distance.canonical import shaped
from guerdon.mdp import MDP, is_trivial, optimal, random_mdp, regret
from guerdon.mdp.process import Floats
from guerdon.recipes.starc import SLUG
from guerdon.reproduction import Claim, Expectation, Report, Role

PROCESSES = 32
PAIRS = 4
BETWEEN = 16

STATES = 32
ACTIONS = 4
DISCOUNT = 0.95
LEAST_LOGIT = 1.0

SPARSE = 0.2
SPARSE_ABOVE = 3.0
SCALED = 0.7
SHIFTED = 0.3
SHAPED = 0.5
LARGEST = 10.0
HUGE = 1e3

L2 = "L2"
TRIED = (L2, "weighted L2", "weighted L1")


@dataclass(frozen=True, eq=False)
class Fan:
    """A reward of a process, others, and for each the regret of being optimal under it."""

    mdp: MDP
    first: Floats
    others: tuple[Floats, ...]
    regrets: tuple[float, ...]


def drawn_reward(mdp: MDP, rng: np.random.Generator) -> Floats:
    """float64[S, A, S]: standard normal, then by chance sparse, scaled, shifted and shaped."""
    reward = rng.standard_normal((mdp.states, mdp.actions, mdp.states))
    if rng.random() < SPARSE:
        reward = np.where(reward > SPARSE_ABOVE, reward, 0.0)
    if rng.random() < SCALED:
        reward = reward * rng.uniform(0, LARGEST)
    if rng.random() < SHIFTED:
        reward = reward + rng.uniform(0, LARGEST)
    if rng.random() < SHAPED:
        potential = rng.standard_normal(mdp.states) * rng.uniform(0, LARGEST) + rng.random()
        reward = shaped(mdp, reward, potential)
    return np.asarray(reward, dtype=np.float64)


def drawn_pair(mdp: MDP, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Two drawn rewards, the first not trivial: regret under it is defined."""
    while True:
        first, second = drawn_reward(mdp, rng), drawn_reward(mdp, rng)
        if not is_trivial(mdp, first):
            return first, second


def same_means(mdp: MDP, reward: Floats, rng: np.random.Generator) -> Floats:
    """Another reward with the same mean after every action, spread otherwise."""
    change = rng.standard_normal(reward.shape) * np.abs(reward).max()
    return np.asarray(reward + change - mdp.reward(change)[:, :, None], dtype=np.float64)


def never_paid(mdp: MDP, reward: Floats, rng: np.random.Generator) -> Floats:
    """Another reward that is huge on some transitions which never happen."""
    change = HUGE * np.abs(reward).max() * rng.standard_normal(reward.shape)
    return np.asarray(np.where(mdp.dense > 0, reward, reward + change), dtype=np.float64)


@lru_cache(maxsize=1)
def studied(seed: int) -> tuple[list[Fan], list[Fan], list[Fan]]:
    """Lines between rewards, redistributed rewards, and huge ones never paid."""
    rng = np.random.default_rng(seed)
    lines, spread, absent = [], [], []
    for _ in range(PROCESSES):
        mdp = random_mdp(STATES, ACTIONS, DISCOUNT, rng, sparse_above=LEAST_LOGIT)
        for _ in range(PAIRS):
            first, second = drawn_pair(mdp, rng)
            way = [first + share * (second - first) for share in np.linspace(0, 1, BETWEEN)]
            lines.append(measured(mdp, first, way))
        spread.append(measured(mdp, first, [same_means(mdp, first, rng)]))
        absent.append(measured(mdp, first, [never_paid(mdp, first, rng)]))
    return lines, spread, absent


def measured(mdp: MDP, first: Floats, others: list[Floats]) -> Fan:
    """A reward, others, and their regrets."""
    lost = (regret(mdp, first, optimal(mdp, other).policy) for other in others)
    return Fan(mdp, first, tuple(others), tuple(lost))


@dataclass(frozen=True)
class Distance:
    """One arm: a canonicalisation, with three norms."""

    canonical: str

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        lines, spread, absent = studied(seed)
        regrets = [lost for fan in lines for lost in fan.regrets]
        figures = {}
        for name in TRIED:
            found = self.distances(lines, name)
            figures[f"correlation, {name}"] = float(np.corrcoef(found, regrets)[0, 1])
            if name == L2:
                figures["regret per distance"] = max(
                    lost / far for lost, far in zip(regrets, found, strict=True) if far > 0
                )
            report(len(figures) / (len(TRIED) + 1))
        for name, fans in {"same means": spread, "never paid": absent}.items():
            apart = self.distances(fans, L2)
            figures |= {name: min(apart), f"{name}, most": max(apart)}
            figures[f"{name}, regret"] = max(lost for fan in fans for lost in fan.regrets)
        return figures

    def distances(self, fans: list[Fan], norm: str) -> list[float]:
        """Of every fan's others from its first."""
        distance = StandardisedDistance(CANONICAL[self.canonical], NORMS[norm])
        return [far for fan in fans for far in distance.from_one(fan.mdp, fan.first, fan.others)]


def claim() -> Claim:
    """What can't change the order of policies must not count; then distances follow regret."""
    l2 = "correlation, L2"
    others = ("epic", "dard", "val-potential")
    exact = Role.IDENTITY
    return Claim(
        slug=SLUG,
        statement="STARC's distance follows the worst regret more closely than EPIC's and DARD's",
        arms={name: Distance(name) for name in ("none", *others, "val")},
        metric=l2,
        expectations=(
            *(Expectation("val", other, l2, matters=0.03) for other in others),
            *(
                Expectation(other, "none", l2, why="no canonicalisation is worst")
                for other in others
            ),
            *(
                Expectation(other, 0.05, "same means", why="apart, at no regret")
                for other in others
            ),
            *(
                Expectation(other, 0.05, "never paid", why="apart, at no regret")
                for other in others
            ),
            Expectation("val", 0.0, "same means, most", role=exact),
            Expectation("val", 0.0, "same means, regret", role=exact),
            Expectation("val", 0.0, "never paid, most", role=exact),
            Expectation("val", 0.0, "never paid, regret", role=exact),
            Expectation("epic", 0.802, l2, within=0.12, role=Role.CHECK, why="pilot"),
            Expectation(0.802, "epic", l2, within=0.12, role=Role.CHECK, why="pilot"),
        ),
        seeds=8,
    )
