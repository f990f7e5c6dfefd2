"""The commands, called in process as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from guerdon import __version__
from guerdon.cli import main
from guerdon.cli.commands import COMMANDS
from guerdon.cli.offered import POLICY_CHOICES
from guerdon.recipes import all_recipes, marks, named_recipes
from guerdon.training import PolicyRecipe

QUICK = [
    *("--steps", "2", "--loop.groups", "2", "--sampler.size", "2"),
    *("--loop.evaluation-tasks", "4", "--sampling.max-tokens", "8"),
    *("--evaluation-sampling.max-tokens", "8"),
]
Captured = pytest.CaptureFixture[str]


def objects(capsys: Captured) -> list[dict[str, Any]]:
    """What was printed, an object a line."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def write_lines(path: Path, *rows: object) -> str:
    """A JSONL file; strings are written as they stand."""
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return str(path)


def saved(tmp_path: Path) -> str:
    """Three completions, the second wrong and the third of another task."""
    return write_lines(
        tmp_path / "saved.jsonl",
        {"task_id": "a", "prompt": "2 + 2 =", "completion": r"\boxed{4}", "answer": "4"},
        {"task_id": "a", "prompt": "2 + 2 =", "completion": r"\boxed{5}", "answer": "4"},
        {"task_id": "b", "prompt": "1 + 2 =", "completion": r"\boxed{3}", "answer": "3"},
    )


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_command(arguments: list[str], capsys: Captured) -> None:
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert all(f"guerdon {name}" in told for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    assert f"guerdon {name}" in capsys.readouterr().out


def test_version(capsys: Captured) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


def test_unknown_command_is_2_and_names_the_known(capsys: Captured) -> None:
    assert main(["trian"]) == 2
    told = capsys.readouterr().err
    assert "'trian'" in told
    assert "train" in told


def test_recipes_as_json(capsys: Captured) -> None:
    assert main(["recipes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["slug"] for entry in found] == [*all_recipes(), *named_recipes()]
    assert all(entry["about"] for entry in found)
    assert [entry["verdict"] for entry in found if entry["system"]] == [
        marked.verdict for marked in marks().values()
    ]
    assert main(["recipes", "--wide"]) == 2
    assert "--wide" in capsys.readouterr().err


def test_rewards_are_listed_with_a_line_each(capsys: Captured) -> None:
    assert main(["rewards", "--json"]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert {name for name, one in found.items() if one["option"]} == {*POLICY_CHOICES["reward"]}
    assert all(entry["about"] for entry in found.values())
    assert main(["rewards"]) == 0
    assert "answer-match" in capsys.readouterr().out


def test_recipes_are_listed_with_what_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)  # outside a checkout
    assert main(["recipes"]) == 0
    told = capsys.readouterr().out
    for name in ("grpo", "dr-grpo", "reinforce++"):
        assert name in told
    assert "shown" in told


def test_sample_as_json(capsys: Captured) -> None:
    arguments = ["sample", "--json", "--count", "2", "--sampling.max-tokens", "8"]
    assert main(arguments) == 0
    first = objects(capsys)
    assert len(first) == 2
    assert set(first[0]) == {"id", "prompt", "completion", "answer", "value", "reason"}
    assert first[0]["prompt"]
    assert main(arguments) == 0
    assert objects(capsys) == first  # the same seed draws the same


def scored(capsys: Captured, *arguments: str) -> dict[str, Any]:
    """What ``guerdon score --json`` printed."""
    assert main(["score", *arguments, "--json"]) == 0
    (found,) = objects(capsys)
    return found


def test_score_as_json(tmp_path: Path, capsys: Captured) -> None:
    rows = tmp_path / "rows.jsonl"
    found = scored(capsys, saved(tmp_path), "--rows", str(rows))
    assert found["total"]["mean"] == pytest.approx(2 / 3)
    assert found["total"]["histogram"]["counts"] == [1, *[0] * 8, 2]
    assert found["groups"] == {"several": 1, "equal": 0}
    assert [(row["place"], row["id"]) for row in found["worst"]] == [("line 2", "a")]
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    assert [row["id"] for row in lines] == ["a", "a", "b"]
    assert [row["value"] for row in lines] == [1.0, 0.0, 1.0]
    assert all(row["valid"] and row["reason"] is None for row in lines)


def test_score_reads_parquet_and_chats(tmp_path: Path, capsys: Captured) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    ask = [{"role": "user", "content": "2 + 2 ="}]
    said = [{"role": "assistant", "content": text} for text in (r"\boxed{4}", r"\boxed{5}")]
    table = pyarrow.table(
        {"prompt": [ask, ask], "completion": [[one] for one in said], "answer": ["4", "4"]}
    )
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    found = scored(capsys, str(tmp_path / "rows.parquet"))
    assert found["total"]["mean"] == 0.5
    assert found["worst"][0]["place"] == "row 2"
    assert found["worst"][0]["text"] == r"\boxed{5}"


def test_score_as_a_table(tmp_path: Path, capsys: Captured) -> None:
    assert main(["score", saved(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "0.667" in told
    assert "all valid" in told
    assert "groups have equal values" not in told


def test_every_row_has_its_own_answer_and_columns(tmp_path: Path, capsys: Captured) -> None:
    rows = [
        {"task_id": "a", "prompt": "p", "completion": r"\boxed{4}", "answer": "4"},
        {"task_id": "a", "prompt": "p", "completion": r"\boxed{5}", "answer": "5"},
    ]
    file = write_lines(tmp_path / "rows.jsonl", *rows)
    assert scored(capsys, file)["total"]["mean"] == 1.0
    # A group is the completions of one question: there another answer is an error.
    assert main(["score", file, "--reward", "relative-length"]) == 1
    told = capsys.readouterr().err
    assert "line 2, field 'answer'" in told
    assert "line 1" in told


def test_a_reward_of_lengths_needs_a_tokenizer(tmp_path: Path, capsys: Captured) -> None:
    rows = [{"prompt": "p", "completion": text} for text in ("", "7", "7 7 7 7 7 7 7 7")]
    file = write_lines(tmp_path / "rows.jsonl", *rows)
    assert main(["score", file, "--reward", "length"]) == 1
    assert "--tokenizer" in capsys.readouterr().err
    arguments = ["--reward", "length", "--reward.longest", "0", "--tokenizer", "seedling"]
    values = [row["value"] for row in scored(capsys, file, *arguments)["worst"]]
    assert values[0] < values[1] < 1.0


def test_a_bad_line_is_named(tmp_path: Path, capsys: Captured) -> None:
    row = {"prompt": "p", "completion": "c", "answer": "a"}
    file = write_lines(tmp_path / "bad.jsonl", row, "{not json", row)
    assert main(["score", file]) == 1
    told = capsys.readouterr().err
    assert file in told
    assert "line 2" in told
    file = write_lines(tmp_path / "short.jsonl", row, {"prompt": "p", "answer": "a"})
    assert main(["score", file]) == 1
    told = capsys.readouterr().err
    assert "line 2" in told
    assert "'completion'" in told
    file = write_lines(tmp_path / "number.jsonl", row, {"prompt": "p", "completion": 7})
    assert main(["score", file]) == 1
    told = capsys.readouterr().err
    assert "line 2, field 'completion': give text" in told


def test_a_saved_datasets_folder_gives_tasks_whose_columns_reach_the_reward(
    tmp_path: Path, capsys: Captured
) -> None:
    rows = [{"prompt": f"Compute {n}+1.\n", "answer": str(n + 1), "level": n} for n in range(6)]
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list(rows).save_to_disk(str(tmp_path / "rows"))
    mine = tmp_path / "mine.py"
    mine.write_text("def level_of(completion, level):\n    return 10.0 * level\n")
    capsys.readouterr()  # datasets' own bar
    arguments = ["--tasks", str(tmp_path / "rows"), "--tasks.held-out", "1"]
    arguments += ["--reward", f"{mine}:level_of", "--sampling.max-tokens", "4"]
    assert main(["sample", "--count", "6", "--json", *arguments]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["value"] for row in found] == [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
    assert [row["answer"] for row in found] == ["1", "2", "3", "4", "5", "6"]


def test_a_missing_file_is_named(tmp_path: Path, capsys: Captured) -> None:
    assert main(["score", str(tmp_path / "none.jsonl")]) == 1
    assert "none.jsonl" in capsys.readouterr().err


def test_training_leaves_its_files_and_is_not_overwritten(tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "run"
    mine = tmp_path / "mine.py"
    mine.write_text("def brevity(completion, answer):\n    return 1.0 / (1 + len(completion))\n")
    arguments = ["train", *QUICK, "--out", str(folder), "--quiet"]
    arguments += ["--reward", f"{mine}:brevity", "--objective.clip-high", "0.28"]
    assert main(arguments) == 0
    for name in ("recipe.yaml", "metrics.jsonl", "summary.json", "curves.png", "report.html"):
        assert (folder / name).stat().st_size > 0, name
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
    assert len(list((folder / "rollouts").glob("*.parquet"))) == 2
    recipe = PolicyRecipe.load(folder / "recipe.yaml", [str(mine)])
    assert recipe.loop.steps == 2
    assert recipe.objective.clip_high == 0.28  # type: ignore[attr-defined]
    assert f"{mine}:brevity" in (folder / "recipe.yaml").read_text()
    capsys.readouterr()
    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert "already holds a run" in told
    assert "--resume" in told
    assert main(["report", str(folder), "--json"]) == 0
    (made,) = objects(capsys)
    assert made == {"report": str(folder / "report.html"), "curves": str(folder / "curves.png")}
    assert main(["train", "--resume", str(folder), "--seed", "3"]) == 2
    assert "no other settings" in capsys.readouterr().err


def test_a_users_reward_judges(tmp_path: Path, capsys: Captured) -> None:
    mine = tmp_path / "judged.py"
    mine.write_text(
        "from guerdon.rewards import reward\n\n\n@reward\n"
        "def length(completion, answer):\n    return float(len(completion))\n"
    )
    found = scored(capsys, saved(tmp_path), "--reward", f"{mine}:length")
    assert found["total"]["quantiles"]["least"] == found["total"]["mean"] == 9.0


def test_completions_that_no_one_can_grade_are_1(tmp_path: Path, capsys: Captured) -> None:
    file = write_lines(tmp_path / "no-answer.jsonl", {"prompt": "p", "completion": "7"})
    assert main(["score", file, "--json"]) == 1
    (found,) = objects(capsys)
    assert found["total"]["reasons"] == {"the task has no reference answer": 1}
    assert found["invalid"][0]["place"] == "line 1"
    assert found["total"]["mean"] is None


def test_evaluate_as_json_has_an_interval(capsys: Captured) -> None:
    arguments = ["evaluate", "--json", "--loop.evaluation-tasks", "4"]
    assert main([*arguments, "--evaluation-sampling.max-tokens", "8"]) == 0
    (found,) = objects(capsys)
    assert found["tasks"] == 4
    assert 0 <= found["low"] <= found["mean"] <= found["high"] <= 1  # type: ignore[operator]


def test_pairs_train_by_dpo_into_a_folder(tmp_path: Path, capsys: Captured) -> None:
    rows = [{"prompt": f"Say {n}.\n", "chosen": f"{n}", "rejected": "no"} for n in range(24)]
    file, folder = write_lines(tmp_path / "pairs.jsonl", *rows), tmp_path / "run"
    arguments = ["train", "--pairs", file, "--out", str(folder), "--json", "--batch", "8"]
    arguments += ["--pairs.held-out", "0.3", "--objective.beta", "0.2", "--optimiser.lr", "0.001"]
    assert main([*arguments, "--epochs", "3"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["pairs"] + summary["after"]["tasks"] == 24
    assert summary["after"]["mean"] >= summary["before"]["mean"]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["preference_loss"] == pytest.approx(0.6931, abs=1e-4)
    assert lines[-1]["preference_loss"] < 0.6
    assert "beta: 0.2" in (folder / "recipe.yaml").read_text()
    assert (folder / "report.html").stat().st_size > 0
    assert (folder / "model" / "model.safetensors").is_file()
    assert main(arguments) == 1
    assert "already holds a run" in capsys.readouterr().err


def test_dry_run_scores_and_trains_nothing(tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "never"
    file = saved(tmp_path)
    assert main(["train", "--dry-run", file, "--json", "--out", str(folder)]) == 0
    (found,) = objects(capsys)
    assert found["total"]["mean"] == pytest.approx(2 / 3)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "--recipe", "nothing"], "there is no recipe 'nothing'"),
        (["train", "--steps", "many"], "--steps is 'many'; give a whole number"),
        (["train", "--seed"], "--seed needs a value"),
        (["train", "--reward", "nowhere"], "one of ours"),
        (["train", "--tasks", "nowhere.jsonl"], "no file or folder 'nowhere.jsonl'"),
        (["train", "--advantage", "gea"], "--advantage takes gae, group-normalised"),
        (["train", "--objective.aggregation", "constant-length"], "constant-length:VALUE"),
        (["train", "--objective.kl.estimator", "k2"], "nothing stands there"),
        (["train", "--kl", "much"], "--kl is 'much'; give a number"),
        (["train", "--pairs", "x.jsonl", "--recipe", "grpo"], "does not go with --recipe"),
        (["train", "--pairs", "x.jsonl", "--objective", "gspo"], "--objective takes dpo, ipo"),
        (["train", "--reward-model"], "--reward-model needs --pairs"),
        (
            ["train", "--reward-model", "--pairs", "x.jsonl", "--objective", "dpo"],
            "--objective takes bradley-terry, plackett-luce",
        ),
        (["train", "--reward", "reward-model"], "reward-model:VALUE"),
        (["sample", "--count", "few"], "--count is 'few'; give a whole number"),
        (["reproduce", "gigpo", "--seeds", "x"], "--seeds is 'x'; give a whole number"),
        (["reproduce", "nothing"], "there is no claim 'nothing'"),
    ],
)
def test_wrong_values_are_2_and_name_the_mend(
    arguments: list[str], told: str, capsys: Captured
) -> None:
    assert main(arguments) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--objective.no-such-thing 1", "there is no option --objective.no-such-thing"),
        ("--objective.clip-hihg 1", "did you mean --objective.clip-high"),
        ("--lr 1", "did you mean --optimiser.lr?"),
        ("--temperature 1", "--sampler.sampling.temperature or --evaluation-sampling.temperature?"),
        ("--objectiv gspo", "did you mean --objective"),
        ("--sampling 1", "--sampling is a part (Sampling); its settings are --sampling.max-tokens"),
        ("--reward.extract x", "holds parts or functions"),
        ("--loop.steps", "--loop.steps needs a value"),
        ("--loop.steps 1 2", "unknown argument '2'"),
        ("stray", "unknown argument 'stray'"),
        ("--loop.steps.more 1", "there is no option --loop.steps.more"),
        ("--shaping.0.limit 1", "there is no option --shaping.0.limit"),
        ("--model.value-head perhaps", "is 'perhaps'; give true or false"),
    ],
)
def test_a_wrong_setting_is_2_in_one_line(arguments: str, told: str, capsys: Captured) -> None:
    assert main(["sample", *arguments.split()]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_all_settings_are_listed_and_nothing_that_is_none(capsys: Captured) -> None:
    assert main(["train", "--settings", "--objective", "gspo", "--kl", "0.1"]) == 0
    told = capsys.readouterr().out
    shown = yaml.safe_load(told)
    assert shown["recipe"] == "grpo"
    assert shown["name"] == "grpo+gspo+fixed+kl"
    assert shown["loop"]["steps"] == 60
    assert shown["objective"]["part"] == "gspo"
    assert shown["objective"]["kl"]["coefficient"] == 0.1
    assert "_drawn" not in told
    assert "# or cispo, clipped-surrogate" in told  # what else could stand there
    assert "size: 8                             # a whole number of 1 or more" in told
    assert "0 or more (0 is greedy)" in told


def test_score_shows_a_histogram_and_the_lowest(tmp_path: Path, capsys: Captured) -> None:
    rows = [
        {"task_id": f"t{n}", "prompt": "p", "completion": "word " * n, "answer": "a"}
        for n in range(1, 12)
    ]
    mine = tmp_path / "mine.py"
    mine.write_text("def words(completion):\n    return len(completion.split())\n")
    file = write_lines(tmp_path / "rows.jsonl", *rows)
    assert main(["score", file, "--reward", f"{mine}:words"]) == 0
    told = capsys.readouterr().out
    bars = [line for line in told.splitlines() if " to " in line and "█" in line]
    assert [int(line.split()[-1]) for line in bars] == [1] * 9 + [2]  # the top of the last counts
    lowest = told[told.index("lowest") : told.index("highest")].splitlines()[3:]
    assert [line.split()[2] for line in lowest if "line" in line] == ["t1", "t2", "t3", "t4", "t5"]
    assert "+1.00 (Spearman)" in told


def test_score_of_equal_values_has_one_bar_and_no_lowest(tmp_path: Path, capsys: Captured) -> None:
    row = {"prompt": "p", "completion": r"\boxed{4}", "answer": "4"}
    assert main(["score", write_lines(tmp_path / "same.jsonl", *[row] * 17)]) == 0
    told = capsys.readouterr().out
    assert sum(" to " in line and "█" in line for line in told.splitlines()) == 1
    assert "is 1 for every row" in told
    assert "lowest" not in told


LEAKY = "def leaky(completion, answer):\n    return float(answer in completion)\n"
FIXED = "def fixed(completion, answer):\n    return float(completion.strip() == answer)\n"


def test_audit_finds_holes_and_writes_them_down(tmp_path: Path, capsys: Captured) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(LEAKY)
    page = tmp_path / "audit.html"
    arguments = ["audit", f"{mine}:leaky", "--quiet", "--page", str(page)]
    assert main(arguments) == 1
    assert "false positive" in capsys.readouterr().out
    assert "many-answers" in page.read_text()
    assert main([*arguments, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["clean"] is False
    assert found["counts"]["false positive"] > 20


def test_audit_of_given_tasks_is_clean_where_nothing_is_found(
    tmp_path: Path, capsys: Captured
) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(FIXED)
    rows = [
        {"prompt": "Norway?", "answer": "Oslo", "wrong_answers": ["Bergen"]},
        {"prompt": "Peru?", "answer": "Lima", "right_answers": ["Lima, Peru"]},
    ]
    tasks = write_lines(tmp_path / "tasks.jsonl", *rows)
    arguments = ["audit", f"{mine}:fixed", "--tasks", tasks, "--json"]
    assert main(arguments) == 1  # it accepts neither a thought before nor the other right answer
    found = json.loads(capsys.readouterr().out)
    assert found["counts"].keys() == {"false negative"}
    attacks = {f["attack"] for f in found["findings"]}
    assert attacks == {"rewritten", "dressed", "padded-right"}
    assert main([*arguments, "--allow", ",".join(attacks)]) == 0
    assert json.loads(capsys.readouterr().out)["clean"] is True


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing"], "one of ours"),
        (["environment-return"], "environment's rewards"),
        (["format", "--allow", "no-attack"], "no-attack"),
        (["format", "--judges", "taste"], "taste"),
        (["format", "--seconds", "soon"], "soon"),
        (["format", "--memory", "0"], "from 1 to"),
        (["policy-entropy"], "frozen model"),
        (["tools", "--tasks", "arithmetic"], "calls"),
    ],
)
def test_audit_with_wrong_arguments(arguments: list[str], told: str, capsys: Captured) -> None:
    assert main(["audit", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_audit_of_a_composition_names_the_part(capsys: Captured) -> None:
    assert main(["audit", "maximum", "--quiet"]) == 1
    assert "from '" in capsys.readouterr().out


def test_audit_of_a_reward_of_ours_without_findings(capsys: Captured) -> None:
    assert main(["audit", "format", "--quiet"]) == 0
    assert "nothing found" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["train", "--resume", ""], ["train", "--recipe="], ["sample", "--count", ""], ["score", ""]],
)
def test_an_empty_value_is_not_taken_for_none(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Such as a shell's variable that is not set: a new run would begin."""
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert "is empty; give a value" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("more", [["--out", "other"], ["--recipe", "gigpo"], ["--settings"]])
def test_resuming_ignores_no_option(more: list[str], capsys: Any) -> None:
    assert main(["train", "--resume", "runs/nothing", *more]) == 2
    assert "takes no other settings" in capsys.readouterr().err


def test_rows_are_not_written_over_the_completions(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "said.jsonl"
    file.write_text('{"prompt": "a", "completion": "b", "answer": "b"}\n')
    before = file.read_text()
    assert main(["score", str(file), "--rows", str(file)]) == 2
    assert "is the file of completions itself" in capsys.readouterr().err
    assert file.read_text() == before


def test_what_a_users_reward_prints_is_no_part_of_the_json(tmp_path: Path, capsys: Any) -> None:
    file, mine = tmp_path / "said.jsonl", tmp_path / "mine.py"
    file.write_text('{"prompt": "a", "completion": "b", "answer": "b"}\n')
    mine.write_text("print('begun')\ndef f(completion):\n    print('judged')\n    return 1.0\n")
    assert main(["score", str(file), "--reward", f"{mine}:f", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["total"]["mean"] == 1.0
    assert err.split() == ["begun", "judged"]


def test_an_option_that_a_terminal_would_obey_is_shown(capsys: Any) -> None:
    assert main(["train", "--\x1b[31mred", "3"]) == 2
    assert "there is no option --⟨U+001B⟩[31mred" in capsys.readouterr().err
