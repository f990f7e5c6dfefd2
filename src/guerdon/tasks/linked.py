"""What rows of a file say of views: which question each is of, whether it is a probe, how many
samples it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from guerdon.records import Task
from guerdon.tasks.reading import DataError, name_in


@dataclass
class Views:
    """The columns of a file for these fields of `Task` ("" = none), and what rows have said so far.

    A column that is empty in a row says nothing of it.
    """

    link: str
    probe: str
    samples: str
    _missing: set[str] = field(init=False)
    _homes: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._missing = set(self.columns.values())

    @property
    def columns(self) -> dict[str, str]:
        """The columns that are read, by the task's field."""
        named = {"link": self.link, "probe": self.probe, "samples": self.samples}
        return {field: column for field, column in named.items() if column}

    def read(self, row: Mapping[str, Any], where: str) -> dict[str, Any]:
        """The fields that a row gives. Raises DataError naming the column."""
        self._missing -= row.keys()
        held = {name: row[c] for name, c in self.columns.items() if row.get(c) is not None}
        if "link" in held:
            held["link"] = name_in(held["link"], f"{where}, field {self.link!r}")
        if not isinstance(held.get("probe", False), bool):
            raise DataError(
                f"{where}, field {self.probe!r}: {held['probe']!r:.60}; give true or false"
            )
        count = held.get("samples", 1)
        if type(count) is not int or count < 1:
            raise DataError(
                f"{where}, field {self.samples!r}: {count!r:.60}; give a whole number of 1 or more"
            )
        return held

    def keep_together(self, task: Task, split: str, where: str) -> None:
        """Raises DataError where views of one question are in several splits."""
        if task.link is not None and self._homes.setdefault(task.link, split) != split:
            raise DataError(
                f"{where}, field 'split': {split!r}, but another view of the question "
                f"{task.link!r} is in {self._homes[task.link]!r}; keep them in one"
            )

    def check_found(self, path: Any) -> None:
        """Raises DataError for a column that no row has had."""
        if self._missing:
            raise DataError(
                f"{path} has no column {min(self._missing)!r}, which one of --tasks.link, "
                "--tasks.probe and --tasks.samples names"
            )
