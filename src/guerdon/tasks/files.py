"""Tasks and preference pairs from files. A line that can't be read is an error, never dropped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon.records import PreferencePair, Task


class DataError(ValueError):
    """A file's row can't be used; the message names file, line, field and the mend."""


@dataclass(frozen=True)
class FileTasks:
    """Tasks from JSONL, Parquet or a saved ``datasets`` folder.

    ``prompt`` and ``answer`` name the columns; all other columns reach the rewards. ``id`` names
    the id column if there is one (else the id is a hash of prompt and answer). Rows whose
    ``split`` column says "train" or "test" go there; without that column a share ``held_out``
    of the rows is kept for the test split, chosen by a hash of the id.
    """

    path: str
    prompt: str = "prompt"
    answer: str = "answer"
    id: str = "id"
    held_out: float = 0.1

    def load(self, split: str) -> Sequence[Task]:
        """The tasks of "train" or "test" in file order. Raises DataError."""
        seen: dict[str, int] = {}
        tasks = []
        for line, row in enumerate(read_rows(Path(self.path)), 1):
            task = self._task(row, line)
            if task.id in seen:
                raise DataError(
                    f"{self.path}, row {line}, field {self.id!r}: {task.id!r} is also row "
                    f"{seen[task.id]}; give every row its own id or remove the copy"
                )
            seen[task.id] = line
            if row.get("split", self._share(task.id)) == split:
                tasks.append(task)
        return tasks

    def _task(self, row: Mapping[str, Any], line: int) -> Task:
        for field in (self.prompt, self.answer):
            if row.get(field) is None:
                raise DataError(
                    f"{self.path}, row {line}: field {field!r} is missing or empty; the row has "
                    f"{', '.join(map(str, row))}. Name the right columns with "
                    "--tasks.prompt and --tasks.answer"
                )
        prompt = row[self.prompt]
        if not isinstance(prompt, str) and not _is_chat(prompt):
            raise DataError(
                f"{self.path}, row {line}, field {self.prompt!r}: a prompt is text or a list of "
                f'{{"role": ..., "content": ...}} messages, not {type(prompt).__name__}'
            )
        known = (self.prompt, self.answer, self.id, "split")
        columns = {k: v for k, v in row.items() if k not in known}
        name = row.get(self.id)
        if name is None:
            key = json.dumps([prompt, row[self.answer]], sort_keys=True, default=str)
            name = hashlib.sha256(key.encode()).hexdigest()[:16]
        return Task(str(name), prompt, row[self.answer], columns)

    def _share(self, name: str) -> str:
        digest = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
        return "test" if digest / 0xFFFFFFFF < self.held_out else "train"


@dataclass(frozen=True)
class PreferenceFile:
    """Preference pairs from the same kinds of file: prompt, chosen, rejected (and margin)."""

    path: str

    def load(self) -> list[PreferencePair]:
        """All pairs in file order. Raises DataError; equal sides are an error."""
        pairs = []
        for line, row in enumerate(read_rows(Path(self.path)), 1):
            for field in ("prompt", "chosen", "rejected"):
                if not row.get(field):
                    raise DataError(
                        f"{self.path}, row {line}: field {field!r} is missing or empty; a pair "
                        "needs prompt, chosen and rejected"
                    )
            if row["chosen"] == row["rejected"]:
                raise DataError(
                    f"{self.path}, row {line}: chosen and rejected are the same text; "
                    "remove the row"
                )
            task = Task(str(row.get("id", f"pair-{line}")), row["prompt"])
            margin = row.get("margin")
            pairs.append(
                PreferencePair(
                    task,
                    str(row["chosen"]),
                    str(row["rejected"]),
                    None if margin is None else float(margin),
                )
            )
        return pairs


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL or Parquet file or a saved ``datasets`` folder, one dict each."""
    if not path.exists():
        raise DataError(f"there is no file or folder {path}")
    if path.is_dir():
        yield from _folder_rows(path)
    elif path.suffix == ".parquet":
        import pyarrow.parquet

        try:
            table = pyarrow.parquet.read_table(path)
        except Exception as error:
            raise DataError(f"{path} can't be read as Parquet: {error}") from error
        yield from table.to_pylist()
    elif path.suffix in (".jsonl", ".json", ".ndjson"):
        yield from _json_rows(path)
    else:
        raise DataError(f"{path}: expected .jsonl, .parquet or a datasets folder")


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
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
            yield row


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


def _is_chat(prompt: Any) -> bool:
    return isinstance(prompt, list) and all(
        isinstance(m, dict) and {"role", "content"} <= m.keys() for m in prompt
    )
