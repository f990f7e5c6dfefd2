"""Where prompts and rankings come from."""

from guerdon.tasks.arithmetic import Arithmetic
from guerdon.tasks.choices import LETTERS, MultiChoice, MultipleChoice
from guerdon.tasks.examples import WithExamples
from guerdon.tasks.facts import (
    VALUES,
    FactQuestions,
    corrupted_report,
    fact_report,
    facts_right,
    paraphrase,
    stated_facts,
)
from guerdon.tasks.files import FileTasks, RankingFile
from guerdon.tasks.gym import ReasoningGym
from guerdon.tasks.mixture import MixedTasks
from guerdon.tasks.reading import DataError, check_prompt, read_rows
from guerdon.tasks.regions import TextBoxes, TextIntervals
from guerdon.tasks.sql import SqlQueries
from guerdon.tasks.tool_calls import TOOLS, ToolCalls
from guerdon.tasks.worlds import CornerTasks, GridTasks, ToyTextTasks

NAMES = {
    "arithmetic": Arithmetic,
    "multiple-choice": MultipleChoice,
    "multi-choice": MultiChoice,
    "facts": FactQuestions,
    "tool-calls": ToolCalls,
    "sql": SqlQueries,
    "boxes": TextBoxes,
    "intervals": TextIntervals,
    "grid": GridTasks,
    "corner": CornerTasks,
    "toy-text": ToyTextTasks,
    "file": FileTasks,
    "reasoning-gym": ReasoningGym,
}

__all__ = [
    "LETTERS",
    "NAMES",
    "TOOLS",
    "VALUES",
    "Arithmetic",
    "CornerTasks",
    "DataError",
    "FactQuestions",
    "FileTasks",
    "GridTasks",
    "MixedTasks",
    "MultiChoice",
    "MultipleChoice",
    "RankingFile",
    "ReasoningGym",
    "SqlQueries",
    "TextBoxes",
    "TextIntervals",
    "ToolCalls",
    "ToyTextTasks",
    "WithExamples",
    "check_prompt",
    "corrupted_report",
    "fact_report",
    "facts_right",
    "paraphrase",
    "read_rows",
    "stated_facts",
]
