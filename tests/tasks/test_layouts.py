"""Files as people have them: the raw rows of published sets are tasks, and a line says how."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import datasets
import pytest
from rewards.completions import rollouts_of

from guerdon.cli.commands import run
from guerdon.records import Progress
from guerdon.rewards import AnswerMatch, ChoiceMatch, SqlExecution, ToolReward
from guerdon.tasks import DataError, FileTasks
from guerdon.tasks.layouts import LAYOUTS, Layout
from guerdon.training.demonstrations import shown_in

SHARED = Path(__file__).parents[3] / "shared" / "data"
GSM8K = {"question": "Two dozen eggs?", "answer": "12*2=<<12*2=24>>24 eggs.\n#### 24"}
CHAT = [{"role": "user", "content": "Two dozen?"}, {"role": "assistant", "content": "24"}]
LETTERED = "Which barks?\nA. cat\nB. dog\nC. cow\n"


def written(tmp_path: Path, *rows: Any) -> str:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(
    ("row", "name", "prompt", "answer"),
    [
        (GSM8K, "GSM8K", "Two dozen eggs?", "24"),
        ({"problem": "p", "solution": r"So \boxed{\frac12}."}, "MATH", "p", r"\frac12"),
        ({"problem": "p", "solution": "long", "answer": "7"}, "MATH", "p", "7"),
        (
            {"question": "Which barks?", "choices": ["cat", "dog", "cow"], "answer": 1},
            *("multiple choice", LETTERED, "B"),
        ),
        (
            {"question": "Which barks?", "options": ["cat", "dog", "cow"], "answer": "dog"},
            *("multiple choice", LETTERED, "B"),
        ),
        (
            {"question": "Which barks?", "A": "cat", "B": "dog", "C": "cow", "answer": "B"},
            *("multiple choice", LETTERED, "B"),
        ),
        (
            {
                "question": "Which barks?",
                "choices": {"text": ["cat", "dog", "cow"], "label": ["A", "B", "C"]},
                "answerKey": "B",
            },
            *("multiple choice", LETTERED, "B"),
        ),
        ({"prompt": CHAT[:1], "ground_truth": "24"}, "TRL", CHAT[:1], "24"),
        ({"prompt": "q", "solution": r"\boxed{24}"}, "TRL", "q", r"\boxed{24}"),
        (
            {"prompt": CHAT[:1], "reward_model": {"ground_truth": "24"}, "data_source": "x"},
            *("verl", CHAT[:1], "24"),
        ),
        (
            {"question": "Who?", "SQL": "SELECT 1", "db_id": "pets"},
            *("queries", "Who?", "SELECT 1"),
        ),
        (
            {"question": "Who?", "query": "SELECT 1", "schema": "CREATE TABLE t (a)"},
            *("queries", "Who?", "SELECT 1"),
        ),
        (
            {"prompt": "go", "reward_model": {"ground_truth": "<tool_call>\n{}\n</tool_call>"}},
            *("verl, with calls of tools", "go", "<tool_call>\n{}\n</tool_call>"),
        ),
        ({"messages": CHAT}, "chats", CHAT[:1], "24"),
        ({"instruction": "Add.", "input": "1 2", "output": "3"}, "Alpaca", "Add.\n\n1 2", "3"),
        ({"question": "How many?", "answer": "24"}, "questions", "How many?", "24"),
        ({"prompt": "only this"}, "prompts", "only this", None),
    ],
)
def test_a_layout_is_read_and_told(
    tmp_path: Path, row: dict[str, Any], name: str, prompt: Any, answer: Any
) -> None:
    source = FileTasks(written(tmp_path, row), held_out=0.0)
    (task,) = source.load("train")
    assert (task.prompt, task.answer) == (prompt, answer)
    assert source.told.startswith(f"{source.path} is read as {name}: ")


def test_the_reward_that_fits_is_named_and_reads_the_answers(tmp_path: Path) -> None:
    (tmp_path / "pets").mkdir()
    with sqlite3.connect(tmp_path / "pets" / "pets.sqlite") as made:
        made.executescript("CREATE TABLE pets (name TEXT); INSERT INTO pets VALUES ('ada')")
    made.close()
    call = '<tool_call>\n{"name": "f", "parameters": {"a": 1}}\n</tool_call>'
    rows: list[tuple[dict[str, Any], str, Any]] = [
        (
            {"question": "Who?", "SQL": "SELECT name FROM pets", "db_id": "pets"},
            "<answer>SELECT name FROM pets</answer>",
            SqlExecution(databases=(str(tmp_path),), variants=0),
        ),
        (
            {"question": "Which barks?", "choices": ["cat", "dog"], "answer": 1},
            r"<answer>\boxed{B}</answer>",
            ChoiceMatch(),
        ),
        (
            {"prompt": "go", "reward_model": {"ground_truth": f"<think>x</think>\n{call}"}},
            f"<think>x</think>\n{call}",
            ToolReward(),
        ),
    ]
    for row, completion, reward in rows:
        source = FileTasks(written(tmp_path, row), held_out=0.0)
        assert source.told.endswith(f"; --reward {type(reward).name} reads such answers")
        (task,) = source.load("train")
        scores = reward(rollouts_of((completion, "no"), task), Progress())
        assert scores.value[0] > scores.value[1], type(reward).name


def test_the_columns_that_are_named_come_first(tmp_path: Path) -> None:
    own = FileTasks(written(tmp_path, {"prompt": "p", "answer": "a", "question": "q"}))
    assert own.told == ""
    named = FileTasks(written(tmp_path, GSM8K), prompt="question", held_out=0.0)
    assert named.load("train")[0].answer == GSM8K["answer"]


def test_what_else_is_there_reaches_the_rewards(tmp_path: Path) -> None:
    (task,) = FileTasks(written(tmp_path, {**GSM8K, "level": 3}), held_out=0.0).load("train")
    assert task.columns == {"level": 3, "solution": GSM8K["answer"]}
    row = {"question": "Which barks?", "choices": ["cat", "dog"], "answer": 1, "subject": "pets"}
    (task,) = FileTasks(written(tmp_path, row), held_out=0.0).load("train")
    assert task.columns == {"choices": {"A": "cat", "B": "dog"}, "subject": "pets"}


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        (
            GSM8K,
            {"question": "q", "answer": "24"},
            "line 2, field 'answer': no #### with the answer",
        ),
        (GSM8K, {"question": "q", "answer": "####"}, "line 2, field 'answer': no ####"),
        (
            {"problem": "p", "solution": r"\boxed{1}"},
            {"problem": "p", "solution": "none"},
            r"line 2, field 'solution': no \boxed{}",
        ),
        (
            {"question": "q", "choices": ["a", "b"], "answer": 0},
            {"question": "q", "choices": ["a", "b"], "answer": 2},
            "line 2, field 'answer': 2 is none of the choices A, B",
        ),
        (
            {"prompt": "p", "reward_model": {"ground_truth": "1"}},
            {"prompt": "p", "reward_model": {"style": "rule"}},
            "line 2, field 'reward_model': it has no ground_truth",
        ),
        ({"messages": CHAT}, {"messages": CHAT[:1]}, "line 2, field 'messages': the last is not"),
        ({"messages": CHAT}, {"messages": "hi"}, "line 2, field 'messages': no list"),
        ({"instruction": "i", "output": "o"}, {"instruction": "", "output": "o"}, "'instruction'"),
        (
            {"problem": "p", "answer": 1},
            {"problem": None, "answer": 1},
            "'problem': None is no text",
        ),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path: Path, good: Any, bad: Any, told: str) -> None:
    with pytest.raises(DataError) as raised:
        FileTasks(written(tmp_path, good, bad)).load("train")
    assert told in str(raised.value)
    assert "is read as" in str(raised.value) or "missing" in str(raised.value)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.told)
@pytest.mark.parametrize("row", [{}, {"question": 5, "A": [], "choices": 3, "messages": 7}])
def test_a_row_of_another_kind_is_an_error_or_nothing(layout: Layout, row: dict[str, Any]) -> None:
    with suppress(DataError):
        asked = layout.read(row)
        assert asked.answer is None


def test_every_layout_reads_only_what_fits_it() -> None:
    for layout in LAYOUTS:
        assert not layout.fits({})
        assert not layout.fits({"text": "a", "label": 1})


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.jsonl.gz", gzip.compress), ("a.json.bz2", bz2.compress), ("a.csv.xz", lzma.compress)],
)
def test_packed_files_are_read(tmp_path: Path, name: str, pack: Any) -> None:
    plain = 'prompt,answer\n"Say ""a"",\nplease",1\nb,2\n'
    lines = '{"prompt": "Say \\"a\\",\\nplease", "answer": "1"}\n{"prompt": "b", "answer": "2"}\n'
    path = tmp_path / name
    path.write_bytes(pack((plain if ".csv" in name else lines).encode()))
    tasks = FileTasks(str(path), held_out=0.0).load("train")
    assert [(t.prompt, t.answer) for t in tasks] == [('Say "a",\nplease', "1"), ("b", "2")]


def test_one_list_of_objects_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(
        json.dumps([{"prompt": "a", "answer": 1}, {"prompt": "b", "answer": 2}], indent=1)
    )
    assert [t.answer for t in FileTasks(str(path), held_out=0.0).load("train")] == [1, 2]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "prompt,answer\na,1\nb\n", "line 3: 1 fields for 2 columns"),
        ("a.csv", "prompt,prompt\na,1\n", "line 1: it has two columns 'prompt'"),
        ("a.csv", "prompt,\na,1\n", "line 1: it has a column without a name"),
        ("a.csv", 'prompt,answer\n"a,1\n', "can't be read as CSV"),
        ("a.csv", "prompt,answer\na,\n", "line 2: field 'answer' is missing or empty"),
        ("a.tsv", "prompt\tanswer\n", "holds no rows"),
        ("a.csv", "", "holds no rows"),
    ],
)
def test_a_table_that_is_none_says_where(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as raised:
        FileTasks(str(tmp_path / name)).load("train")
    assert told in str(raised.value)


def test_tables_with_other_separators(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("\ufeffprompt;answer\r\nä;1\r\n".encode())
    (tmp_path / "a.tsv").write_text("prompt\tanswer\na, b\t1\n")
    for name, prompt in (("a.csv", "ä"), ("a.tsv", "a, b")):
        (task,) = FileTasks(str(tmp_path / name), held_out=0.0).load("train")
        assert (task.prompt, task.answer) == (prompt, "1")


def test_a_row_that_stands_there_again_is_another_task_of_the_same_split(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{i}", "answer": i} for i in range(40)]
    source = FileTasks(written(tmp_path, *rows, *rows, *rows), held_out=0.3)
    train, test = source.load("train"), source.load("test")
    assert len({t.id for t in (*train, *test)}) == 120
    assert not {t.prompt for t in train} & {t.prompt for t in test}


def test_a_data_set_is_loaded_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "set"
    folder.mkdir()
    for split, count in (("train", 3), ("validation", 2)):
        rows = [{"question": f"{split} {i}?", "answer": f"so\n#### {i}"} for i in range(count)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    source = FileTasks(f"hub:{folder}")
    assert [t.answer for t in source.load("train")] == ["0", "1", "2"]
    assert [t.prompt for t in source.load("test")] == ["validation 0?", "validation 1?"]
    with pytest.raises(DataError, match=r"hub:\S+none can't be loaded by datasets"):
        FileTasks(f"hub:{tmp_path / 'none'}").load("train")


def test_a_name_that_is_no_file_may_be_one_of_the_hub() -> None:
    with pytest.raises(DataError, match=r"no file or folder openai/gsm8k; .* is hub:openai/gsm8k"):
        FileTasks("openai/gsm8k").load("train")


def test_the_command_line_says_how_a_file_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, *(({**GSM8K, "question": f"{i}?"}) for i in range(30)))
    options = ["--loop.steps", "1", "--loop.groups", "2", "--loop.evaluation-tasks", "2"]
    assert run(["train", "--tasks", path, "--out", str(tmp_path / "run"), "--quiet", *options]) == 0
    told = f"guerdon: {path} is read as GSM8K: question, and what stands after #### in answer"
    assert told in capsys.readouterr().err


@pytest.mark.skipif(not SHARED.exists(), reason="published sets are not at hand")
def test_published_files_are_tasks_as_they_are() -> None:
    gsm8k = FileTasks(str(SHARED / "gsm8k" / "train.jsonl"), held_out=0.0).load("train")
    assert len(gsm8k) == 7473
    some = gsm8k[:500]
    for task in some:
        scores = AnswerMatch()(rollouts_of((task.columns["solution"],), task), Progress())
        assert scores.value.tolist() == [1.0], task.prompt
    tools = FileTasks(str(SHARED / "toolrl" / "rlla_4k_test.parquet"))
    assert "is read as verl" in tools.told
    assert len(tools.load("test")) == 80
    shown = FileTasks(str(SHARED / "toolrl" / "rlla_sft.json"), held_out=0.0)
    assert "is read as Alpaca" in shown.told
    assert all(isinstance(task.answer, str) for task in shown.load("train"))


def test_demonstrations_are_chats_too(tmp_path: Path) -> None:
    assert shown_in(written(tmp_path, {"messages": CHAT})).load("train")[0].answer == "24"
    pairs = written(tmp_path, {"prompt": "a", "completion": "b"})
    assert shown_in(pairs).answer == "completion"
    assert shown_in(str(tmp_path / "none.jsonl")).answer == "completion"
