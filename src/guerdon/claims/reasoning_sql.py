"""Reasoning-SQL in miniature.

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

from guerdon.recipes.reasoning_sql import PARTIAL, SLUG, build
from guerdon.records import Progress, Task
from guerdon.reproduction import Claim, Expectation, Report
from guerdon.rewards import SqlReward
from guerdon.rewards.programs.sql import SqlQuestion
from guerdon.rewards.programs.sql_text import ngram_similarity
from guerdon.rollout import SlotPolicy
from guerdon.stages import Sampling
from guerdon.training import AdamW, Loop, train

EXECUTION = replace(PARTIAL, execution=1.0, syntax=0.0, schema=0.0, ngram=0.0, format=0.0)
QUESTIONS = 6
STEPS = 150
MIDWAY = 50
TABLES = {"pets": ("name", "kind", "age", "weight"), "staff": ("person", "city", "pay", "years")}
COLUMNS = (*TABLES["pets"], *TABLES["staff"])
VALUES = tuple(map(str, range(5, 45, 5)))
ORDERS = ("", " ORDER BY 1", " ORDER BY 1 DESC")
CHOICES = ((*COLUMNS, "COUNT(*)"), tuple(TABLES), COLUMNS, ("<", ">", "="), VALUES, ORDERS)


def write(task: Task, chosen: Sequence[str]) -> str:
    """The query of six choices, as an answer."""
    shown, table, tested, sign, value, order = chosen
    query = f"SELECT {shown} FROM {table} WHERE {tested} {sign} {value}{order}"
    return f"<answer>{query}</answer>"


@dataclass(frozen=True)
class Questions:
    """Questions with rows of their own and a reference query that finds some of them."""

    def load(self, split: str) -> Sequence[Task]:
        """All of them, whatever the split: nothing is held out, for nothing generalises."""
        schema = "; ".join(f"CREATE TABLE {t} ({', '.join(c)})" for t, c in TABLES.items())
        return [self._question(random.Random(q), f"question-{q}", schema) for q in range(QUESTIONS)]

    def _question(self, source: random.Random, name: str, schema: str) -> Task:
        table = source.choice(list(TABLES))
        rows = {
            t: [(f"{t} {k} a", f"{t} {k} b", *source.sample(range(1, 45), 2)) for k in range(12)]
            for t in TABLES
        }
        shown, tested = source.choice(TABLES[table]), source.choice(TABLES[table][2:])
        sign, value = source.choice("<>"), source.choice((15, 20, 25))
        query = f"SELECT {shown} FROM {table} WHERE {tested} {sign} {value}"
        return Task(name, name, query, {"schema": schema, "rows": rows})


def words_in_common(asked: Sequence[SqlQuestion]) -> list[float]:
    """The stub judge: Jaccard index of the queries' words."""
    return [ngram_similarity(one.gold, one.predicted, n=1) for one in asked]


@dataclass(frozen=True)
class Miniature:
    """One arm: a reward."""

    reward: SqlReward

    def __call__(self, seed: int, report: Report) -> dict[str, float]:
        tasks = Questions().load("train")
        policy = SlotPolicy([task.id for task in tasks], CHOICES, write)
        loop = Loop(STEPS, QUESTIONS, checkpoint_every=0, evaluation_tasks=0, seed=seed)
        recipe = build(tasks=Questions(), reward=self.reward, loop=loop, optimiser=AdamW(lr=0.1))
        silent = [h["zero_std_share"] for h in train(recipe, policy=policy, quiet=True).history]
        report(1.0)
        rows = policy.sample(tasks, 128, Sampling(), seed)
        parts = {k: v.mean().item() for k, v in PARTIAL(rows, Progress()).parts.items()}
        around = silent[max(MIDWAY - 10, 0) : MIDWAY + 10]
        figures = {"zero_std_share midway": sum(around) / len(around)}
        return {**parts, **figures, "execution": parts["execution"] / PARTIAL.execution}


def claim() -> Claim:
    """Partial rewards find right queries where execution alone has nothing to go by."""
    alone, partial, judged = "execution alone", "partial rewards", "with a judge"
    return Claim(
        slug=SLUG,
        statement="Partial rewards lead to queries that execution alone does not find as soon",
        arms={
            alone: Miniature(EXECUTION),
            partial: Miniature(PARTIAL),
            judged: Miniature(replace(PARTIAL, judge=words_in_common)),
        },
        metric="execution",
        expectations=(
            Expectation(partial, alone, "execution", matters=0.2),
            Expectation(judged, alone, "execution", matters=0.2),
            Expectation(alone, partial, "zero_std_share midway", 0.6, why="from .9 to .3"),
        ),
    )
