"""A recipe's file may be anybody's: it names guerdon's own parts, and what its reader trusts."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import yaml

from guerdon import cli
from guerdon.claims import load_claim
from guerdon.cli.offered import PREFERENCE_CHOICES, RANKING_CHOICES
from guerdon.cli.part_names import part_of
from guerdon.parts import PartError, build, describe
from guerdon.recipes import all_recipes, load_recipe
from guerdon.rewards import AnswerMatch, FunctionReward, reward
from guerdon.rollout import EndpointPolicy
from guerdon.tasks import RankingFile
from guerdon.training import Model, PolicyRecipe, PreferenceRecipe, RewardModelRecipe
from guerdon.training.recipe_file import recipe_text, trust_needed
from guerdon.training.run_folder import write_whole
from guerdon.trust import FUNCTIONS, MOVED, RENAMED, foreign, trust_options

FUNCTION = "guerdon.rewards.running.function:FunctionReward"


def recipe_file(folder: Path, reward: Any, **more: Any) -> Path:
    data = {"part": "guerdon.training.recipe:Recipe", "name": "x", "reward": reward, **more}
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(data))
    return file


def with_function(folder: Path, name: str) -> Path:
    return recipe_file(folder, {"part": FUNCTION, "function": {"function": name}})


def mine(folder: Path) -> Path:
    file = folder / "mine.py"
    file.write_text(
        "import os\n"
        "from os import system\n"
        "from subprocess import run\n"
        "from dataclasses import dataclass\n"
        "from guerdon.rewards import reward\n"
        "def brevity(completion):\n"
        "    return -float(len(completion))\n"
        "@reward\n"
        "def constant(completion):\n"
        "    return 1.0\n"
        "@dataclass(frozen=True)\n"
        "class Mine:\n"
        "    weight: float = 1.0\n"
        "    def __call__(self, rollouts, progress): ...\n"
    )
    return file


@pytest.mark.parametrize(
    "name",
    [
        *("os:system", "posix:system", "subprocess:run", "builtins:eval", "sys:exit"),
        *("guerdon.cli:sys.exit", "guerdon.parts:importlib.import_module", "guerdon.cli:main"),
        *("guerdon.training.run_folder:write_whole", "guerdon.training.loop:train"),
        *("guerdon.tasks.formats:read_rows", "guerdon.rewards.programs.sql:executed", "guerdon:x"),
        *("guerdon.rewards.answers.lists:set_f1.__globals__", "guerdon.rewards:rows.gather"),
        *("this:c", "no_such_module:f", ".guerdon:x", "guerdon..x:y", "mine.py:f", "x", ":", "a:"),
        *(
            "guerdon.rewards.programs.sandbox.launcher:main",
            "../evil.py:f",
            "\0.py:f",
            "torch.hub:load",
        ),
    ],
)
def test_a_file_names_no_function_but_guerdons(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("open('ran', 'w')\ndef f(completion): ...\n")
    before = set(sys.modules)
    with pytest.raises(PartError) as caught:
        PolicyRecipe.load(with_function(tmp_path, name))
    assert "recipe.yaml: " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [m for m in set(sys.modules) - before if not m.startswith("guerdon.")]
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    "name",
    [
        *("subprocess:Popen", "pathlib:Path", "guerdon.training.run_folder:RunFolder"),
        *("guerdon.training.recipe_file:Path", "guerdon.evaluation.intervals:Interval"),
        *(
            "guerdon.rewards.answers.lists:set_f1",
            "guerdon.parts:Memory",
            "guerdon.report.alarms:Alarm",
        ),
        "guerdon.rewards.running.workers:_Worker",
    ],
)
def test_a_file_names_no_class_but_parts(tmp_path: Path, name: str) -> None:
    with pytest.raises(PartError, match=r"recipe\.yaml: recipe\.reward"):
        PolicyRecipe.load(recipe_file(tmp_path, {"part": name}))


def test_a_name_is_found_wherever_it_stands(tmp_path: Path) -> None:
    part = {"part": "guerdon.shaping.linear:Chain", "shapers": [{"x": [{"function": "os:system"}]}]}
    with pytest.raises(PartError, match=r"recipe\.shaping\[0\]\.shapers\[0\]\.x\[0\]"):
        PolicyRecipe.load(recipe_file(tmp_path, None, shaping=[part]))


def test_the_shell_command_of_a_file_does_not_run(tmp_path: Path) -> None:
    """The attack as it was found: the completion, or a column, is the command."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "a", "completion": "b", "command": "touch ran"}\n')
    file = with_function(tmp_path, "os:system")
    command = [sys.executable, "-m", "guerdon.cli", "score", str(rows), "--recipe", str(file)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "of Python's own library" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_users_function_needs_trust_and_the_error_says_how(tmp_path: Path) -> None:
    file = mine(tmp_path)
    saved = tmp_path / "recipe.yaml"
    PolicyRecipe(reward=part_of("reward", f"{file}:brevity")).save(saved)
    told = (
        rf"it runs {file} \(as recipe\.reward\.function\)\. If you trust that, add --trust {file}$"
    )
    with pytest.raises(PartError, match=told):
        PolicyRecipe.load(saved)
    for trust in ([str(file)], [str(file.parent / "." / "mine.py")]):
        assert PolicyRecipe.load(saved, trust).reward.function("abc") == -3  # type: ignore[attr-defined]
    with pytest.raises(PartError, match="reaches beyond guerdon"):
        PolicyRecipe.load(saved, ["other.py", "mine"])
    assert trust_needed(saved) == f"--trust {file}"
    PolicyRecipe().save(saved)
    assert trust_needed(saved) == ""


def test_everything_that_is_not_trusted_is_listed_at_once(tmp_path: Path) -> None:
    function = {"part": FUNCTION, "function": {"function": "/a b/one.py:f"}}
    file = recipe_file(tmp_path, function, shaping=[{"part": "two.three:Shaper"}])
    with pytest.raises(PartError, match=r"--trust '/a b/one\.py' --trust two\.three$"):
        PolicyRecipe.load(file)
    with pytest.raises(PartError, match=r"add --trust '/a b/one\.py'$"):
        PolicyRecipe.load(file, ["two"])


@pytest.mark.parametrize("name", ["os.system", "system", "run", "dataclass", "Path", "os"])
def test_a_trusted_file_lends_no_trust_to_what_it_imports(tmp_path: Path, name: str) -> None:
    file = mine(tmp_path)
    with pytest.raises(PartError, match=r"defines itself|has no"):
        PolicyRecipe.load(with_function(tmp_path, f"{file}:{name}"), [str(file)])


def test_a_trusted_file_brings_functions_decorated_ones_and_parts(tmp_path: Path) -> None:
    file = mine(tmp_path)
    assert PolicyRecipe.load(with_function(tmp_path, f"{file}:constant"), [str(file)])
    part = {"part": f"{file}:Mine", "weight": 2.0}
    assert PolicyRecipe.load(recipe_file(tmp_path, part), [str(file)]).reward.weight == 2  # type: ignore[attr-defined]


def test_what_the_command_line_names_is_trusted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, rows = mine(tmp_path), tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "a", "completion": "bcd"}\n')
    saved = tmp_path / "own.yaml"
    PolicyRecipe(name="own", reward=part_of("reward", f"{file}:brevity")).save(saved)
    base = ["score", str(rows), "--json", "--recipe", str(saved)]
    assert cli.main(base) == 2
    assert f"--trust {file}" in capsys.readouterr().err
    for more in (
        ["--trust", str(file)],
        ["--trust", f"x.py,{file}"],
        ["--reward", f"{file}:brevity"],
    ):
        assert cli.main([*base, *more]) == 0
        out = capsys.readouterr()
        assert '"mean": -3.0' in out.out
        assert f"this recipe runs {file} (as recipe.reward.function)" in out.err


def test_settings_show_what_a_recipe_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = mine(tmp_path)
    assert cli.main(["train", "--reward", f"{file}:brevity", "--settings"]) == 0
    assert f"this recipe runs {file}" in capsys.readouterr().out


def test_a_run_of_somebody_else_is_not_resumed_blindly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_function(tmp_path, f"{mine(tmp_path)}:brevity")
    assert cli.main(["train", "--resume", str(tmp_path)]) != 0
    assert f"add --trust {tmp_path}/mine.py" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.py", "recipe.yaml"]


@pytest.mark.parametrize("name", ["nothing", "."])
def test_there_is_no_run_to_resume(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", "--resume", str(tmp_path / name)]) != 0
    told = capsys.readouterr().err
    assert str(tmp_path) in told
    assert told.count("\n") == 1


def test_a_file_sends_prompts_and_keys_to_no_address_unasked(tmp_path: Path) -> None:
    """Its ``key_variable`` could name any secret of the environment."""
    engine = EndpointPolicy("https://elsewhere.example/v1", key_variable="AWS_SECRET_ACCESS_KEY")
    saved = tmp_path / "recipe.yaml"
    PolicyRecipe(model=Model(engine=engine)).save(saved)
    with pytest.raises(PartError, match=r"sends to https://elsewhere\.example/v1"):
        PolicyRecipe.load(saved)
    with pytest.raises(PartError, match=r"AWS_SECRET_ACCESS_KEY holds .*--trust env:AWS_SECRET"):
        PolicyRecipe.load(saved, [engine.url])
    both = [engine.url, "env:AWS_SECRET_ACCESS_KEY"]
    assert PolicyRecipe.load(saved, both).model.engine == engine
    with pytest.raises(PartError, match="sends to"):
        PolicyRecipe.load(saved, ["https://elsewhere"])
    for url in (
        "http://localhost.evil.example/v1",
        "http://127.0.0.1@evil.example",
        "http://[",
        "//evil",
        "",
    ):
        PolicyRecipe(model=Model(engine=EndpointPolicy(url))).save(saved)
        with pytest.raises(PartError, match="sends to" if "://" in url else "begins with http"):
            PolicyRecipe.load(saved)
    PolicyRecipe(model=Model(engine=EndpointPolicy("http://127.0.0.1:8000/v1"))).save(saved)
    assert PolicyRecipe.load(saved)


def test_a_file_takes_no_isolation_off_unasked(tmp_path: Path) -> None:
    file = recipe_file(
        tmp_path, {"part": "guerdon.rewards.programs.code:CodeReward", "trust_weak": True}
    )
    with pytest.raises(PartError, match=r"less isolation \(as .*--trust weak-isolation$"):
        PolicyRecipe.load(file)
    assert PolicyRecipe.load(file, ["weak-isolation"])


@pytest.mark.parametrize("place", ["/elsewhere/kept", "../kept", "~/kept"])
@pytest.mark.parametrize(
    ("part", "setting"),
    [
        ("guerdon.rewards.running.cache:Cached", "folder"),
        ("guerdon.rewards:Cached", "folder"),
        ("guerdon.rewards.programs.sql:SqlExecution", "databases"),
        ("guerdon.rewards.programs.sql:SqlReward", "databases"),
    ],
)
def test_a_file_opens_no_folder_elsewhere_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, setting: str, place: str
) -> None:
    """What it keeps there could take another file's place."""
    monkeypatch.chdir(tmp_path)
    listed = setting == "databases"
    more = {} if listed else {"reward": {"part": "guerdon.rewards:AnswerMatch"}}
    made = {"part": part, setting: [place] if listed else place, **more}
    there = str(Path(place).expanduser().resolve())
    with pytest.raises(PartError, match=f"uses the folder {there} .*--trust {there}$"):
        PolicyRecipe.load(recipe_file(tmp_path, made))
    for trust in (place, str(Path(there).parent)):
        PolicyRecipe.load(recipe_file(tmp_path, made), [trust])
    made[setting] = ["kept"] if listed else "kept"
    PolicyRecipe.load(recipe_file(tmp_path, made))


def test_every_function_of_ours_that_is_a_part_may_be_named() -> None:
    """What recipes, their claims' arms, named parts and settings' defaults hold: `FUNCTIONS`."""
    held: list[Any] = []
    for slug in all_recipes():
        held.append(load_recipe(slug).build())
        arms = load_claim(slug).arms.values()
        held += [arm for arm in arms if not isinstance(arm, types.FunctionType)]
    held += [PreferenceRecipe(RankingFile("x")), RewardModelRecipe(RankingFile("x"))]
    for option, table in {**PREFERENCE_CHOICES, **RANKING_CHOICES}.items():
        held += [
            part_of(option, name, {option: table})
            for name in table
            if ":" not in name and name != "constant-length"
        ]
    tried = 0
    for part in held:
        try:
            data = describe(part)
        except PartError:
            continue  # an arm that is a local function is in no file
        foreign(data)
        assert describe(build(data)) == data
        tried += 1
    assert tried > 60


def test_every_listed_function_is_there_and_is_its_own() -> None:
    import importlib.util

    for module, names in FUNCTIONS.items():
        for name in names:
            found = getattr(importlib.import_module(module), name)
            assert (found.__module__, found.__qualname__) == (module, name)


def test_a_recipe_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = tmp_path / "recipe.yaml"
    PolicyRecipe(name="first").save(saved)
    before = saved.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="room"):
            PolicyRecipe(name="second").save(saved)
    assert saved.read_bytes() == before
    with pytest.raises(PartError, match=r"recipe\.optimiser\.lr is nan"):
        recipe_text({"optimiser": {"lr": float("nan")}})
    assert saved.read_bytes() == before


@reward(range=(0, float("inf")))
def upwards(completion: str) -> float:
    """A reward without an upper end."""
    return float(len(completion))


def test_an_open_end_of_a_range_survives_its_file(tmp_path: Path) -> None:
    PolicyRecipe(reward=upwards).save(tmp_path / "recipe.yaml")
    loaded = PolicyRecipe.load(tmp_path / "recipe.yaml", [__name__])
    assert isinstance(loaded.reward, FunctionReward)
    assert loaded.reward.range == (0, float("inf"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\na: 2\n", "line 2: the key 'a' stands there twice"),
        ("a:\n  b: 1\n  'b': 2\n", "line 3: the key 'b' stands there twice"),
        ("loop:\n  steps: .nan\n", r"line 2, field 'loop\.steps': \.nan is no finite number"),
        ("loop:\n  steps: -.inf\n", r"field 'loop\.steps': -\.inf is no finite number"),
        ("a: &x [1]\nb: *x\n", "line 1: anchors and aliases are not read"),
        ("a: &a [*a]\n", "anchors and aliases"),
        ("<<: {a: 1}\n", "a key is text"),
        ("[" * 200, "nested deeper than 64"),
        ("- " * 200, "nested deeper than 64"),
        ("{a: " * 200, "nested deeper than 64"),
        ("!!python/object/apply:os.system [ls]\n", "'os.system' is no plain value"),
        ("a: !!binary aaaa\n", "'binary' is no plain value"),
        ("a: 2020-01-01\n", "field 'a': 'timestamp' is no plain value"),
        ("a: " + "9" * 5000, "can't be read"),
        ("a: b: c\n", "line 1: no YAML"),
        ("\tx", "line 1: no YAML"),
        ("\x07", "no YAML"),
        ("1: 2", "a key is text"),
        ("", "does not hold a recipe"),
        ("[]", "does not hold a recipe"),
        ("part: 3", r"recipe\.part is 3, not module:name"),
        ("a\n---\nb\n", "no YAML"),
        ("x: " + "a" * 2_000_000, "longer than 128 KiB"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(
    tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(text)
    with pytest.raises(PartError, match=told) as caught:
        PolicyRecipe.load(file)
    assert str(file) in str(caught.value)
    assert len(str(caught.value)) < 400


def test_an_alias_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    (tmp_path / "recipe.yaml").write_text("\n".join(lines))
    with pytest.raises(PartError, match="aliases"):
        PolicyRecipe.load(tmp_path / "recipe.yaml")


def test_a_file_of_another_encoding_or_kind(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_bytes(b"a: 1\nname: caf\xe9\n")
    with pytest.raises(PartError, match=r"recipe\.yaml: line 2: not UTF-8"):
        PolicyRecipe.load(file)
    file.write_bytes(b"\xef\xbb\xbfpart: guerdon.training:Recipe\r\nname: x\r\n")
    assert PolicyRecipe.load(file).name == "x"
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path, tmp_path / "none.yaml", tmp_path / "pipe.yaml", Path("a\0b")):
        with pytest.raises(PartError, match="can't be read"):
            PolicyRecipe.load(path)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"reward": 5}, r"recipe\.reward is 5; give a part \(Reward\)"),
        ({"reward": "answer-match"}, r"recipe\.reward is 'answer-match'"),
        ({"shaping": [1]}, r"recipe\.shaping\[0\] is 1"),
        (
            {"evaluation_sampling": {"part": "guerdon.training:Loop"}},
            r"recipe\.evaluation_sampling is a Loop",
        ),
        ({"loop": {"part": "guerdon.training:Loop", "steps": "9"}}, r"recipe\.loop\.steps is '9'"),
        ({"loop": {"part": "guerdon.training:Loop", "steps": 1.5}}, r"recipe\.loop\.steps is 1\.5"),
        ({"loop": {"part": "guerdon.training:Loop", "stepz": 1}}, "has no setting 'stepz'"),
        ({"loop": {"part": "guerdon.training:Loop", "ahead": 7}}, "ahead"),
        ({"model": {"part": "guerdon.training:Model", "name": 3}}, r"recipe\.model\.name is 3"),
        ({"nmae": "x"}, "has no setting 'nmae'"),
        ({"reward": {"part": FUNCTION, "function": 3}}, r"recipe\.reward\.function is 3"),
        (
            {"reward": {"function": "guerdon.rewards.answers.lists:set_f1", "x": 1}},
            "has no settings",
        ),
        ({"reward": {"part": "guerdon.rewards.running.cache:Cached"}}, r"recipe\.reward: Cached"),
    ],
)
def test_what_does_not_belong_in_its_place_is_refused(
    tmp_path: Path, more: dict[str, Any], told: str
) -> None:
    data = {"part": "guerdon.training.recipe:Recipe", **more}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(PartError, match=told):
        PolicyRecipe.load(tmp_path / "recipe.yaml")


def test_the_writer_of_files_is_what_the_attack_would_have_had(tmp_path: Path) -> None:
    """`write_whole` writes where its arguments say: why functions are on a list, and it is not."""
    write_whole(tmp_path / "x", "written")
    assert (tmp_path / "x").read_text() == "written"
    assert "guerdon.training.run_folder" not in FUNCTIONS
    assert trust_options(["a b.py"]) == "--trust 'a b.py'"


def test_names_of_older_files_are_read(tmp_path: Path) -> None:
    reward = {"part": "guerdon.rewards.answer:AnswerMatch"}
    file = tmp_path / "old.yaml"
    data = {"part": "guerdon.training.recipe:Recipe", "name": "x", "reward": reward}
    file.write_text(yaml.safe_dump(data))
    assert isinstance(PolicyRecipe.load(file).reward, AnswerMatch)
    pairs = {"part": "guerdon.tasks.files:PreferenceFile", "path": "x", "image_folder": "/pictures"}
    assert foreign({"pairs": pairs}) == {"/pictures": ["recipe.pairs.image_folder"]}
    del pairs["image_folder"]
    assert build({"part": "guerdon.training.pairs:PreferenceRecipe", "pairs": pairs}) == (
        PreferenceRecipe(RankingFile("x"))
    )
    for old, new in [*MOVED.items(), *RENAMED.items()]:
        if ":" not in old:
            assert importlib.util.find_spec(old) is None
        module, _, inside = new.partition(":")
        assert hasattr(importlib.import_module(module), inside or "__name__")
