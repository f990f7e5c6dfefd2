"""Damage to a checkpoint is found, said, and survived where an older one is whole."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
import torch

from guerdon.sealed import SUMS, fault, refuse_damaged, seal
from guerdon.training.checkpoint import (
    CheckpointError,
    latest_checkpoint,
    load_checkpoint,
    load_newest,
    save_checkpoint,
)


def state(step: int) -> dict[str, object]:
    source = torch.Generator().manual_seed(step)
    weights = {f"layer.{i}": torch.randn(40, 40, generator=source) for i in range(4)}
    return {"step": step, "module": weights, "parts": {"a": [1.0, 2.0]}, "before": None}


def two(folder: Path) -> Path:
    """Checkpoints after 2 and 4 steps, with the recipe; the folder of both."""
    recipe = folder / "recipe.yaml"
    recipe.write_text("name: grpo\nloop:\n  steps: 60\n")
    for step in (2, 4):
        save_checkpoint(folder / "checkpoints", step, state(step), 2, recipe)
    return folder / "checkpoints"


def regions(checkpoint: Path) -> dict[str, tuple[Path, int, int]]:
    """Every kind of bytes that a checkpoint has: its file, where they begin and how many."""
    file = checkpoint / "state.pt"
    data = file.read_bytes()
    tensor = data.index(torch.randn(0, dtype=torch.float32).numpy().tobytes() or b"PK")
    directory = data.index(b"PK\x01\x02")
    return {
        "the archive's first header": (file, tensor, 30),
        "pickled structure": (file, data.index(b"layer.0"), 200),
        "values": (file, len(data) // 2, 2000),
        "anywhere": (file, 0, len(data)),
        "the archive's directory": (file, directory, len(data) - directory),
        "its last bytes": (file, len(data) - 22, 22),
        "digests": (checkpoint / SUMS, 0, (checkpoint / SUMS).stat().st_size),
        "recipe": (checkpoint / "recipe.yaml", 0, (checkpoint / "recipe.yaml").stat().st_size),
    }


def test_every_single_bit_that_flips_is_found_and_the_older_one_taken(tmp_path: Path) -> None:
    folder = two(tmp_path)
    newest, source, tried = folder / "step-000004", random.Random(0), 0
    for file, start, count in regions(newest).values():
        whole = file.read_bytes()
        for _ in range(12):
            place, bit = start + source.randrange(count), 1 << source.randrange(8)
            flipped = bytearray(whole)
            flipped[place] ^= bit
            file.write_bytes(flipped)
            with pytest.raises(CheckpointError):
                load_checkpoint(newest)
            assert latest_checkpoint(folder) == folder / "step-000002"
            tried += 1
        file.write_bytes(whole)
    assert tried >= 60
    assert load_checkpoint(newest)["step"] == 4


def damaged(how: str, checkpoint: Path) -> None:
    file = checkpoint / "state.pt"
    if how == "truncated":
        file.write_bytes(file.read_bytes()[:-100])
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "missing":
        file.unlink()
    elif how == "missing digests":
        (checkpoint / SUMS).unlink()
    elif how == "missing recipe":
        (checkpoint / "recipe.yaml").unlink()
    elif how == "extra":
        (checkpoint / "optimiser.pt").write_bytes(b"more")
    elif how == "extra folder":
        (checkpoint / "more").mkdir()
        (checkpoint / "more/file").write_bytes(b"")
    elif how == "another's":
        shutil.copyfile(checkpoint.parent / "step-000002/state.pt", file)
    elif how == "all gone":
        shutil.rmtree(checkpoint)
        checkpoint.mkdir()
    else:
        file.unlink()
        file.mkdir()


HOWS = ("truncated", "empty", "missing", "missing digests", "missing recipe", "extra")
HOWS += ("extra folder", "another's", "all gone", "a folder")


@pytest.mark.parametrize("how", HOWS)
def test_a_damaged_checkpoint_is_said_in_a_line_and_the_last_good_one_taken(
    tmp_path: Path, how: str
) -> None:
    folder = two(tmp_path)
    damaged(how, folder / "step-000004")
    told: list[str] = []
    found = load_newest(folder, told.append)
    assert found is not None
    assert found["step"] == 2
    (line,) = told
    assert line.startswith("checkpoint step-000004 is damaged (")
    assert line.endswith("going on from step-000002")
    assert "\n" not in line
    # It no longer counts, is kept for whoever asks why, and its place is free.
    assert (folder / "damaged-step-000004").is_dir()
    again = save_checkpoint(folder, 4, state(4), 2, tmp_path / "recipe.yaml")
    assert load_checkpoint(again)["step"] == 4
    assert load_newest(folder, told.append)["step"] == 4  # type: ignore[index]
    assert len(told) == 1


def test_where_none_is_whole_there_is_one_error_with_the_mend(tmp_path: Path) -> None:
    folder = two(tmp_path)
    for name in ("step-000002", "step-000004"):
        damaged("truncated", folder / name)
    with pytest.raises(CheckpointError) as error:
        load_newest(folder, pytest.fail)
    assert "step-000004: 'state.pt' is not what was written" in str(error.value)
    assert f"delete {folder}" in str(error.value)
    assert "\n" not in str(error.value)
    assert (folder / "step-000004").is_dir()  # nothing is moved: a copy can be put back
    assert load_newest(tmp_path / "none", pytest.fail) is None


def test_a_damaged_one_is_never_counted_among_those_that_are_kept(tmp_path: Path) -> None:
    folder = two(tmp_path)
    damaged("truncated", folder / "step-000004")
    load_newest(folder, lambda _: None)
    save_checkpoint(folder, 3, state(3), keep=1)
    assert latest_checkpoint(folder) == folder / "step-000003"


def test_a_damaged_one_of_the_same_step_is_written_again(tmp_path: Path) -> None:
    folder = two(tmp_path)
    damaged("truncated", folder / "step-000004")
    save_checkpoint(folder, 4, state(4))
    assert load_checkpoint(folder / "step-000004")["step"] == 4


def test_one_of_an_older_version_is_read_with_a_word_unless_its_own_sums_are_wrong(
    tmp_path: Path,
) -> None:
    old = tmp_path / "step-000002"
    old.mkdir()
    torch.save(state(2), old / "state.pt")
    told: list[str] = []
    found = load_newest(tmp_path, told.append)
    assert found is not None
    assert found["step"] == 2
    assert told == ["checkpoint step-000002 is of an older version: it has no digests to check"]
    data = bytearray((old / "state.pt").read_bytes())
    data[data.index(state(2)["module"]["layer.1"].numpy().tobytes()) + 99] ^= 1  # type: ignore[index]
    (old / "state.pt").write_bytes(data)
    with pytest.raises(CheckpointError, match="is not what was written"):
        load_newest(tmp_path, told.append)


def test_files_of_a_file_manager_do_not_count(tmp_path: Path) -> None:
    folder = two(tmp_path)
    (folder / "step-000004/.DS_Store").write_bytes(b"")
    assert load_checkpoint(folder / "step-000004")["step"] == 4


def test_digests_are_those_that_sha256sum_reads(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "more/ä b").write_bytes(b"")
    seal(tmp_path)
    assert (tmp_path / SUMS).read_text().splitlines() == [
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  more/ä b",
    ]
    assert fault(tmp_path) is None


def test_a_strangers_digests_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "secret").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    for name in ("../secret", str(tmp_path / "secret")):
        (inside / SUMS).write_text(f"{digest}  {name}\n")
        assert fault(inside) == f"{name!r} is missing"


def test_a_model_that_was_sealed_is_not_loaded_when_damaged(tmp_path: Path) -> None:
    from guerdon.reward_models import RewardModel
    from guerdon.rollout import LanguagePolicy

    folder = tmp_path / "model"
    LanguagePolicy.load().save(folder)
    refuse_damaged(folder)  # a model from elsewhere has no digests
    seal(folder)
    (folder / "README.md").write_text("added by its owner")
    assert LanguagePolicy.load(str(folder))
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1000] ^= 4
    weights.write_bytes(data)
    for load in (LanguagePolicy.load, RewardModel.load):
        with pytest.raises(ValueError, match=r"model is damaged: 'model\.safetensors' .*delete"):
            load(str(folder))
