"""Tasks and rankings from files. A line that can't be read is an error, never dropped."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from guerdon.ranges import Share, check_ranges
from guerdon.rankings import Ranking
from guerdon.records import Task
from guerdon.tasks.formats import read_rows
from guerdon.tasks.images import image_name, images_in, with_images
from guerdon.tasks.layouts import Asked, Layout, layout_of, named
from guerdon.tasks.linked import Views
from guerdon.tasks.procedural import SPLITS
from guerdon.tasks.reading import (
    DataError,
    check_plain,
    check_prompt,
    is_chat,
    name_in,
    refuse_empty,
)


@dataclass(frozen=True)
class FileTasks:
    """Tasks from a file (JSON, CSV, Parquet), a saved ``datasets`` folder or a set of the Hub.

    ``path`` is what `read_rows` takes. ``prompt`` and ``answer`` name the columns; all other
    columns reach the rewards. A file that has other columns is read as the published data set
    that it looks like (`guerdon.tasks.layouts`; ``told`` says which), and one of prompts alone has
    no answers. ``id`` names the id column if there is one (else the id is a hash of prompt and
    answer, and a row that stands there again is numbered). Rows whose
    ``split`` column says "train" or "test" go there; without that column a share ``held_out``
    of the rows is kept for the test split, chosen by a hash of the id, so a row stays in its
    split when others are added.

    ``image`` names the column of what a prompt shows: a file's path, taken from the data's own
    folder, or the image itself as Parquet and ``datasets`` hold it; or a list of these. It
    becomes the task's column ``images``, as does a column of that name. "" is for none. Paths are
    taken from the data's own folder, or from ``image_folder``, and never lead out of it.

    ``link``, ``probe`` and ``samples`` name the columns of a task's fields of these names (see
    `Task`); "" is for none. The views of a question, rows of one ``link``, are in one split.
    """

    path: str
    """The file, or the folder."""
    prompt: str = "prompt"
    """The column of prompts."""
    answer: str = "answer"
    """The column of references."""
    id: str = "id"
    """The column of ids, if there is one."""
    image: str = "image"
    """The column of what a prompt shows; empty: none."""
    held_out: Share = 0.1
    """The share of rows that is kept for the test split, where no column says so."""
    image_folder: str = ""
    """The folder that images' paths are taken from; empty: the data's own."""
    link: str = ""
    """The column that names the question of which a row is a view; empty: none."""
    probe: str = ""
    """The column that is true in rows from which nothing is learned; empty: none."""
    samples: str = ""
    """The column of how many completions of a row are drawn; empty: none."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, split: str) -> Sequence[Task]:
        """The tasks of "train" or "test" in file order. Raises DataError."""
        if split not in SPLITS:
            raise ValueError(f"{self.path} has no split {split!r}; it has {' and '.join(SPLITS)}")
        seen: dict[str, str] = {}
        copies: Counter[str] = Counter()
        tasks, views = [], Views(self.link, self.probe, self.samples)
        layout: Layout | None = None
        for where, row in read_rows(self.path):
            layout = layout or self._layout(row, f"{self.path}, {where}")
            task, home = self._task(layout, views, row, f"{self.path}, {where}")
            views.keep_together(task, home, f"{self.path}, {where}")
            if row.get(self.id) is not None:
                _refuse_copy(seen, task.id, self.path, where, self.id)
            else:
                copies[task.id] += 1
                if copies[task.id] > 1:  # a row once more: another task, in the same split
                    task = replace(task, id=f"{task.id}-{copies[task.id]}")
            if home == split:
                tasks.append(task)
        if layout is None:
            raise DataError(f"{self.path} holds no rows")
        views.check_found(self.path)
        return tasks

    @property
    def told(self) -> str:
        """In a line how the file's columns are read; "" where they are the named ones."""
        where, row = next(read_rows(self.path), ("", {}))
        if not row:
            return ""
        found = self._layout(row, f"{self.path}, {where}")
        if not found.name:
            return ""
        fits = f"; --reward {found.reward} reads such answers" if found.reward else ""
        return f"{self.path} is read as {found.name}: {found.told}{fits}"

    def _layout(self, row: Mapping[str, Any], where: str) -> Layout:
        """The file's layout by its first row: the named columns, or one of `LAYOUTS`."""
        asks = row.get(self.prompt) is not None
        if asks and row.get(self.answer) is not None:
            return Layout("", "", bool, named(self.prompt, self.answer))
        own = self.prompt != FileTasks.prompt or self.answer != FileTasks.answer
        found = None if own else layout_of(row)
        if found is not None:
            return found
        if asks and not own and self.answer not in row:
            read = named(self.prompt, self.answer)
            return Layout("prompts", "prompt, and no answers", bool, read, answered=False)
        raise _missing(self.answer if asks else self.prompt, row, where)

    def _task(
        self, layout: Layout, views: Views, row: Mapping[str, Any], where: str
    ) -> tuple[Task, str]:
        """A row as a task, and the split that it belongs to."""
        try:
            asked = layout.read(row)
        except DataError as error:
            raise DataError(f"{where}, {error} (the file is read as {layout.name})") from error
        self._check(layout, asked, row, where)
        known = (self.id, "split", *views.columns.values())
        columns = {k: v for k, v in asked.columns.items() if k not in known}
        name = row.get(self.id)
        if name is None:
            shown = [image_name(image) for image in images_in(columns, self.image)]
            key = json.dumps([asked.prompt, asked.answer, *shown], sort_keys=True, default=str)
            name = hashlib.sha256(key.encode()).hexdigest()[:16]
        name = name_in(name, f"{where}, field {self.id!r}")
        columns = _see(columns, self.image, self.path, self.image_folder, where)
        given = asked.columns.get("split")
        view = views.read(row, where)
        home = _share(view.get("link", name), self.held_out) if given is None else given
        if home not in SPLITS:
            raise DataError(
                f"{where}, field 'split': {home!r} is neither "
                f"{' nor '.join(map(repr, SPLITS))}; rename it or remove the column"
            )
        return Task(name, asked.prompt, asked.answer, columns, **view), home

    def _check(self, layout: Layout, asked: Asked, row: Mapping[str, Any], where: str) -> None:
        """Raises DataError for a prompt or an answer that is missing, or is none."""
        if not layout.answered and asked.answer is not None:
            raise DataError(
                f"{where}, field {self.answer!r}: an answer, and the first row has none; give all "
                "rows one, or none"
            )
        for field, value in ((self.prompt, asked.prompt), (self.answer, asked.answer)):
            if value is None and (layout.answered or field == self.prompt):
                raise _missing(field, row, where)
        check_prompt(asked.prompt, f"{where}, field {self.prompt!r}")
        refuse_empty(asked.prompt, f"{where}, field {self.prompt!r}")
        check_plain(asked.answer, f"{where}, field {self.answer!r}")


def _missing(field: str, row: Mapping[str, Any], where: str) -> DataError:
    return DataError(
        f"{where}: field {field!r} is missing or empty; the row has {', '.join(map(str, row))}. "
        "Name the right columns with --tasks.prompt and --tasks.answer"
    )


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
        for number, (where, row) in enumerate(read_rows(path), 1):
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
