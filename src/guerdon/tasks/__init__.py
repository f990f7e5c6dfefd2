"""Where prompts and preference pairs come from."""

from guerdon.tasks.arithmetic import Arithmetic, worked_sum
from guerdon.tasks.calls import ToolCalls, worked_call
from guerdon.tasks.choices import MultiChoice, MultipleChoice, worked_choice, worked_choices
from guerdon.tasks.facts import (
    FactQuestions,
    corrupt,
    fact_accuracy,
    paraphrase,
    worked_fact,
)
from guerdon.tasks.files import DataError, FileTasks, PreferenceFile, read_rows
from guerdon.tasks.gym import ReasoningGym

NAMES = {
    "arithmetic": Arithmetic,
    "choice": MultipleChoice,
    "choices": MultiChoice,
    "calls": ToolCalls,
    "facts": FactQuestions,
    "file": FileTasks,
    "reasoning-gym": ReasoningGym,
}

__all__ = [
    "NAMES",
    "Arithmetic",
    "DataError",
    "FactQuestions",
    "FileTasks",
    "MultiChoice",
    "MultipleChoice",
    "PreferenceFile",
    "ReasoningGym",
    "ToolCalls",
    "corrupt",
    "fact_accuracy",
    "paraphrase",
    "read_rows",
    "worked_call",
    "worked_choice",
    "worked_choices",
    "worked_fact",
    "worked_sum",
]
