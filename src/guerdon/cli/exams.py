"""``--exams NAME=TASKS``: held-out sets laid over a recipe."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from guerdon.cli.part_names import part_of
from guerdon.tasks import FileTasks
from guerdon.training import Exam, PolicyRecipe


def with_exam(recipe: Any, text: str) -> PolicyRecipe:
    """``recipe`` with the exam that ``NAME=TASKS`` or ``NAME=TASKS,REWARD`` says.

    TASKS is a file, all of whose rows are held out, or one of our sources. One of the same name is
    replaced; "none" takes off all. Raises ValueError naming what it takes.
    """
    if not isinstance(recipe, PolicyRecipe):
        raise ValueError(f"--exams: a {type(recipe).__name__} has no exams")
    if text == "none":
        return replace(recipe, exams=())
    name, equals, what = text.partition("=")
    if not (name and equals and what):
        raise ValueError(
            f"--exams is {text!r:.60}; give NAME=FILE, NAME=SOURCE, either with ,REWARD, or none"
        )
    tasks, comma, graded_by = (what, "", "") if os.path.exists(what) else what.rpartition(",")
    if not comma:
        tasks, graded_by = what, ""
    try:
        source = part_of("tasks", tasks)
        reward = part_of("reward", graded_by) if graded_by else None
    except ValueError as error:  # it names the option that takes such a part alone
        told = str(error).partition(" ")[2]
        raise ValueError(f"--exams {name}: {told}") from error
    if isinstance(source, FileTasks):
        source = replace(source, held_out=1.0)
    exam = Exam(name, source, reward)
    return replace(recipe, exams=(*(one for one in recipe.exams if one.name != name), exam))
