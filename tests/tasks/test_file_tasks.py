"""Tasks and pairs from files: nothing dropped silently, every error says where and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from guerdon.tasks import DataError, FileTasks, RankingFile

ROWS = [{"prompt": f"{n}+1?", "answer": str(n + 1), "level": n % 3} for n in range(40)]


def jsonl(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


@pytest.fixture(params=["jsonl", "parquet", "folder", "folder with splits"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "jsonl":
        return jsonl(tmp_path / "rows.jsonl", list(ROWS))
    if request.param == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
        return tmp_path / "rows.parquet"
    folder = tmp_path / "rows"
    whole = datasets.Dataset.from_list(ROWS)
    if request.param == "folder":
        whole.save_to_disk(str(folder))
    else:
        parts = {"train": whole.select(range(36)), "test": whole.select(range(36, 40))}
        datasets.DatasetDict(parts).save_to_disk(str(folder))
    return folder


def test_every_row_lands_in_exactly_one_split_with_its_columns(stored: Path) -> None:
    source = FileTasks(str(stored), held_out=0.25)
    train, test = source.load("train"), source.load("test")
    assert len(train) + len(test) == 40
    assert 1 <= len(test) < len(train)
    by_prompt = {t.prompt: t for t in [*train, *test]}
    assert len(by_prompt) == 40
    assert by_prompt["7+1?"].answer == "8"
    assert by_prompt["7+1?"].columns == {"level": 1}
    assert len({t.id for t in by_prompt.values()}) == 40


def test_a_row_stays_in_its_split_when_others_are_added(tmp_path: Path) -> None:
    few = FileTasks(str(jsonl(tmp_path / "a.jsonl", list(ROWS[:20]))), held_out=0.3)
    all_of_them = FileTasks(str(jsonl(tmp_path / "b.jsonl", list(ROWS))), held_out=0.3)
    assert {t.id for t in few.load("test")} <= {t.id for t in all_of_them.load("test")}


def test_a_split_column_decides(tmp_path: Path) -> None:
    rows = [{**r, "split": "test" if n < 3 else "train"} for n, r in enumerate(ROWS)]
    source = FileTasks(str(jsonl(tmp_path / "r.jsonl", list(rows))))
    assert [t.prompt for t in source.load("test")] == ["0+1?", "1+1?", "2+1?"]
    assert len(source.load("train")) == 37


def test_named_columns_ids_and_chat_prompts(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "hi"}]
    rows = [{"q": chat, "gold": 0, "id": 7}]
    path = jsonl(tmp_path / "r.jsonl", list(rows))
    source = FileTasks(str(path), prompt="q", answer="gold", held_out=0.0)
    (task,) = source.load("train")
    assert (task.id, task.answer, task.prompt) == ("7", 0, chat)
    assert task.text == "user: hi"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"prompt": "a", "answer": "b"}\nnot json\n', r"line 2.*not a JSON object"),
        ('{"prompt": "a", "answer": "b"}\n\n[1]\n', r"line 3.*list.*not an object"),
        ('{"prompt": "a", "answer": null}\n', r"line 1.*'answer' is missing.*--tasks\.answer"),
        ('{"ask": "a"}\n', r"line 1.*'prompt' is missing.*the row has ask.*--tasks\.answer"),
        (
            '{"prompt": "a"}\n{"prompt": "a", "answer": 1}\n',
            r"line 2, field 'answer': an answer, and",
        ),
        ('{"prompt": null, "answer": 1}\n', r"line 1.*'prompt' is missing"),
        ('{"prompt": 3, "answer": 1}\n', r"line 1, field 'prompt'.*not int"),
        ('{"prompt": [{"role": "user"}], "answer": 1}\n', r"line 1, field 'prompt'.*messages"),
        ('{"prompt":"a","answer":1,"id":"x"}\n{"prompt":"b","answer":1,"id":"x"}\n', "own id"),
        ("[" * 100000 + "\n", r"not a JSON object \(nested deeper"),
        ('{"prompt": "a", "answer": 1, "split": "valid"}\n', r"line 1, field 'split'.*'valid'"),
        ("", "holds no rows"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        FileTasks(str(path)).load("train")
    assert "rows.jsonl" in str(caught.value)


def test_lines_are_counted_past_blank_ones(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('\n\n{"prompt": 5}\n')
    with pytest.raises(DataError, match="line 3"):
        FileTasks(str(path)).load("train")


def test_other_splits_and_shares_are_refused(tmp_path: Path) -> None:
    path = str(jsonl(tmp_path / "r.jsonl", list(ROWS)))
    with pytest.raises(ValueError, match="no split 'dev'"):
        FileTasks(path).load("dev")
    with pytest.raises(ValueError, match="held_out"):
        FileTasks(path, held_out=1.5)


def test_files_of_the_wrong_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file or folder"):
        FileTasks(str(tmp_path / "none.jsonl")).load("train")
    (tmp_path / "rows.xlsx").write_text("prompt,answer\n")
    with pytest.raises(DataError, match=r"expected \.jsonl"):
        FileTasks(str(tmp_path / "rows.xlsx")).load("train")
    (tmp_path / "rows.parquet").write_text("no parquet")
    with pytest.raises(DataError, match="can't be read as Parquet"):
        FileTasks(str(tmp_path / "rows.parquet")).load("train")
    with pytest.raises(DataError, match="save_to_disk"):
        FileTasks(str(tmp_path)).load("train")


def test_not_text_bytes_are_an_error_with_a_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"prompt": "a", "answer": "b"}\n\xff\xfe\n')
    with pytest.raises(DataError, match="line 2"):
        FileTasks(str(path)).load("train")


def test_preference_pairs(tmp_path: Path) -> None:
    rows: list[object] = [
        {"prompt": "p", "chosen": "good", "rejected": "bad", "margin": 2, "source": "x"},
        {"id": "k", "prompt": "p", "chosen": "yes", "rejected": ""},
    ]
    first, second = RankingFile(str(jsonl(tmp_path / "p.jsonl", rows))).load()
    assert (first.responses, first.margin) == (("good", "bad"), 2.0)
    assert first.task.columns == {"source": "x"}
    assert (second.task.id, second.responses, second.margin) == ("k", ("yes", ""), None)
    (unread, _) = RankingFile(str(tmp_path / "p.jsonl"), margin="").load()
    assert (unread.margin, unread.task.columns) == (None, {"margin": 2, "source": "x"})


def test_pairs_of_whole_chats_share_their_prompt(tmp_path: Path) -> None:
    ask = {"role": "user", "content": "2+2?"}
    row = {
        "chosen": [ask, {"role": "assistant", "content": "4"}],
        "rejected": [ask, {"role": "assistant", "content": "5"}],
    }
    (pair,) = RankingFile(str(jsonl(tmp_path / "p.jsonl", [row]))).load()
    assert (pair.task.prompt, pair.responses) == ([ask], ("4", "5"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "p", "chosen": "a"}, r"field 'rejected' is missing"),
        ({"prompt": "p", "chosen": "a", "rejected": "a"}, "same text"),
        ({"prompt": "p", "chosen": 1, "rejected": "a"}, r"field 'chosen'.*not int"),
        ({"prompt": "p", "chosen": "b", "rejected": "a", "margin": "x"}, r"field 'margin'"),
        ({"chosen": "b", "rejected": "a"}, r"field 'prompt' is missing"),
        (
            {
                "chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
                "rejected": [
                    {"role": "user", "content": "z"},
                    {"role": "assistant", "content": "c"},
                ],
            },
            "different prompts",
        ),
    ],
)
def test_bad_pairs_are_named(tmp_path: Path, row: dict[str, object], message: str) -> None:
    path = jsonl(tmp_path / "p.jsonl", [row])
    with pytest.raises(DataError, match=message) as caught:
        RankingFile(str(path)).load()
    assert "p.jsonl, line 1" in str(caught.value)


def test_rankings_of_any_length_and_pairs_stand_in_one_file(tmp_path: Path) -> None:
    rows: list[object] = [
        {"id": "k", "prompt": "p", "ranked": ["best", "good", ""], "source": "x"},
        {"prompt": "p", "chosen": "good", "rejected": "bad", "margin": 2},
        {"prompt": [{"role": "user", "content": "q"}], "ranked": ["a", "b"], "chosen": None},
    ]
    file = RankingFile(str(jsonl(tmp_path / "r.jsonl", rows)))
    first, second, third = file.load()
    assert (first.task.id, first.responses, first.margin) == ("k", ("best", "good", ""), None)
    assert first.task.columns == {"source": "x"}
    assert (second.task.id, second.responses, second.margin) == ("ranking-2", ("good", "bad"), 2.0)
    assert third.responses == ("a", "b")
    both = [*file.load("train"), *file.load("test")]
    assert {r.task.id for r in both} == {"k", "ranking-2", "ranking-3"}
    with pytest.raises(ValueError, match="no split 'dev'"):
        file.load("dev")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "p"}, "field 'ranked' is missing"),
        ({"prompt": "p", "chosen": "a"}, "field 'rejected' is missing"),
        ({"ranked": ["a", "b"]}, "field 'prompt' is missing"),
        ({"prompt": "p", "ranked": ["a", "b", "c"], "margin": 1}, "field 'margin': only a pair"),
        ({"prompt": "p", "ranked": ["a", "b"], "margin": float("nan")}, "field 'margin': nan"),
        ({"prompt": "p", "ranked": "ab"}, "field 'ranked': expected a list"),
        ({"prompt": "p", "ranked": ["a", 1]}, "field 'ranked': expected a list"),
        ({"prompt": "p", "ranked": ["a"]}, "two texts or more"),
        ({"prompt": "p", "ranked": ["a", "b", "a"]}, "all different"),
    ],
)
def test_bad_rankings_are_named(tmp_path: Path, row: dict[str, object], message: str) -> None:
    path = jsonl(tmp_path / "r.jsonl", [row])
    with pytest.raises(DataError, match=message) as caught:
        RankingFile(str(path)).load()
    assert "r.jsonl, line 1" in str(caught.value)


def test_pair_ids_must_differ(tmp_path: Path) -> None:
    row = {"id": "k", "prompt": "p", "chosen": "a", "rejected": "b"}
    with pytest.raises(DataError, match=r"line 2.*'k' is also line 1"):
        RankingFile(str(jsonl(tmp_path / "p.jsonl", [row, row]))).load()


def picture(path: Path, colour: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)
    return path


def shows(**more: object) -> dict[str, object]:
    return {"prompt": "What colour?", "answer": "red", **more}


def test_images_are_found_beside_the_file(tmp_path: Path) -> None:
    picture(tmp_path / "seen" / "a.png", "red")
    picture(tmp_path / "seen" / "b.png", "red")
    rows = [shows(image="seen/a.png"), shows(image="seen/b.png"), shows(images=["seen/a.png"] * 2)]
    path = jsonl(tmp_path / "rows.jsonl", [*rows, shows(image=None), shows(answer="no", level=1)])
    tasks = FileTasks(str(path), held_out=0.0).load("train")
    a, b = (str(tmp_path / "seen" / name) for name in ("a.png", "b.png"))
    assert [t.columns for t in tasks] == [
        {"images": (a,)},
        {"images": (b,)},
        {"images": (a, a)},
        {"image": None},
        {"level": 1},
    ]
    elsewhere = jsonl(tmp_path / "other.jsonl", [shows(photo="seen/a.png", image="a caption")])
    (task,) = FileTasks(str(elsewhere), image="photo", held_out=0.0).load("train")
    assert task.columns == {"image": "a caption", "images": (a,)}
    (task,) = FileTasks(str(elsewhere), image="", held_out=0.0).load("train")
    assert task.columns == {"photo": "seen/a.png", "image": "a caption"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"image": "gone.png"}, r"line 2, field 'image': there is no file .*gone.png'; paths are"),
        ({"images": ["gone.png"]}, r"line 2, field 'images': there is no file"),
        ({"image": "https://a.org/b.png"}, r"line 2, field 'image': there is no file"),
        ({"image": 3}, r"line 2, field 'image': 3 is no image"),
        ({"image": {"bytes": None, "path": None}}, r"line 2, field 'image': .* is no image"),
    ],
)
def test_an_image_that_is_not_there(tmp_path: Path, row: dict[str, object], message: str) -> None:
    path = jsonl(tmp_path / "rows.jsonl", [ROWS[0], shows(**row)])
    with pytest.raises(DataError, match=message):
        FileTasks(str(path)).load("train")


def test_images_inside_the_data_tell_tasks_apart(tmp_path: Path) -> None:
    red, blue = (picture(tmp_path / f"{c}.png", c) for c in ("red", "blue"))
    rows = [shows(image={"bytes": p.read_bytes(), "path": None}) for p in (red, blue)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    folder = tmp_path / "saved"
    stored = [{**r, "image": Image.open(p)} for r, p in zip(rows, (red, blue), strict=True)]
    features = datasets.Features(
        {"prompt": datasets.Value("string"), "answer": datasets.Value("string")}
        | {"image": datasets.Image()}
    )
    datasets.Dataset.from_list(stored, features=features).save_to_disk(str(folder))
    for path in (tmp_path / "rows.parquet", folder):
        ids = [[t.id for t in FileTasks(str(path), held_out=0).load("train")] for _ in range(2)]
        assert ids[0] == ids[1]
        assert len(set(ids[0])) == 2


def test_pairs_show_images_too(tmp_path: Path) -> None:
    seen = picture(tmp_path / "a.png", "red")
    row = {"prompt": "Colour?", "chosen": "red", "rejected": "blue", "image": "a.png"}
    (pair,) = RankingFile(str(jsonl(tmp_path / "pairs.jsonl", [row])), held_out=0).load("train")
    assert pair.task.columns == {"images": (str(seen),)}
