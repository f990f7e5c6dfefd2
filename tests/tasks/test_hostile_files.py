"""Data files that anybody may have written: each fault is said with file, line and field."""

from __future__ import annotations

import decimal
import gzip
import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from guerdon.cli.score import read_completions
from guerdon.models import prompts
from guerdon.parsing.strict_json import strict_json
from guerdon.tasks import DataError, FileTasks, RankingFile, formats, images


def written(folder: Path, content: bytes | str, name: str = "rows.jsonl") -> str:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(file)


def loaded(path: str, **more: Any) -> Any:
    return FileTasks(path, held_out=0.0, **more).load("train")


def refusal(path: str, **more: Any) -> str:
    with pytest.raises(DataError) as caught:
        loaded(path, **more)
    told = str(caught.value)
    assert path in told
    assert "\n" not in told
    assert len(told) < 1000
    return told


GOOD = '{"prompt": "a", "answer": "b"}\n'


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ('{"prompt":"a","answer":NaN}', "line 2, field 'answer': nan"),
        ('{"prompt":"a","answer":1,"x":[1,{"y":-Infinity}]}', r"line 2, field 'x[1].y': -inf"),
        ('{"prompt":"a","answer":1e999}', "line 2, field 'answer': inf"),
        ('{"prompt":"a","answer":1,"answer":2}', "line 2, field 'answer': the key stands there tw"),
        ('{"prompt":"a","answer":1,"x":{"y":1,"y":1}}', "line 2, field 'y': the key stands"),
        ('{"prompt":"a","answer":' + "9" * 5000 + "}", "line 2: not a JSON object (a whole number"),
        ('{"prompt":"a","answer":' + "9" * 309 + "}", "of over 308 digits"),
        ('{"prompt":"a","answer":' + "[" * 500 + "]" * 500 + "}", "nested deeper than 64"),
        ('{"prompt":"\\ud800","answer":1}', r"line 2, field 'prompt': \ud800 is half of a"),
        ('{"prompt":"a","answer":1,"\\udfff":1}', "line 2: not a JSON object (\\udfff is half"),
        ('{"prompt":"","answer":1}', "line 2, field 'prompt': an empty prompt"),
        ('{"prompt":[],"answer":1}', "line 2, field 'prompt': a list without messages"),
        ('{"prompt":{"role":"user","content":"x"},"answer":1}', "not dict"),
        ('{"prompt":["x"],"answer":1}', "line 2, field 'prompt', message 1: it is a str"),
        ('{"prompt":[{"role":"user"}],"answer":1}', "message 1: it has no content"),
        ('{"prompt":[{"role":"user","content":null}],"answer":1}', "message 1: it has no content"),
        ('{"prompt":[{"content":"x"}],"answer":1}', "message 1: its role is None"),
        ('{"prompt":[{"role":3,"content":"x"}],"answer":1}', "message 1: its role is 3"),
        ('{"prompt":[{"role":"user","content":3}],"answer":1}', "message 1: its content is a int"),
        ('{"prompt":[{"role":"user","content":["x"]}],"answer":1}', "its content is a list, but"),
        (
            '{"prompt":[{"role":"user","content":[{"type":"text","text":3}]}],"answer":1}',
            "its content is a list, but",
        ),
        (
            '{"prompt":[{"role":"user","content":"x"},{"role":"user"}],"answer":1}',
            "line 2, field 'prompt', message 2: it has no content",
        ),
        ('{"prompt":"a","answer":1,"id":[1]}', "line 2, field 'id': [1] is no id"),
        ('{"prompt":"a","answer":1,"id":true}', "field 'id': True is no id"),
        ('{"prompt":"a","answer":1,"id":1.5}', "field 'id': 1.5 is no id"),
        ('{"prompt":"a","answer":1,"id":""}', "field 'id': '' is no id"),
        ('{"prompt":"a","answer":1,"split":["test"]}', "field 'split': ['test'] is neither"),
        ("3", "line 2: a int, not an object"),
        ("{'prompt': 'a'}", "line 2: not a JSON object"),
    ],
)
def test_a_row_is_refused_by_line_and_field(tmp_path: Path, row: str, told: str) -> None:
    assert told in refusal(written(tmp_path, GOOD + row + "\n"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            GOOD.encode() + '{"prompt": "café"}'.encode("latin1"),
            "line 2: not UTF-8 (byte 0xe9 at 16",
        ),
        (GOOD.encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (GOOD.encode("utf-16-be"), "is no UTF-8 text"),
        (GOOD.encode("utf-32-le"), "is no UTF-8 text"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-9], "can't be read (Compressed file ended"),
        (gzip.compress(b"\xff\xfe", mtime=0), "line 1: not UTF-8"),
        (b"PK\x03\x04zip", "a zip archive"),
        (b"PAR1....PAR1", "is Parquet; let its name end in .parquet"),
        (b"", "holds no rows"),
        (b"\n \r\n", "holds no rows"),
        (b'[{"prompt": "a",\n"answer": 1}', "not a JSON object"),
        (b'[{"prompt": "a", "answer": 1}, 5]', "row 2: a int, not an object"),
        (b'[{"prompt": "a", "answer": NaN}]', "field '[0].answer': nan"),
        (b"[]", "holds no rows"),
        (b"prompt,answer\na,b\n", "line 1: not a JSON object"),
    ],
)
def test_a_file_that_is_something_else_says_what_it_is(
    tmp_path: Path, content: bytes, told: str
) -> None:
    assert told in refusal(written(tmp_path, content))


def test_marks_and_line_ends_of_other_systems_are_read(tmp_path: Path) -> None:
    rows = b'\xef\xbb\xbf{"prompt": "a", "answer": 1}\r\n\r\n{"prompt": "b", "answer": 2}\r\n'
    assert [t.prompt for t in loaded(written(tmp_path, rows))] == ["a", "b"]
    assert (
        loaded(written(tmp_path, '{"prompt": "é", "answer": "\\ud83d\\ude00"}'))[0].answer == "😀"
    )


def test_a_chat_with_parts_and_with_a_tools_call_is_read(tmp_path: Path) -> None:
    chat = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what?"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
    ]
    assert loaded(written(tmp_path, json.dumps({"prompt": chat, "answer": 1})))[0].prompt == chat


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    for name in ("pipe.jsonl", "none.jsonl", "a\0b.jsonl", "x" * 300 + ".jsonl"):
        with pytest.raises(DataError):
            loaded(str(tmp_path / name))
    (tmp_path / "zero.jsonl").symlink_to("/dev/zero")
    with pytest.raises(DataError, match="neither a file nor a folder"):
        loaded(str(tmp_path / "zero.jsonl"))


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MAX_LINE", 1000)
    assert "line 2: longer than" in refusal(written(tmp_path, GOOD + "x" * 2000))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            {"chosen": [{"role": "user"}], "rejected": "b"},
            "field 'chosen', message 1: it has no co",
        ),
        ({"chosen": [], "rejected": []}, "field 'chosen': a list without messages"),
        ({"prompt": "", "chosen": "a", "rejected": "b"}, "field 'prompt': an empty prompt"),
        ({"prompt": "p", "chosen": "a", "rejected": "b", "id": {}}, "field 'id': {} is no id"),
        ({"prompt": "p", "chosen": "a", "rejected": 3}, "field 'rejected'"),
    ],
)
def test_pairs_and_rankings_are_read_as_strictly(
    tmp_path: Path, row: dict[str, Any], told: str
) -> None:
    path = written(tmp_path, json.dumps(row))
    with pytest.raises(DataError) as caught:
        RankingFile(path).load()
    assert "line 1" in str(caught.value)
    assert told in str(caught.value)
    (tmp_path / "r.jsonl").write_text('{"prompt": "p", "ranked": ["a", "b"], "x": NaN}')
    with pytest.raises(DataError, match="line 1, field 'x': nan"):
        RankingFile(str(tmp_path / "r.jsonl")).load()


def test_a_null_id_is_no_id(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "chosen": "a", "rejected": f"b{n}", "id": None} for n in range(2)]
    path = written(tmp_path, "\n".join(map(json.dumps, rows)))
    assert [p.task.id for p in RankingFile(path).load()] == ["ranking-1", "ranking-2"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ('{"prompt":"a","completion":"x","answer":Infinity}', "line 1, field 'answer': inf"),
        ('{"prompt":"a","completion":"x","completion":"y"}', "field 'completion': the key"),
        ('{"prompt":"a","completion":[{"role":"assistant"}]}', "message 1: it has no content"),
        ('{"prompt":"a","completion":[]}', "field 'completion': a list without messages"),
        ('{"prompt":"a","completion":3}', "field 'completion'"),
        ('{"prompt":"a","completion":"x","task_id":[]}', "field 'id': [] is no id"),
        ('{"prompt":"a"}', "field 'completion'"),
    ],
)
def test_saved_completions_are_read_as_strictly(tmp_path: Path, row: str, told: str) -> None:
    with pytest.raises(DataError) as caught:
        read_completions(Path(written(tmp_path, row)), False)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"prompt": ["a"], "answer": [float("nan")]}, "row 1, field 'answer': nan"),
        ({"prompt": ["a"], "answer": [decimal.Decimal("1.5")]}, "'answer': a Decimal"),
        ({"prompt": ["a"], "answer": [b"x"]}, "row 1, field 'answer': a bytes"),
        ({"prompt": [b"a"], "answer": ["x"]}, "row 1, field 'prompt': give text"),
        ({"prompt": ["a", None], "answer": ["x", "y"]}, "row 2: field 'prompt' is missing"),
        ({"ask": ["a"], "answer": ["x"]}, "row 1: field 'prompt' is missing"),
        ({"prompt": [], "answer": []}, "holds no rows"),
        ({"prompt": ["a", "b"], "answer": ["x", "y"], "id": ["k", "k"]}, "row 2, field 'id'"),
    ],
)
def test_parquet_of_odd_types(tmp_path: Path, columns: dict[str, Any], told: str) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(columns), path)
    assert told in refusal(str(path))


def test_parquet_with_dates_two_columns_of_a_name_and_damage(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    far = pa.array([2**61], pa.timestamp("ms"))  # no datetime can hold it
    pq.write_table(pa.table({"prompt": ["a"], "answer": far}), path)
    refusal(str(path))
    pq.write_table(pa.table([["a"], ["b"], ["c"]], names=["prompt", "answer", "answer"]), path)
    assert "two columns 'answer'" in refusal(str(path))
    table = pa.table({"prompt": [f"p{n}" for n in range(5000)], "answer": list(range(5000))})
    pq.write_table(table, path)
    raw = bytearray(path.read_bytes())
    raw[100:2000] = bytes(1900)
    path.write_bytes(raw)
    assert "can't be read as Parquet" in refusal(str(path))


def test_a_folder_of_datasets_that_is_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    datasets.Dataset.from_list([{"prompt": "a", "answer": "b"}]).save_to_disk(str(folder))
    assert len(loaded(str(folder))) == 1
    for file in folder.glob("*.arrow"):
        file.write_bytes(b"junk")
    assert "can't be read as a datasets folder" in refusal(str(folder))
    (folder / "state.json").write_text("{")
    assert "can't be read as a datasets folder" in refusal(str(folder))


# Images.


def picture(size: tuple[int, int] = (4, 3), form: str = "PNG", **more: Any) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", size).save(held, form, **more)
    return held.getvalue()


def shows(folder: Path, image: Any, **more: Any) -> Any:
    path = written(folder, json.dumps({"prompt": "a", "answer": 1, "image": image}))
    return loaded(path, **more)


def a_folder_of_datasets(folder: Path, path: str, feature: dict[str, Any]) -> Path:
    """One row whose image is only named, and which ``feature`` says how to decode."""
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    named = pa.array([{"bytes": None, "path": path}], type=image)
    table = pa.table({"prompt": ["p"], "answer": ["a"], "image": named})
    datasets.Dataset(datasets.table.InMemoryTable(table)).save_to_disk(str(folder))
    said = json.loads((folder / "dataset_info.json").read_text())
    said["features"]["image"] = feature
    (folder / "dataset_info.json").write_text(json.dumps(said))
    return folder


@pytest.mark.parametrize("kind", ["Image", "Audio", "Video", "Pdf"])
def test_a_folder_of_datasets_shows_nothing_from_elsewhere(tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret.png").write_bytes(picture())
    for path in (str(tmp_path / "secret.png"), "http://127.0.0.1:9/secret.png"):
        folder = a_folder_of_datasets(tmp_path / f"of {len(path)}", path, {"_type": kind})
        with pytest.raises(
            DataError, match=r"row 1, field 'image': .*(leads out|there is no file)"
        ):
            FileTasks(str(folder), held_out=0.0).load("train")
        shutil.rmtree(folder)
    folder = a_folder_of_datasets(tmp_path / "own", "mine.png", {"_type": kind})
    (folder / "mine.png").write_bytes(picture())
    (task,) = FileTasks(str(folder), held_out=0.0).load("train")
    assert task.columns["images"] == (str(folder / "mine.png"),)


def test_a_folder_of_datasets_takes_no_rows_from_elsewhere(tmp_path: Path) -> None:
    folder = a_folder_of_datasets(tmp_path / "data", "x", {"_type": "Image"})
    state = json.loads((folder / "state.json").read_text())
    (folder / state["_data_files"][0]["filename"]).rename(tmp_path / "other.arrow")
    state["_data_files"] = [{"filename": "../other.arrow"}]
    (folder / "state.json").write_text(json.dumps(state))
    with pytest.raises(DataError, match=r"takes rows from .*other\.arrow, outside it"):
        FileTasks(str(folder)).load("train")


def test_images_are_taken_from_below_the_datas_folder_only(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    for folder in (home / "in", other):
        folder.mkdir(parents=True)
        (folder / "x.png").write_bytes(picture())
    (home / "link.png").symlink_to(other / "x.png")
    (home / "door").symlink_to(other)
    assert shows(home, "in/x.png")[0].columns["images"] == (str(home / "in" / "x.png"),)
    assert shows(home, "in/../in/x.png")
    assert shows(home, str(home / "in" / "x.png"))
    out = ["../other/x.png", str(other / "x.png"), "link.png", "door/x.png", "/etc/passwd"]
    for path in [*out, {"path": "../other/x.png", "bytes": None}, ["in/x.png", "../other/x.png"]]:
        with pytest.raises(DataError, match=r"line 1, field 'image': .* leads out of the folder"):
            shows(home, path)
    with pytest.raises(DataError, match="leads out"):
        shows(home, "../none.png")  # whether it exists is not told
    assert shows(home, "x.png", image_folder=str(other))
    with pytest.raises(DataError, match="leads out"):
        shows(home, "../home/in/x.png", image_folder=str(other))


@pytest.mark.parametrize("path", ["none.png", "a\0b.png", "x" * 5000, "", "/", "."])
def test_a_path_where_no_image_is(tmp_path: Path, path: str) -> None:
    with pytest.raises(DataError, match=r"rows\.jsonl, line 1, field 'image'"):
        shows(tmp_path, path)


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("b.png")
    (tmp_path / "b.png").symlink_to("a.png")
    with pytest.raises(DataError, match=r"line 1, field 'image'"):
        shows(tmp_path, "a.png")


def films() -> bytes:
    held = io.BytesIO()
    frames = [Image.new("RGB", (4, 4), (n, 0, 0)) for n in range(3)]
    frames[0].save(held, "GIF", save_all=True, append_images=frames[1:])
    return held.getvalue()


def bomb() -> bytes:
    """A PNG whose head claims 60,000 x 60,000 pixels."""
    import struct
    import zlib

    raw = bytearray(picture())
    raw[16:24] = struct.pack(">II", 60_000, 60_000)
    raw[29:33] = struct.pack(">I", zlib.crc32(raw[12:29]))
    return bytes(raw)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no picture", "is no image that can be read"),
        (b"", "is no image that can be read"),
        (b"<svg onload='x'/>", "is no image that can be read"),
        (picture()[:20], "image"),
        (picture((20_000, 1)), "has 20000 x 1 pixels; make it smaller"),
        (bomb(), "image"),
        (films(), "is a film of 3 pictures"),
    ],
)
def test_a_file_that_is_no_picture_or_too_large(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DataError) as caught:
        shows(tmp_path, "x.png")
    assert "line 1, field 'image'" in str(caught.value)
    assert told in str(caught.value)
    pq.write_table(
        pa.table({"prompt": ["a"], "answer": ["b"], "image": [content]}), tmp_path / "p.parquet"
    )
    if content:
        assert "row 1, field 'image'" in refusal(str(tmp_path / "p.parquet"))


def test_the_area_of_a_picture_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 11)
    (tmp_path / "x.png").write_bytes(picture((4, 3)))
    with pytest.raises(DataError, match="4 x 3 pixels"):
        shows(tmp_path, "x.png")


def test_a_picture_that_ends_early_is_told_when_it_is_read(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(tmp_path / "x.jpg")
    os.truncate(tmp_path / "x.jpg", (tmp_path / "x.jpg").stat().st_size - 1000)
    (task,) = shows(tmp_path, "x.jpg")
    spoilt = picture().replace(b"IDAT", b"IDAX")
    for image in (*task.columns["images"], spoilt):
        with pytest.raises(ValueError, match="task 't': an image can't be read"):
            prompts._opened(image, "t")


# Whatever a file holds: rows, or the named error.

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["prompt", "answer", "role", "user", "content", "text", "type", "../x"]),
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["prompt", "answer", "id", "image", "images", "split", "role", "content", "type",
                 "text", "chosen", "rejected", "ranked", "margin", "completion", "task_id"]
            )
            | st.text(max_size=4),
            inside,
            max_size=6,
        )
    ),
    max_leaves=12,
)  # fmt: skip
ROW = st.dictionaries(
    st.sampled_from(["prompt", "answer", "id", "image", "split", "chosen", "rejected", "ranked",
                     "margin", "completion", "x"]),
    JSON,
    max_size=7,
)  # fmt: skip
LINE = ROW.map(json.dumps) | JSON.map(json.dumps) | st.text(max_size=30)


@settings(
    max_examples=300, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(LINE, max_size=4).map(lambda ls: "\n".join(ls).encode("utf-8", "replace"))
    | st.binary(max_size=60)
)
@example(b'{"prompt": "a", "answer": 1, "image": [[]]}')
@example(b'{"prompt": "p", "chosen": "a", "rejected": "b", "margin": true}')
def test_readers_return_rows_or_raise_their_own_error(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    before = set(sys.modules)
    for source in (FileTasks(path), RankingFile(path)):
        for split in ("train", "test"):
            try:
                source.load(split)
            except DataError as error:
                assert path in str(error)  # noqa: PT017
    try:
        read_completions(Path(path), False)
    except DataError as error:
        assert path in str(error)  # noqa: PT017
    new = {name.partition(".")[0] for name in set(sys.modules) - before}
    assert new <= {"PIL", "encodings", "guerdon"}


@settings(max_examples=300, deadline=5000)
@given(st.text(max_size=60) | JSON.map(json.dumps))
def test_strict_json_is_json_or_an_error(text: str) -> None:
    try:
        value = strict_json(text)
    except ValueError:
        return
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert value == json.loads(text)
