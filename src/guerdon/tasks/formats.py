"""Rows of data files: JSON and CSV, packed or not, Parquet, folders and sets of ``datasets``.

What can't be read is an error with its line and field, never a row left out.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from guerdon.parsing.strict_json import refuse_odd, strict_json
from guerdon.tasks.reading import DataError

MAX_LINE = 64 * 2**20
"""Longest line of a JSONL file, in bytes."""

MAX_LIST = 1024 * 2**20
"""Longest file that is one list of objects, in bytes: it is read whole."""

HUB = "hub:"
"""What a data set's name on the Hub begins with here: ``hub:openai/gsm8k:main``."""

_UNPACK: Mapping[bytes, Callable[[Any], Any]] = MappingProxyType(
    {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zX": lzma.open}
)
_PACKED = (".gz", ".bz2", ".xz")


def read_rows(path: Path | str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a file, a saved ``datasets`` folder, or a data set of the Hub.

    A file is JSON (an object a line, or one list of objects), CSV or TSV with a line of names,
    each maybe packed by gzip, bzip2 or xz; or Parquet. ``hub:NAME`` or ``hub:NAME:CONFIGURATION``
    is what ``datasets.load_dataset`` finds by that name, a local folder of data files too.

    Each row comes with its place for messages: "line 3" (counted past blank lines) or "row 3".
    Keys are text and stand once, numbers are finite, text is whole characters; an empty field of
    CSV is None. Raises DataError.
    """
    if str(path).startswith(HUB):
        yield from _numbered(_hub_rows(str(path)))
        return
    path = Path(path)
    try:
        kind = "folder" if path.is_dir() else "file" if path.is_file() else "nothing"
    except (OSError, ValueError) as error:  # a name too long, or with a NUL in it
        raise DataError(f"{str(path)!r:.200} is no file's name ({error})") from error
    bare = path.with_suffix("") if path.suffix in _PACKED else path
    if kind == "folder":
        rows = _numbered(_folder_rows(path))
    elif not path.exists():
        raise DataError(f"there is no file or folder {path}{_on_the_hub(path)}")
    elif kind == "nothing":
        raise DataError(f"{path} is neither a file nor a folder; copy what it gives to a file")
    elif path.suffix == ".parquet":
        rows = _numbered(_parquet_rows(path))
    elif bare.suffix in (".jsonl", ".json", ".ndjson"):
        rows = _json_rows(path)
    elif bare.suffix in (".csv", ".tsv"):
        rows = _csv_rows(path, bare.suffix)
    else:
        raise DataError(
            f"{path}: expected .jsonl, .json, .csv, .tsv (or these with .gz, .bz2, .xz), .parquet "
            "or a datasets folder"
        )
    yield from rows


def _on_the_hub(path: Path) -> str:
    """What a name may mean that is no file: a data set's has an owner and no ending."""
    is_name = len(path.parts) == 2 and not path.is_absolute() and not path.suffix
    return f"; a data set of the Hub is {HUB}{path}" if is_name else ""


def _numbered(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((f"row {n}", row) for n, row in enumerate(rows, 1))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked; what is no text that can be read is said as such."""
    with _opening(path):
        with path.open("rb") as file:
            start = file.read(4)
        unpack = next((by for magic, by in _UNPACK.items() if start.startswith(magic)), None)
        if unpack is None:
            _refuse_other_formats(path, start)
        with path.open("rb") if unpack is None else unpack(path) as file:
            yield file


def _json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with _opened(path) as file:
        line, begun = 0, False
        while raw := file.readline(MAX_LINE + 1):
            line += 1
            if line == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            if not begun and raw.lstrip()[:1] == b"[":
                yield from _listed(raw + file.read(MAX_LIST), path)
                return
            if len(raw) > MAX_LINE:
                raise DataError(
                    f"{path}, line {line}: longer than {MAX_LINE // 2**20} MiB; every line must be "
                    "one object"
                )
            if raw.strip():
                begun = True
                yield f"line {line}", _json_row(raw, f"{path}, line {line}", path)


def _listed(raw: bytes, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file that is one list of them."""
    if len(raw) > MAX_LIST:
        raise DataError(
            f"{path}: a list of over {MAX_LIST // 2**20} MiB; write an object a line (jq -c '.[]')"
        )
    for number, row in enumerate(_parsed(raw, str(path), path), 1):
        if not isinstance(row, dict):
            raise DataError(
                f"{path}, row {number}: a {type(row).__name__}, not an object; the list must be "
                "of objects"
            )
        yield f"row {number}", row


def _json_row(raw: bytes, where: str, path: Path) -> dict[str, Any]:
    row = _parsed(raw, where, path)
    if not isinstance(row, dict):
        raise DataError(
            f"{where}: a {type(row).__name__}, not an object; every line must be one object"
        )
    return row


def _parsed(raw: bytes, where: str, path: Path) -> Any:
    try:
        return strict_json(raw.decode())
    except UnicodeDecodeError as error:
        raise _no_utf8(raw, error, where, path) from error
    except ValueError as error:
        if str(error).startswith("field "):
            raise DataError(f"{where}, {error}") from error
        raise DataError(
            f"{where}: not a JSON object ({error}); every line must be one object, or the file one "
            "list of objects"
        ) from error


def _no_utf8(raw: bytes, error: UnicodeDecodeError, where: str, path: Path) -> DataError:
    byte = raw[error.start]
    return DataError(
        f"{where}: not UTF-8 (byte {byte:#04x} at {error.start + 1}, "
        f"{chr(byte)!r} if the file is Latin-1); save it as UTF-8, for example "
        f"iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}"
    )


def _csv_rows(path: Path, suffix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows below a line of names; commas or, where that line has them alone, semicolons."""
    with _opened(path) as file:
        lines = _decoded(file, path)
        first = next(lines, "")
        comma = ";" if ";" in first and "," not in first else ","
        delimiter = "\t" if suffix == ".tsv" else comma
        reader = csv.reader(_after(first, lines), delimiter=delimiter, strict=True)
        csv.field_size_limit(MAX_LINE)
        with _told(path, "CSV"):
            names = next(reader, [])
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice or "" in names:
                told = f"two columns {twice[0]!r}" if twice else "a column without a name"
                raise DataError(f"{path}, line 1: it has {told}; rename it")
            began = reader.line_num
            for fields in reader:
                where, began = f"{path}, line {began + 1}", reader.line_num
                if not fields:
                    continue
                if len(fields) != len(names):
                    raise DataError(
                        f"{where}: {len(fields)} fields for {len(names)} columns; put text with "
                        f"{delimiter!r} or line breaks in it into quotes"
                    )
                row = dict(zip(names, (field or None for field in fields), strict=True))
                yield where.removeprefix(f"{path}, "), _even(row, where)


def _after(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def _decoded(file: IO[bytes], path: Path) -> Iterator[str]:
    """Lines of text, with what ends them; the mark of the byte order left out."""
    line = 0
    while raw := file.readline(MAX_LINE + 1):
        line += 1
        try:
            yield raw.decode("utf-8-sig" if line == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise _no_utf8(raw, error, f"{path}, line {line}", path) from error


def _refuse_other_formats(path: Path, start: bytes) -> None:
    """What is packed or in another encoding is said as such, not as bad JSON."""
    told = {
        b"PK\x03\x04": "a zip archive; unpack it first (unzip)",
        b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it first (unzstd)",
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
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(
            f"{path} can't be read ({getattr(error, 'strerror', 0) or error})"
        ) from error


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


def _hub_rows(name: str) -> Iterator[dict[str, Any]]:
    """Rows of what ``datasets`` finds by a name. No code of the set's own is run.

    Its split "train" is trained on, and "test" held out, or "validation" where there is none.
    """
    import datasets

    found, _, configuration = name.removeprefix(HUB).partition(":")
    try:
        parts = datasets.load_dataset(found, configuration or None)
    except Exception as error:  # datasets passes on what the Hub and its readers raise
        raise DataError(f"{name} can't be loaded by datasets: {_line(error)}") from error
    held_out = "test" if "test" in parts else "validation"
    for split, home in (("train", "train"), (held_out, "test")):
        if split in parts:
            for batch in parts[split].with_format("arrow").iter(1024):
                for row in batch.to_pylist():
                    yield _even({**row, "split": home}, name)


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
