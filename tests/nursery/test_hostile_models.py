"""Models' folders that anybody may have made: their code never runs, faults are told."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from guerdon import cli
from guerdon.models.loading import load_classifier, load_model
from guerdon.models.sources import ModelError, model_source, seedling_path
from guerdon.rewards import FrozenModel, StaticEmbeddings

CODE = "import pathlib\npathlib.Path({ran!r}).touch()\nclass C: ...\nclass M: ...\nclass T: ...\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return Path(shutil.copytree(seedling_path(), tmp_path / "model"))


def change(folder: Path, file: str = "config.json", **settings: Any) -> None:
    held = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**held, **settings}))


def refusals(name: str) -> list[str]:
    """What every door by which a model is loaded says of it."""
    said = []
    for load in (
        lambda: load_model(name),
        lambda: load_classifier(name),
    ):
        with pytest.raises(ModelError) as caught:
            load()
        said.append(str(caught.value))
        assert "\n" not in said[-1]
        assert len(said[-1]) < 600
    return said


def with_code(folder: Path, ran: Path) -> None:
    (folder / "evil.py").write_text(CODE.format(ran=str(ran)))


def test_a_models_own_code_never_runs(folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    with_code(folder, ran)
    auto = {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M", "AutoModel": "evil.M"}
    change(folder, auto_map=auto)
    model, _ = load_model(str(folder))  # a known family: its code here is used, not the folder's
    assert type(model).__module__.startswith("transformers.")
    change(folder, model_type="strange")
    assert all(
        "brings code of its own, which is never run" in told for told in refusals(str(folder))
    )
    assert not ran.exists()


def test_a_tokenizers_own_code_never_runs(folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    with_code(folder, ran)
    auto = {"AutoTokenizer": ["evil.T", "evil.T"]}
    change(folder, "tokenizer_config.json", auto_map=auto, tokenizer_class="T")
    assert all("code of its own" in told for told in refusals(str(folder)))
    assert not ran.exists()


class Runs:
    def __init__(self, ran: Path) -> None:
        self.ran = ran

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.ran}",)


def test_weights_that_are_a_pickle_with_code_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"weight": Runs(tmp_path / "ran")}, folder / "pytorch_model.bin")
    assert all("convert them to safetensors" in told for told in refusals(str(folder)))
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    settings = {"base_model_name_or_path": "seedling", "peft_type": "LORA", "r": 4,
                "task_type": "CAUSAL_LM", "target_modules": ["q_proj"]}  # fmt: skip
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    torch.save({"weight": Runs(tmp_path / "ran")}, adapter / "adapter_model.bin")
    with pytest.raises(ModelError, match="convert them to safetensors"):
        load_model(str(adapter))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "name", ["./nofolder", "/no/folder", "~/no-such-folder-here", "a/b/c", "x.gguf"]
)
def test_a_path_that_does_not_exist(name: str) -> None:
    assert all(told.startswith("there is no folder") for told in refusals(name))


def test_a_path_that_does_not_exist_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("sample", "evaluate"):
        assert cli.main([command, "--model", "./nofolder"]) == 1
        told = capsys.readouterr().err
        assert told.startswith(f"guerdon {command}: there is no folder ./nofolder; give")
        assert told.count("\n") == 1


def test_names_that_name_no_model(folder: Path, tmp_path: Path) -> None:
    assert "is empty" in refusals("")[0]
    assert "no model" in refusals("a\0b")[0]
    (tmp_path / "empty").mkdir()
    assert "has no config.json" in refusals(str(tmp_path / "empty"))[0]
    (tmp_path / "weights.bin").write_bytes(b"x")
    assert "is a file" in refusals(str(tmp_path / "weights.bin"))[0]
    run = tmp_path / "run"
    run.mkdir()
    shutil.move(folder, run / "model")
    assert f"give {run / 'model'}" in refusals(str(run))[0]
    assert model_source("owner/name") == "owner/name"
    assert model_source("seedling") == str(seedling_path())


def test_a_name_that_the_hub_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    # The variable HF_HUB_OFFLINE is read once, when the library is loaded.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert all("no folder here, and no model of that name" in told for told in refusals("no-such"))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda f: (f / "config.json").write_text("{"), "not a valid JSON"),
        (lambda f: (f / "config.json").write_text("[1]"), "can't be loaded"),
        (lambda f: (f / "config.json").unlink(), "config.json is missing or names no family"),
        (lambda f: change(f, model_type="zzz"), "names no family that the installed"),
        (lambda f: (f / "model.safetensors").unlink(), "no file named model.safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 64), "its weights are damaged"),
        (lambda f: os.truncate(f / "model.safetensors", 5000), "its weights are damaged"),
        (lambda f: change(f, hidden_size=-1), "can't be loaded"),
        (lambda f: (f / "tokenizer.json").write_text("{"), "can't be loaded"),
    ],
)
def test_a_folder_that_is_spoilt_says_how(folder: Path, spoil: Any, told: str) -> None:
    spoil(folder)
    for said in refusals(str(folder)):
        assert told in said
        assert str(folder) in said


def test_rewards_load_models_by_the_same_rules(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", 5000)
    for load in (
        lambda: FrozenModel(str(folder)).encode("text"),
        lambda: StaticEmbeddings(str(folder))("text"),
    ):
        with pytest.raises(ModelError, match="its weights are damaged"):
            load()
