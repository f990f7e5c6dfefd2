"""Rows of data files, as anybody may have written them. What can't be read is an error with its
line and field, never a row left out."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from guerdon.parsing.strict_json import refuse_odd, strict_json

MAX_LINE = 64 * 2**20
"""Longest line of a JSONL file, in bytes."""

_MESSAGES = '{"role": ..., "content": ...}'

_ODD = (bytes, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal)
"""What Parquet holds and JSON does not: in a prompt or an answer there is no telling what it says.
A datetime is a date."""


class DataError(ValueError):
    """A file's row can't be used; the message names file, line, field and the mend."""


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a JSONL or Parquet file or a saved ``datasets`` folder.

    Each comes with its place for messages: "line 3" (counted past blank lines) or "row 3". Keys
    are text and stand once, numbers are finite, text is whole characters. Raises DataError.
    """
    try:
        kind = "folder" if path.is_dir() else "file" if path.is_file() else "nothing"
    except (OSError, ValueError) as error:  # a name too long, or with a NUL in it
        raise DataError(f"{str(path)!r:.200} is no file's name ({error})") from error
    if kind == "folder":
        rows = _numbered(_folder_rows(path))
    elif not path.exists():
        raise DataError(f"there is no file or folder {path}")
    elif kind == "nothing":
        raise DataError(f"{path} is neither a file nor a folder; copy what it gives to a file")
    elif path.suffix == ".parquet":
        rows = _numbered(_parquet_rows(path))
    elif path.suffix in (".jsonl", ".json", ".ndjson"):
        rows = _json_rows(path)
    else:
        raise DataError(f"{path}: expected .jsonl, .parquet or a datasets folder")
    yield from rows


def _numbered(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((f"row {n}", row) for n, row in enumerate(rows, 1))


def _json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with _opening(path), path.open("rb") as file:
        _refuse_other_formats(path, file.peek(4)[:4])
        line = 0
        while raw := file.readline(MAX_LINE + 1):
            line += 1
            if len(raw) > MAX_LINE:
                raise DataError(
                    f"{path}, line {line}: longer than {MAX_LINE // 2**20} MiB; every line must be "
                    "one object"
                )
            if line == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            if raw.strip():
                yield f"line {line}", _json_row(raw, f"{path}, line {line}", path)


def _json_row(raw: bytes, where: str, path: Path) -> dict[str, Any]:
    try:
        row = strict_json(raw.decode())
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        raise DataError(
            f"{where}: not UTF-8 (byte {byte:#04x} at {error.start + 1}, "
            f"{chr(byte)!r} if the file is Latin-1); save it as UTF-8, for example "
            f"iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}"
        ) from error
    except ValueError as error:
        if str(error).startswith("field "):
            raise DataError(f"{where}, {error}") from error
        whole = "; for one list of objects: jq -c '.[]'" if raw.lstrip()[:1] == b"[" else ""
        raise DataError(
            f"{where}: not a JSON object ({error}); every line must be one object{whole}"
        ) from error
    if not isinstance(row, dict):
        raise DataError(
            f"{where}: a {type(row).__name__}, not an object; every line must be one object"
        )
    return row


def _refuse_other_formats(path: Path, start: bytes) -> None:
    """What is packed or in another encoding is said as such, not as bad JSON."""
    told = {
        b"\x1f\x8b": "packed by gzip; unpack it first (gunzip)",
        b"PK\x03\x04": "a zip archive; unpack it first (unzip)",
        b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it first (unzstd)",
        b"BZh": "packed by bzip2; unpack it first (bunzip2)",
        b"\xfd7zX": "packed by xz; unpack it first (unxz)",
        b"PAR1": "Parquet; let its name end in .parquet",
        b"\xff\xfe": f"UTF-16; save it as UTF-8 (iconv -f utf-16 -t utf-8 {path.name})",
        b"\xfe\xff": f"UTF-16; save it as UTF-8 (iconv -f utf-16 -t utf-8 {path.name})",
    }
    for magic, what in told.items():
        if start.startswith(magic):
            raise DataError(f"{path} is {what}")
    if b"\0" in start:
        raise DataError(f"{path} is no UTF-8 text (UTF-16 or binary); save it as UTF-8")


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    """Around reading a file: what the system refuses is told in a sentence."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror or error})") from error


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet

    with _told(path, "Parquet"), pyarrow.parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names
        batches = file.iter_batches(batch_size=1024)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(f"{path} has two columns {twice[0]!r}; rename one")
        done = 0
        for batch in batches:
            for row in batch.to_pylist():
                done += 1
                yield _even(row, f"{path}, row {done}")


def _folder_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows as they are kept: what a feature's own decoder would open or fetch is left alone."""
    import datasets

    try:
        loaded = datasets.load_from_disk(str(path))
    except FileNotFoundError as error:
        raise DataError(f"{path} is no folder written by datasets' save_to_disk") from error
    except Exception as error:  # datasets passes on what its readers of JSON and Arrow raise
        raise DataError(f"{path} can't be read as a datasets folder: {_line(error)}") from error
    split = isinstance(loaded, datasets.DatasetDict)
    parts = loaded.items() if split else ((None, loaded),)
    done = 0
    with _told(path, "a datasets folder"):
        for name, part in parts:
            _refuse_outside(path, part)
            named = {"split": name} if split else {}
            for batch in part.with_format("arrow").iter(1024):
                for row in batch.to_pylist():
                    done += 1
                    yield _even({**named, **row}, f"{path}, row {done}")


def _refuse_outside(path: Path, part: Any) -> None:
    """A folder's own list of files may name any; only those in it are its data."""
    for file in part.cache_files:
        found = Path(file["filename"]).resolve()
        if not found.is_relative_to(path.resolve()):
            raise DataError(f"{path} takes rows from {found}, outside it; copy that file into it")


@contextmanager
def _told(path: Path, kind: str) -> Iterator[None]:
    """Around reading rows: what a library raises on a spoilt file is told in a sentence."""
    try:
        yield
    except (DataError, GeneratorExit):
        raise
    except Exception as error:
        raise DataError(f"{path} can't be read as {kind}: {_line(error)}") from error


def _line(error: Exception) -> str:
    return f"{' '.join(str(error).split()):.300}"


def _even(row: dict[str, Any], where: str) -> dict[str, Any]:
    """The row, held to what JSON is held to."""
    try:
        refuse_odd(row)
    except ValueError as error:
        raise DataError(f"{where}, {error}") from error
    return row


def check_prompt(prompt: Any, where: str) -> None:
    """Raises DataError unless it is text or chat messages; ``where`` is file, line and field.

    A message has a ``role`` that is text and ``content`` that is text, a list of parts with a
    ``type``, or (beside ``tool_calls``) nothing.
    """
    if isinstance(prompt, str):
        return
    if not isinstance(prompt, list | tuple):
        raise DataError(
            f"{where}: give text or a list of {_MESSAGES} messages, not {type(prompt).__name__}"
        )
    if not prompt:
        raise DataError(f"{where}: a list without messages; give one at least")
    for number, message in enumerate(prompt, 1):
        if wrong := _wrong_in(message):
            raise DataError(
                f"{where}, message {number}: {wrong} ({_MESSAGES} messages belong here)"
            )


def refuse_empty(prompt: Any, where: str) -> None:
    """Raises DataError for a prompt that says nothing: a model can't go on from it."""
    if prompt == "":
        raise DataError(f"{where}: an empty prompt; write one or remove the row")


def check_plain(value: Any, where: str) -> None:
    """Raises DataError for what Parquet holds as dates, decimals or bytes."""
    if isinstance(value, _ODD):
        raise DataError(f"{where}: a {type(value).__name__}; make it text or a number in the file")


def name_in(value: Any, where: str) -> str:
    """An id as text. Raises DataError unless it is text that is not empty, or a whole number."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise DataError(f"{where}: {value!r:.60} is no id; give text or a whole number")
    return str(value)


def is_chat(prompt: Any) -> bool:
    """Whether it is a list of chat messages."""
    return isinstance(prompt, list) and bool(prompt) and not any(map(_wrong_in, prompt))


def _wrong_in(message: Any) -> str | None:
    """What keeps this from being a chat message, or None."""
    if not isinstance(message, Mapping):
        return f"it is a {type(message).__name__}"
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str) or not role:
        return f"its role is {role!r:.40}; give text such as 'user'"
    if content is None and not message.get("tool_calls"):
        return "it has no content; give text"
    if isinstance(content, list | tuple):
        if not all(map(_is_content_part, content)):
            return 'its content is a list, but not of {"type": "text", "text": ...} parts'
        return None
    if content is not None and not isinstance(content, str):
        return f"its content is a {type(content).__name__}; give text"
    return None


def _is_content_part(part: Any) -> bool:
    if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
        return False
    return isinstance(part.get("text"), str) or (part["type"] != "text" and not part.get("text"))
