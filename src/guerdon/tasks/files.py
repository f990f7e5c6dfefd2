"""Tasks and preference pairs from files. A line that can't be read is an error, never dropped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from guerdon.ranges import Share, check_ranges
from guerdon.rankings import PreferencePair, Ranking
from guerdon.records import Task
from guerdon.tasks.images import image_name, images_in, with_images
from guerdon.tasks.procedural import SPLITS


class DataError(ValueError):
    """A file's row can't be used; the message names file, line, field and the mend."""


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
    becomes the task's column ``images``, as does a column of that name. "" is for none.
    """

    path: str
    prompt: str = "prompt"
    answer: str = "answer"
    id: str = "id"
    image: str = "image"
    held_out: Share = 0.1

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
            home = row.get("split", _share(task.id, self.held_out))
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
        known = (self.prompt, self.answer, self.id, "split")
        columns = {k: v for k, v in row.items() if k not in known}
        name = row.get(self.id)
        if name is None:
            shown = [image_name(image) for image in images_in(columns, self.image)]
            key = json.dumps([prompt, row[self.answer], *shown], sort_keys=True, default=str)
            name = hashlib.sha256(key.encode()).hexdigest()[:16]
        columns = _see(columns, self.image, self.path, where)
        return Task(str(name), prompt, row[self.answer], columns)


@dataclass(frozen=True)
class PreferenceFile:
    """Preference pairs from the same kinds of file.

    A row holds ``prompt`` (text or chat), ``chosen`` and ``rejected`` as texts; or, without a
    prompt, both sides as whole chats that differ only in their last message. ``margin`` and
    ``id`` are optional; other columns go to the task, images as with `FileTasks`. Without an ``id``
    pairs are numbered.
    A share ``held_out`` of the prompts, chosen by a hash, is the test split: a prompt's pairs
    stay together.
    """

    path: str
    held_out: Share = 0.1

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, split: str | None = None) -> list[PreferencePair]:
        """The pairs of "train" or "test" (None = all) in file order.

        Raises DataError; equal sides are an error.
        """
        return _preferences(self.path, split, self.held_out, "pair", _pair)


@dataclass(frozen=True)
class RankingFile:
    """Rankings of two responses or more from the same kinds of file.

    A row holds ``prompt`` and ``ranked``, a list of texts with the best first, or is a pair as in
    `PreferenceFile`. ``id``, other columns and ``held_out`` are as there.
    """

    path: str
    held_out: Share = 0.1

    def __post_init__(self) -> None:
        check_ranges(self)

    def load(self, split: str | None = None) -> list[Ranking]:
        """The rankings of "train" or "test" (None = all) in file order.

        Raises DataError; one text twice in a ranking is an error.
        """
        return _preferences(self.path, split, self.held_out, "ranking", _ranking)


Preferred = TypeVar("Preferred", PreferencePair, Ranking)


def _preferences(
    path: str,
    split: str | None,
    held_out: float,
    kind: str,
    read: Callable[[Mapping[str, Any], str, str, str], Preferred],
) -> list[Preferred]:
    """What ``read`` makes of a file's rows; a share of the prompts is the test split."""
    if split not in (None, *SPLITS):
        raise ValueError(f"{path} has no split {split!r}; it has {' and '.join(SPLITS)}")
    seen: dict[str, str] = {}
    found = []
    for number, (where, row) in enumerate(read_rows(Path(path)), 1):
        one = read(row, path, f"{path}, {where}", f"{kind}-{number}")
        _refuse_copy(seen, one.task.id, path, where, "id")
        found.append(one)
    if not found:
        raise DataError(f"{path} holds no rows")
    return [one for one in found if split in (None, _share(one.task.text, held_out))]


def _see(columns: Mapping[str, Any], image: str, path: str, where: str) -> dict[str, Any]:
    """The columns with images found beside the data file (or in its folder)."""
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    try:
        return with_images(columns, image, folder, where)
    except ValueError as error:
        raise DataError(str(error)) from error


def _share(name: str, held_out: float) -> str:
    """The split of what has this name, by a hash."""
    digest = int(hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8], 16)
    return "test" if digest < held_out * 2**32 else "train"


def _pair(row: Mapping[str, Any], path: str, where: str, name: str) -> PreferencePair:
    for side in ("chosen", "rejected"):
        if row.get(side) is None:
            raise DataError(
                f"{where}: field {side!r} is missing; a pair needs prompt, chosen and rejected"
            )
    chosen, rejected, prompt = row["chosen"], row["rejected"], row.get("prompt")
    if _is_chat(chosen) and _is_chat(rejected) and chosen and rejected:
        if chosen[:-1] != rejected[:-1]:
            raise DataError(
                f"{where}: chosen and rejected answer different prompts; the two chats may "
                "differ in their last message only"
            )
        shared = list(chosen[:-1]) or None
        prompt = shared if prompt is None else prompt
        chosen, rejected = chosen[-1]["content"], rejected[-1]["content"]
    if prompt is None:
        raise DataError(f"{where}: field 'prompt' is missing; give text or chat messages")
    check_prompt(prompt, f"{where}, field 'prompt'")
    for side, text in (("chosen", chosen), ("rejected", rejected)):
        if not isinstance(text, str):
            raise DataError(
                f"{where}, field {side!r}: a completion is text or a whole chat, "
                f"not {type(text).__name__}"
            )
    if chosen == rejected:
        raise DataError(f"{where}: chosen and rejected are the same text; remove the row")
    margin = row.get("margin")
    if margin is not None and (isinstance(margin, bool) or not isinstance(margin, int | float)):
        raise DataError(f"{where}, field 'margin': {margin!r} is not a number; give one or none")
    known = ("id", "prompt", "chosen", "rejected", "margin")
    columns = {k: v for k, v in row.items() if k not in known}
    task = Task(str(row.get("id", name)), prompt, columns=_see(columns, "image", path, where))
    return PreferencePair(task, chosen, rejected, None if margin is None else float(margin))


def _ranked_pair(row: Mapping[str, Any], path: str, where: str, name: str) -> Ranking:
    if row.get("chosen") is None and row.get("rejected") is None:
        raise DataError(
            f"{where}: field 'ranked' is missing; give a list of texts, best first, or chosen "
            "and rejected"
        )
    return Ranking.of_pair(_pair(row, path, where, name))


def _ranking(row: Mapping[str, Any], path: str, where: str, name: str) -> Ranking:
    if row.get("ranked") is None:
        return _ranked_pair(row, path, where, name)
    prompt, ranked = row.get("prompt"), row["ranked"]
    if prompt is None:
        raise DataError(f"{where}: field 'prompt' is missing; give text or chat messages")
    check_prompt(prompt, f"{where}, field 'prompt'")
    if not isinstance(ranked, list | tuple) or not all(isinstance(t, str) for t in ranked):
        raise DataError(f"{where}, field 'ranked': expected a list of texts, best first")
    if len(ranked) < 2 or len(set(ranked)) < len(ranked):
        raise DataError(
            f"{where}, field 'ranked': a ranking has two texts or more, all different; mend or "
            "remove the row"
        )
    columns = {k: v for k, v in row.items() if k not in ("id", "prompt", "ranked")}
    columns = _see(columns, "image", path, where)
    return Ranking(Task(str(row.get("id", name)), prompt, columns=columns), tuple(ranked))


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a JSONL or Parquet file or a saved ``datasets`` folder.

    Each comes with its place for messages: "line 3" (counted past blank lines) or "row 3".
    """
    if not path.exists():
        raise DataError(f"there is no file or folder {path}")
    if path.is_dir():
        yield from _numbered(_folder_rows(path))
    elif path.suffix == ".parquet":
        import pyarrow.parquet

        try:
            table = pyarrow.parquet.read_table(path)
        except Exception as error:
            raise DataError(f"{path} can't be read as Parquet: {error}") from error
        yield from _numbered(table.to_pylist())
    elif path.suffix in (".jsonl", ".json", ".ndjson"):
        yield from _json_rows(path)
    else:
        raise DataError(f"{path}: expected .jsonl, .parquet or a datasets folder")


def _json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open("rb") as file:
        for line, raw in enumerate(file, 1):
            if not raw.strip():
                continue
            try:
                row = json.loads(raw)
            except (ValueError, RecursionError) as error:
                raise DataError(
                    f"{path}, line {line}: not a JSON object ({error}); every line must be one "
                    "object"
                ) from error
            if not isinstance(row, dict):
                raise DataError(f"{path}, line {line}: a {type(row).__name__}, not an object")
            yield f"line {line}", row


def _folder_rows(path: Path) -> Iterator[dict[str, Any]]:
    import datasets

    try:
        loaded = datasets.load_from_disk(str(path))
    except FileNotFoundError as error:
        raise DataError(f"{path} is no folder written by datasets' save_to_disk") from error
    if isinstance(loaded, datasets.DatasetDict):
        for split, part in loaded.items():
            yield from ({"split": split, **row} for row in part)
    else:
        yield from (dict(row) for row in loaded)


def _numbered(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((f"row {n}", row) for n, row in enumerate(rows, 1))


def _refuse_copy(seen: dict[str, str], name: str, path: str, where: str, field: str) -> None:
    if name in seen:
        raise DataError(
            f"{path}, {where}, field {field!r}: {name!r} is also {seen[name]}; give every row "
            "its own id or remove the copy"
        )
    seen[name] = where


def check_prompt(prompt: Any, where: str) -> None:
    """Raises DataError unless it is text or chat messages; ``where`` is file, line and field."""
    if not isinstance(prompt, str) and not _is_chat(prompt):
        raise DataError(
            f"{where}: give text or a list of "
            f'{{"role": ..., "content": ...}} messages, not {type(prompt).__name__}'
        )


def _is_chat(prompt: Any) -> bool:
    return isinstance(prompt, list) and all(
        isinstance(m, dict) and {"role", "content"} <= m.keys() for m in prompt
    )
