"""Full, read-only and vanished disks: one sentence, a whole run, and it goes on bit for bit."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kills.comparing import differences, left_behind
from kills.entries import LOOP, policy_run

from guerdon.training.disk import DiskError, append_line, sweep, whole_file, write_whole
from guerdon.training.run_folder import RunFolder

DEFAULT = policy_run("default")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert DEFAULT.start(folder) == 0
    return folder


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, which a test may make small or read-only."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a disk; `make kills` fills one that is made up")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def test_a_run_that_filled_its_disk_goes_on_when_there_is_room(whole: Path, disk: Path) -> None:
    """There is room for one checkpoint of two: the second finds the disk full."""
    first = bytes_of(whole / "checkpoints/step-000002")
    remount(disk, f"size={int(first * 1.6)}")
    folder = disk / "run"
    with pytest.raises(DiskError) as full:
        DEFAULT.start(folder)
    told = str(full.value)
    new = folder / "checkpoints/step-000004"
    assert f"the disk is full: there is no room for {new}, which needs " in told
    assert f"free on the disk at {disk}" in told
    assert f"go on with guerdon train --resume {folder}" in told
    assert "what was done after step 2's checkpoint is done again" in told
    assert left_behind(folder) == []  # what did not fit does not keep the disk full
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == LOOP.steps
    remount(disk, "size=200m")
    assert DEFAULT.go_on(folder) == 0
    assert differences(whole, folder) == []


def test_a_start_on_a_full_or_read_only_disk_leaves_nothing(disk: Path) -> None:
    remount(disk, "size=20k")
    with pytest.raises(DiskError, match="the disk is full"):
        DEFAULT.start(disk / "runs/run")
    assert left_behind(disk) == []
    shutil.rmtree(disk / "runs", ignore_errors=True)
    remount(disk, "size=200m,ro")
    with pytest.raises(DiskError, match=r"runs/run can't be written \(Read-only file system\)"):
        DEFAULT.start(disk / "runs/run")
    assert list(disk.iterdir()) == []


def test_a_run_on_a_disk_that_became_read_only_says_so_and_stays(whole: Path, disk: Path) -> None:
    folder = disk / "run"
    shutil.copytree(whole, folder)
    remount(disk, "ro")
    before = bytes_of(folder)
    with pytest.raises(
        DiskError, match=r"run\.lock can't be written \(Read-only file system\); make"
    ):
        DEFAULT.go_on(folder)
    assert bytes_of(folder) == before


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, r"the disk is full: there is no room for .*file, which needs 3 bytes \("),
        (errno.EDQUOT, r"the quota is full"),
        (errno.EROFS, r"file can't be written \(Read-only file system\); make .* writable"),
        (errno.EACCES, r"file can't be written \(Permission denied\)"),
        (errno.EIO, r"file can't be written \(Input/output error\)"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_what_the_disk_refuses_is_told_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: str, call: str
) -> None:
    write_whole(tmp_path / "file", "old")

    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(DiskError, match=told) as error:
        write_whole(tmp_path / "file", "new")
    assert "\n" not in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_a_writer_that_loses_the_disks_error_does_not_hide_it(tmp_path: Path) -> None:
    """torch reports one of its own, `unexpected pos`, where the disk is full."""

    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def save() -> None:
        with whole_file(tmp_path / "file") as file:
            file._file = Full()  # type: ignore[attr-defined]
            file.write(b"abc")
            raise RuntimeError("unexpected pos 576 vs 534")

    with pytest.raises(DiskError, match="the disk is full"):
        save()


def test_errors_of_writers_in_rust_are_the_disks(tmp_path: Path) -> None:
    def save(folder: Path) -> None:
        raise Exception("Error while serializing: I/O error: No space left (os error 28)")

    run = RunFolder(tmp_path / "run")
    run.claim("name: x\n")
    with pytest.raises(DiskError, match=r"model, which needs 5\.0 MB"):
        run.save_model(save, 5_000_000)
    run.release()


def test_a_folder_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.claim("name: x\n")
    run.log_metrics({"step": 0})
    (tmp_path / "run").rename(tmp_path / "away")
    with pytest.raises(DiskError, match=r"the folder .*run is gone; put it back"):
        run.log_metrics({"step": 1})

    def save(folder: Path) -> None:  # as writers of models do
        folder.mkdir(parents=True)
        (folder / "weights").write_bytes(b"x")

    with pytest.raises(DiskError, match=r"the folder .*run is gone; put it back"):
        run.save_model(save)
    run.release()
    assert not (tmp_path / "run").exists()


def test_what_is_in_the_way_is_swept_and_nothing_else(tmp_path: Path) -> None:
    append_line(tmp_path / "metrics.jsonl", "{}\n")
    for name in ("writing-000004", "deleting-step-000002"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state.pt").write_bytes(b"x")
    (tmp_path / "recipe.yaml.writing").write_bytes(b"x")
    (tmp_path / "damaged-step-000002").mkdir()
    sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["damaged-step-000002", "metrics.jsonl"]
