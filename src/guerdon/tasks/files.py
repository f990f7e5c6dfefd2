"""Tasks and rankings from files. A line that can't be read is an error, never dropped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon.ranges import Share, check_ranges
from guerdon.rankings import Ranking
from guerdon.records import Task
from guerdon.tasks.images import image_name, images_in, with_images
from guerdon.tasks.procedural import SPLITS
from guerdon.tasks.reading import (
    DataError,
    check_plain,
    check_prompt,
    is_chat,
    name_in,
    read_rows,
    refuse_empty,
)


@dataclass(frozen=True)
class FileTasks:
    """Tasks from JSONL, Parquet or a saved ``datasets`` folder.

    ``prompt`` and ``answer`` name the columns; all other columns reach the rewards. ``id`` names
    the id column if there is one (else the id is a hash of prompt and answer). Rows whose
    ``split`` column says "train" or "test" go there; without that column a share ``held_out``
    of the rows is kept for the test split, chosen by a hash of the id, so a row stays in its
    split when others are added.

    ``image`` names the column of what a prompt shows: a file's path, taken from the data's own
    folder, or the image itself as Parquet and ``datasets`` hold it; or a list of these. It
    becomes the task's column ``images``, as does a column of that name. "" is for none. Paths are
    taken from the data's own folder, or from ``image_folder``, and never lead out of it.
    """

    path: str
    prompt: str = "prompt"
    answer: str = "answer"
    id: str = "id"
    image: str = "image"
    held_out: Share = 0.1
    image_folder: str = ""

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, split: str) -> Sequence[Task]:
        """The tasks of "train" or "test" in file order. Raises DataError."""
        if split not in SPLITS:
            raise ValueError(f"{self.path} has no split {split!r}; it has {' and '.join(SPLITS)}")
        seen: dict[str, str] = {}
        tasks = []
        for where, row in read_rows(Path(self.path)):
            task = self._task(row, f"{self.path}, {where}")
            _refuse_copy(seen, task.id, self.path, where, self.id)
            home = row.get("split")
            home = _share(task.id, self.held_out) if home is None else home
            if home not in SPLITS:
                raise DataError(
                    f"{self.path}, {where}, field 'split': {home!r} is neither "
                    f"{' nor '.join(map(repr, SPLITS))}; rename it or remove the column"
                )
            if home == split:
                tasks.append(task)
        if not seen:
            raise DataError(f"{self.path} holds no rows")
        return tasks

    def _task(self, row: Mapping[str, Any], where: str) -> Task:
        for field in (self.prompt, self.answer):
            if row.get(field) is None:
                raise DataError(
                    f"{where}: field {field!r} is missing or empty; the row has "
                    f"{', '.join(map(str, row))}. Name the right columns with "
                    "--tasks.prompt and --tasks.answer"
                )
        prompt = row[self.prompt]
        check_prompt(prompt, f"{where}, field {self.prompt!r}")
        refuse_empty(prompt, f"{where}, field {self.prompt!r}")
        check_plain(row[self.answer], f"{where}, field {self.answer!r}")
        known = (self.prompt, self.answer, self.id, "split")
        columns = {k: v for k, v in row.items() if k not in known}
        name = row.get(self.id)
        if name is None:
            shown = [image_name(image) for image in images_in(columns, self.image)]
            key = json.dumps([prompt, row[self.answer], *shown], sort_keys=True, default=str)
            name = hashlib.sha256(key.encode()).hexdigest()[:16]
        columns = _see(columns, self.image, self.path, self.image_folder, where)
        return Task(name_in(name, f"{where}, field {self.id!r}"), prompt, row[self.answer], columns)


@dataclass(frozen=True)
class RankingFile:
    """Rankings, of which pairs are the shortest, from the same kinds of file.

    A row holds ``prompt`` (text or chat) and ``ranked``, a list of texts with the best first, or
    ``chosen`` and ``rejected`` as texts; or, without a prompt, these two as whole chats that
    differ only in their last message. ``margin`` names the column that says by how much a pair's
    chosen side is the better ("" reads none). ``id`` is optional, as a margin is; other columns go
    to the task, images as with `FileTasks`. Without an ``id`` rankings are numbered.
    A share ``held_out`` of the prompts, chosen by a hash, is the test split: a prompt's rankings
    stay together.
    """

    path: str
    held_out: Share = 0.1
    image_folder: str = ""
    margin: str = "margin"

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, split: str | None = None) -> list[Ranking]:
        """The rankings of "train" or "test" (None = all) in file order.

        Raises DataError naming line and field; one text twice in a ranking is an error.
        """
        path = self.path
        if split not in (None, *SPLITS):
            raise ValueError(f"{path} has no split {split!r}; it has {' and '.join(SPLITS)}")
        seen: dict[str, str] = {}
        found = []
        for number, (where, row) in enumerate(read_rows(Path(path)), 1):
            one = self._ranking(row, f"{path}, {where}", f"ranking-{number}")
            _refuse_copy(seen, one.task.id, path, where, "id")
            found.append(one)
        if not found:
            raise DataError(f"{path} holds no rows")
        return [one for one in found if split in (None, _share(one.task.text, self.held_out))]

    def _ranking(self, row: Mapping[str, Any], where: str, name: str) -> Ranking:
        is_pair = row.get("ranked") is None
        prompt, responses = (_pair if is_pair else _ranked)(row, where)
        if prompt is None:
            raise DataError(f"{where}: field 'prompt' is missing; give text or chat messages")
        check_prompt(prompt, f"{where}, field 'prompt'")
        refuse_empty(prompt, f"{where}, field 'prompt'")
        sides = ("chosen", "rejected") if is_pair else ("ranked",)
        known = ("id", "prompt", self.margin, *sides)
        columns = {k: v for k, v in row.items() if k not in known}
        columns = _see(columns, "image", self.path, self.image_folder, where)
        held = row.get("id")
        own = name_in(name if held is None else held, f"{where}, field 'id'")
        margin = self._margin(row, len(responses), where)
        return Ranking(Task(own, prompt, columns=columns), responses, margin)

    def _margin(self, row: Mapping[str, Any], responses: int, where: str) -> float | None:
        margin = row.get(self.margin) if self.margin else None
        if margin is None:
            return None
        place = f"{where}, field {self.margin!r}"
        if isinstance(margin, bool) or not isinstance(margin, int | float):
            raise DataError(f"{place}: {margin!r:.60} is not a number; give one or none")
        if responses != 2:
            raise DataError(
                f"{place}: only a pair has a margin, and this ranking has {responses} texts; "
                "remove it, or read no margins with --pairs.margin ''"
            )
        return float(margin)


def _pair(row: Mapping[str, Any], where: str) -> tuple[Any, tuple[str, ...]]:
    """Prompt and responses of a row with ``chosen`` and ``rejected``. Raises DataError."""
    if row.get("chosen") is None and row.get("rejected") is None:
        raise DataError(
            f"{where}: field 'ranked' is missing; give a list of texts, best first, or chosen "
            "and rejected"
        )
    for side in ("chosen", "rejected"):
        if row.get(side) is None:
            raise DataError(
                f"{where}: field {side!r} is missing; a pair needs prompt, chosen and rejected"
            )
        if isinstance(row[side], list | tuple):
            check_prompt(row[side], f"{where}, field {side!r}")
    chosen, rejected, prompt = row["chosen"], row["rejected"], row.get("prompt")
    if is_chat(chosen) and is_chat(rejected):
        if chosen[:-1] != rejected[:-1]:
            raise DataError(
                f"{where}: chosen and rejected answer different prompts; the two chats may "
                "differ in their last message only"
            )
        shared = list(chosen[:-1]) or None
        prompt = shared if prompt is None else prompt
        chosen, rejected = chosen[-1]["content"], rejected[-1]["content"]
    for side, text in (("chosen", chosen), ("rejected", rejected)):
        if not isinstance(text, str):
            raise DataError(
                f"{where}, field {side!r}: a completion is text or a whole chat, "
                f"not {type(text).__name__}"
            )
    if chosen == rejected:
        raise DataError(f"{where}: chosen and rejected are the same text; remove the row")
    return prompt, (chosen, rejected)


def _ranked(row: Mapping[str, Any], where: str) -> tuple[Any, tuple[str, ...]]:
    """Prompt and responses of a row with ``ranked``. Raises DataError."""
    ranked = row["ranked"]
    if not isinstance(ranked, list | tuple) or not all(isinstance(t, str) for t in ranked):
        raise DataError(f"{where}, field 'ranked': expected a list of texts, best first")
    if len(ranked) < 2 or len(set(ranked)) < len(ranked):
        raise DataError(
            f"{where}, field 'ranked': a ranking has two texts or more, all different; mend or "
            "remove the row"
        )
    return row.get("prompt"), tuple(ranked)


def _see(
    columns: Mapping[str, Any], image: str, path: str, folder: str, where: str
) -> dict[str, Any]:
    """The columns with images found below ``folder`` (the data's own, unless it is named)."""
    own = Path(path) if Path(path).is_dir() else Path(path).parent
    try:
        return with_images(columns, image, Path(folder).expanduser() if folder else own, where)
    except ValueError as error:
        raise DataError(str(error)) from error


def _share(name: str, held_out: float) -> str:
    """The split of what has this name, by a hash."""
    digest = int(hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8], 16)
    return "test" if digest < held_out * 2**32 else "train"


def _refuse_copy(seen: dict[str, str], name: str, path: str, where: str, field: str) -> None:
    if name in seen:
        raise DataError(
            f"{path}, {where}, field {field!r}: {name!r} is also {seen[name]}; give every row "
            "its own id or remove the copy"
        )
    seen[name] = where
