"""Reasoning-SQL: six partial rewards for text-to-SQL, by reinforcement learning alone.

Paper: Reasoning-SQL (2503.23157; its authors released no code, so weights and the rule that the
judge is asked about wrong queries only are those of two public re-implementations). Changed against
GRPO: `SqlReward`, a weighted sum of execution, judge, syntax, schema linking, bigrams and form.
The real run: the seedling on its one-table dialect, without the reasoning section and fences it
never writes, so the form is an answer section; queries run on SQLite. Needs the extra ``sql``.

Left out: BIRD and Spider, and with them joins, hints and schemas of several tables; the language
model as judge (``reward.judge`` takes any).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guerdon.recipes import Paper
from guerdon.rewards import QueryLimits, SqlReward
from guerdon.rewards.programs.sql_answers import same_set
from guerdon.tasks import SqlQueries
from guerdon.training import AdamW, PolicyRecipe

SLUG = "reasoning-sql"
PAPER = Paper(
    "Reasoning-SQL: Reinforcement Learning with SQL Tailored Partial Rewards for "
    "Reasoning-Enhanced Text-to-SQL",
    "2503.23157",
)
PARTIAL = SqlReward(
    compare=same_set,
    limits=QueryLimits(2.0, rows=1000),
    reasoning="",
    fenced=False,
    variants=0,
)


def build(**overrides: Any) -> PolicyRecipe:
    """The real run: the seedling learns its SQL dialect from partial rewards."""
    recipe = PolicyRecipe(
        name=SLUG,
        tasks=SqlQueries(),
        reward=PARTIAL,
        optimiser=AdamW(lr=1e-4),
    )
    return replace(recipe, **overrides)
