"""Where prompts and rankings come from."""

from typing import TYPE_CHECKING

from guerdon.exports import Index, exporting

if TYPE_CHECKING:
    from guerdon.tasks.arithmetic import Arithmetic as Arithmetic
    from guerdon.tasks.choices import LETTERS as LETTERS
    from guerdon.tasks.choices import MultiChoice as MultiChoice
    from guerdon.tasks.choices import MultipleChoice as MultipleChoice
    from guerdon.tasks.examples import WithExamples as WithExamples
    from guerdon.tasks.facts import VALUES as VALUES
    from guerdon.tasks.facts import FactQuestions as FactQuestions
    from guerdon.tasks.facts import corrupted_report as corrupted_report
    from guerdon.tasks.facts import fact_report as fact_report
    from guerdon.tasks.facts import facts_right as facts_right
    from guerdon.tasks.facts import paraphrase as paraphrase
    from guerdon.tasks.facts import stated_facts as stated_facts
    from guerdon.tasks.files import FileTasks as FileTasks
    from guerdon.tasks.files import RankingFile as RankingFile
    from guerdon.tasks.formats import HUB as HUB
    from guerdon.tasks.formats import read_rows as read_rows
    from guerdon.tasks.gym import ReasoningGym as ReasoningGym
    from guerdon.tasks.mixture import MixedTasks as MixedTasks
    from guerdon.tasks.mixture import four_kinds as four_kinds
    from guerdon.tasks.prepared import PreparedTasks as PreparedTasks
    from guerdon.tasks.reading import DataError as DataError
    from guerdon.tasks.reading import check_prompt as check_prompt
    from guerdon.tasks.regions import TextBoxes as TextBoxes
    from guerdon.tasks.regions import TextIntervals as TextIntervals
    from guerdon.tasks.rewritten import LittleRewritten as LittleRewritten
    from guerdon.tasks.rewritten import words_changed as words_changed
    from guerdon.tasks.role_chains import Chain as Chain
    from guerdon.tasks.role_chains import RoleChains as RoleChains
    from guerdon.tasks.role_chains import agreed as agreed
    from guerdon.tasks.sql import SqlQueries as SqlQueries
    from guerdon.tasks.tool_calls import TOOLS as TOOLS
    from guerdon.tasks.tool_calls import ToolCalls as ToolCalls
    from guerdon.tasks.worlds import CornerTasks as CornerTasks
    from guerdon.tasks.worlds import GridTasks as GridTasks
    from guerdon.tasks.worlds import ToyTextTasks as ToyTextTasks

NAMES = Index(
    __name__,
    {
        "arithmetic": "Arithmetic",
        "multiple-choice": "MultipleChoice",
        "multi-choice": "MultiChoice",
        "facts": "FactQuestions",
        "tool-calls": "ToolCalls",
        "sql": "SqlQueries",
        "boxes": "TextBoxes",
        "intervals": "TextIntervals",
        "grid": "GridTasks",
        "corner": "CornerTasks",
        "toy-text": "ToyTextTasks",
        "file": "FileTasks",
        "reasoning-gym": "ReasoningGym",
    },
)

if not TYPE_CHECKING:
    __getattr__, __dir__, __all__ = exporting(__name__)
