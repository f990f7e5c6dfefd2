"""Reasoning-SQL: six partial rewards for text-to-SQL, by reinforcement learning alone.

Paper: Reasoning-SQL (2503.23157; its authors released no code, so weights and the rule that the
judge is asked about wrong queries only are those of two public re-implementations). Changed against
GRPO: `SqlReward`, a weighted sum of execution, judge, syntax, schema linking, bigrams and form.
Left out: BIRD and Spider, the language model as judge (``reward.judge`` takes any). The real run:
the seedling on its one-table dialect, without the reasoning section and fences it never writes, so
the form is an answer section; queries run on SQLite. Needs the extra ``sql``.

The miniature: questions on two-table schemas, the query filled in from six independent softmaxes
(shown column, table, tested column, operator, value, order of rows) that start uniform, so that a
query is written right once in about 11,000. Arms: execution alone; execution, syntax, schema,
bigrams and form; these with a stub as judge (share of words in common). Kept apart from the paper:
no format teaching, since the form always holds, and nothing held out, since nothing generalises.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from guerdon.advantages import GroupNormalised
from guerdon.curriculum import Informative
from guerdon.objectives import ClippedSurrogate
from guerdon.recipes import Paper
from guerdon.records import Progress, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rewards import QueryLimits, SqlReward
from guerdon.rewards.sql import SqlJudge, SqlQuestion
from guerdon.rewards.sql_text import ngram_similarity
from guerdon.rollout import SlotPolicy
from guerdon.stages import Reward, Sampling
from guerdon.tasks import SqlQueries
from guerdon.training import Guard, Loop, Optimiser, Recipe, update

SLUG = "reasoning-sql"
PAPER = Paper(
    "Reasoning-SQL: Reinforcement Learning with SQL Tailored Partial Rewards for "
    "Reasoning-Enhanced Text-to-SQL",
    "2503.23157",
)
LIMITS = QueryLimits(seconds=2.0, rows=1000)


def build(**overrides: Any) -> Recipe:
    """The real run: the seedling learns its SQL dialect from partial rewards."""
    recipe = Recipe(
        name=SLUG,
        tasks=SqlQueries(),
        reward=SqlReward(limits=LIMITS, reasoning="", fenced=False),
        objective=ClippedSurrogate(),
        optimiser=Optimiser(lr=1e-4),
        loop=Loop(steps=60, groups=16, group_size=8),
    )
    return replace(recipe, **overrides)


QUESTIONS, GROUP, STEPS, RATE, MIDWAY = 6, 8, 150, 1.0, 50
TABLES = {
    "pets": ("name", "kind", "age", "weight"),
    "staff": ("person", "city", "pay", "years"),
}
COLUMNS = (*TABLES["pets"], *TABLES["staff"])
CHOICES = (
    (*COLUMNS, "COUNT(*)"),
    tuple(TABLES),
    COLUMNS,
    ("<", ">", "="),
    tuple(map(str, range(5, 45, 5))),
    ("", " ORDER BY 1", " ORDER BY 1 DESC"),
)


def write(task: Task, chosen: Sequence[str]) -> str:
    """The query of six choices, as an answer."""
    shown, table, tested, sign, value, order = chosen
    query = f"SELECT {shown} FROM {table} WHERE {tested} {sign} {value}{order}"
    return f"<answer>{query}</answer>"


def questions() -> list[Task]:
    """The questions: each with rows of its own and a reference query that finds some of them."""
    schema = "; ".join(f"CREATE TABLE {t} ({', '.join(c)})" for t, c in TABLES.items())
    return [_question(random.Random(q), f"question-{q}", schema) for q in range(QUESTIONS)]


def _question(source: random.Random, name: str, schema: str) -> Task:
    table = source.choice(list(TABLES))
    texts, numbers = TABLES[table][:2], TABLES[table][2:]
    rows = {
        t: [(*(f"{t} {k} {c}" for c in "ab"), *source.sample(range(1, 45), 2)) for k in range(12)]
        for t in TABLES
    }
    shown, tested = source.choice((*texts, *numbers)), source.choice(numbers)
    sign, value = source.choice("<>"), source.choice((15, 20, 25))
    query = f"SELECT {shown} FROM {table} WHERE {tested} {sign} {value}"
    return Task(name, name, query, {"schema": schema, "rows": rows})


def words_in_common(asked: Sequence[SqlQuestion]) -> list[float]:
    """The stub judge: Jaccard index of the queries' words."""
    return [ngram_similarity(one.gold, one.predicted, n=1) for one in asked]


def execution_only() -> SqlReward:
    """1 for a right result and nothing else."""
    return replace(partial_rewards(), execution=1.0, syntax=0.0, schema=0.0, ngram=0.0, format=0.0)


def partial_rewards(judge: SqlJudge | None = None) -> SqlReward:
    """The paper's weights."""
    return SqlReward(limits=LIMITS, reasoning="", fenced=False, judge=judge)


@dataclass(frozen=True)
class Miniature:
    """One arm: a reward."""

    reward: Reward

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        tasks = questions()
        policy = SlotPolicy([task.id for task in tasks], CHOICES, write)
        objective, informative, credit = ClippedSurrogate(), Informative(), GroupNormalised()
        # The loss is a mean over all choices; the rate is meant for one slot of one question.
        rate = RATE * QUESTIONS * len(CHOICES)
        optimiser = torch.optim.SGD(policy.parameters(), lr=rate)
        dead: list[float] = []
        for step in range(STEPS):
            rows = policy.sample(tasks, GROUP, Sampling(), seed * STEPS + step)
            scores = self.reward(rows, Progress(step, STEPS))
            dead.append(1 - informative(scores, rows).float().mean().item())
            advantage = credit(scores, rows)
            update(policy, optimiser, objective, rows, advantage, guard=Guard(), clip=0)
            report((step + 1) / STEPS)
        last = policy.sample(tasks, 16 * GROUP, Sampling(), seed)
        parts = partial_rewards()(last, Progress(STEPS, STEPS)).parts
        middle = dead[max(MIDWAY - 10, 0) : MIDWAY + 10]
        return {
            "execution": parts["execution"].mean().item() / partial_rewards().execution,
            "syntax": parts["syntax"].mean().item(),
            "schema": parts["schema"].mean().item(),
            "dead groups midway": sum(middle) / max(len(middle), 1),
        }


def claim() -> Claim:
    """Partial rewards find right queries where execution alone has nothing to go by."""
    alone, partial, judged = "execution alone", "partial rewards", "with a judge"
    return Claim(
        slug=SLUG,
        statement="Rewards for syntax, schema and likeness lead to queries that execution alone "
        "does not find in the same number of steps",
        arms={
            alone: Miniature(execution_only()),
            partial: Miniature(partial_rewards()),
            judged: Miniature(partial_rewards(words_in_common)),
        },
        metric="execution",
        expectations=(
            Expectation(partial, alone, "execution", at_least=0.2, refuted_below=0.05),
            Expectation(judged, alone, "execution", at_least=0.2, refuted_below=0.05),
            Expectation(alone, partial, "dead groups midway", at_least=0.6, why="from .9 to .3"),
        ),
        seeds=3,
    )
