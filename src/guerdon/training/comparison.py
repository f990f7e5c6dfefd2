"""A recipe that evaluates: rewards of one process, compared. Nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Unpack

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from guerdon.evaluation.reward_distance import (
    CANONICAL,
    NORMS,
    StandardisedDistance,
)
from guerdon.evaluation.reward_distance.tables import load_process, load_reward, variants
from guerdon.mdp import MDP, optimal, regret
from guerdon.mdp.process import Floats
from guerdon.names import check_name
from guerdon.parsing.visible import visible
from guerdon.ranges import Range, check_ranges
from guerdon.training.recipe import Loop, Result, RunOptions
from guerdon.training.run import Run


class Compared(NamedTuple):
    """A comparison's run, the reward that counts, and the distances from it (see `compare`).

    No rows: it was ended, or resumed, after its only step.
    """

    result: Result
    first: str
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class RewardComparison:
    """How far rewards of one process are apart from the first of them, and what that costs.

    Attributes:
        world: a world of Gymnasium with numbered states, or a file of transitions; see
            `guerdon.evaluation.reward_distance.tables.load_process`.
        rewards: files of rewards, see `load_reward` there. The first is the one that counts, the
            process's own where it has one. Without any, a process's own is held against `variants`.
        discount: of the process; a world of Gymnasium has none of its own.
    """

    name: str = "compare-rewards"
    world: str = "FrozenLake-v1"
    rewards: tuple[str, ...] = ()
    discount: Annotated[float, Range(0, 1, open_high=True)] = 0.95

    def __post_init__(self) -> None:
        check_ranges(self)
        check_name(self.name, "the recipe's name")

    def run(self, folder: Path | None = None, **options: Unpack[RunOptions]) -> Result:
        """Compare, show a table unless ``quiet``, and keep the distances in the run's summary.

        Raises ValueError for fewer than two rewards.
        """
        made = self.compared(folder, **options)
        if made.rows and not options.get("quiet"):
            show(made.rows, made.first)
        return made.result

    def compared(self, folder: Path | None = None, **options: Unpack[RunOptions]) -> Compared:
        """As `run`, and hands out the distances that it came to; shows no table."""
        rows: list[dict[str, Any]] = []
        first = ""
        with Run(self, folder, Loop(steps=1), told={"distances": rows}, **options) as run:
            mdp, rewards = self.load()
            first = next(iter(rewards))
            run.start(None, {})
            for _ in run.steps():
                rows += compare(mdp, rewards)
                run.log({"rewards": float(len(rewards))})
        return Compared(run.result, first, rows)

    def load(self) -> tuple[MDP, dict[str, Floats]]:
        """The process and its rewards by name, the one that counts first."""
        mdp, own = load_process(self.world, self.discount)
        rewards = {} if own is None else {"its own": own}
        for file in self.rewards:
            rewards[file] = load_reward(Path(file), mdp)
        if own is not None and not self.rewards:
            rewards |= variants(mdp, own)
        if len(rewards) < 2:
            raise ValueError(
                f"{self.world} has no reward of its own, so nothing can be compared with "
                f"{len(rewards)} reward{'s' * (not rewards)}; give two files"
            )
        return mdp, rewards


def compare(mdp: MDP, rewards: Mapping[str, Floats]) -> list[dict[str, Any]]:
    """The distances of every reward from the first, a row for each canonicalisation.

    A row has ``reward``, ``canonical``, ``regret`` (in [0, 1]: what is lost by the first reward's
    measure by being optimal under the other) and a distance for each of `NORMS`.
    """
    (_, first), *others = rewards.items()
    rows = []
    for name, other in others:
        lost = regret(mdp, first, optimal(mdp, other).policy)
        for kind, canonical in CANONICAL.items():
            far = {
                norm: StandardisedDistance(canonical, measure)(mdp, first, other)
                for norm, measure in NORMS.items()
            }
            rows.append({"reward": name, "canonical": kind, "regret": lost, **far})
    return rows


def show(rows: Sequence[Mapping[str, Any]], first: str) -> None:
    """The rows as a table on the terminal."""
    title = f"distance from {escape(visible(first))}: 0 alike, 2 opposite"
    table = Table(title=title, box=SIMPLE_HEAD, padding=0)
    for heading in rows[0]:
        numeric = heading not in ("reward", "canonical")
        wide = max(map(len, CANONICAL)) if heading == "canonical" else None
        table.add_column(
            heading.replace(" ", "\n"), justify="right" if numeric else "left", min_width=wide
        )
    for at, row in enumerate(rows):
        place = at % len(CANONICAL)
        reward = "" if place else visible(row["reward"])
        figures = (f"{v:.3f}" for k, v in row.items() if k not in ("reward", "canonical"))
        end = place == len(CANONICAL) - 1
        table.add_row(Text(reward), row["canonical"], *figures, end_section=end)
    Console().print(table)
