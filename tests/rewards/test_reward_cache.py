"""A cache of scores that is damaged, shared, read-only or without room costs time and no score."""

import multiprocessing
import random
import resource
import sqlite3
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from completions import START, rollouts_of, task

from guerdon.records import Comparisons, Progress, Rollouts, Scores
from guerdon.rewards import Cached, ListMatch
from guerdon.rewards.running import cache_file
from guerdon.rewards.running.cache_file import PATIENCE

TEXTS = [f"{i}, {i + 1}" for i in range(400)]
ROWS = rollouts_of(TEXTS, task("3, 4"))
TRUTH = ListMatch()(ROWS, START)


def judged(folder: Path) -> tuple[Scores, list[str]]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = Cached(ListMatch(), str(folder))(ROWS, START)
    assert found.value.tolist() == TRUTH.value.tolist()
    assert found.parts["items"].tolist() == TRUTH.parts["items"].tolist()
    return found, [str(one.message) for one in told]


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    assert judged(tmp_path)[1] == []
    return tmp_path


def known(folder: Path) -> int:
    with sqlite3.connect(folder / "scores.sqlite") as file:
        return int(file.execute("SELECT count(*) FROM scores").fetchone()[0])


@dataclass(frozen=True)
class Remarking:
    """A value, and why."""

    compares: bool = False

    def __call__(self, rollouts: Rollouts, progress: Progress) -> Scores:
        compared = Comparisons(*(torch.tensor([i]) for i in (0, 1)), torch.ones(1))
        return Scores(
            torch.ones(2),
            diagnostics={"calls": torch.tensor([2.0, float("nan")])},
            remarks=("as asked", None),
            comparisons=compared if self.compares else None,
        )


def test_remarks_and_diagnostics_are_kept_and_rows_without_are_read(tmp_path: Path) -> None:
    rows = rollouts_of(["a", "b"], task("1"))
    for _ in range(2):  # judged, then known
        found = Cached(Remarking(), str(tmp_path))(rows, START)
        assert found.remarks == ("as asked", None)
        assert found.diagnostics["calls"].isnan().tolist() == [False, True]
    with sqlite3.connect(tmp_path / "scores.sqlite") as file:  # as an older version wrote them
        for key, _ in list(file.execute("SELECT key, judged FROM scores")):
            row = ("[3.0, {}]", cache_file._digest(key, "[3.0, {}]"), key)
            file.execute("UPDATE scores SET judged = ?, digest = ? WHERE key = ?", row)
    found = Cached(Remarking(), str(tmp_path))(rows, START)
    assert (found.value.tolist(), found.remarks) == ([3, 3], (None, None))
    with pytest.raises(ValueError, match=r"compares rows .* put it around the rewards inside"):
        Cached(Remarking(compares=True), str(tmp_path))(rows, START)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_built_anew_with_a_word(filled: Path, kept: float) -> None:
    file = filled / "scores.sqlite"
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    told = judged(filled)[1]
    if kept:
        assert len(told) == 1
        assert "built anew" in told[0]
        assert str(filled) in told[0]
        assert (filled / "damaged.sqlite").exists()
    assert known(filled) == len(TEXTS)
    assert judged(filled)[1] == []


def test_no_flipped_bit_is_another_score(filled: Path, tmp_path: Path) -> None:
    file, source = filled / "scores.sqlite", random.Random(0)
    whole = file.read_bytes()
    for _ in range(150):
        spoilt = bytearray(whole)
        spoilt[source.randrange(len(whole))] ^= 1 << source.randrange(8)
        file.write_bytes(spoilt)
        judged(filled)
    file.write_bytes(whole)
    with sqlite3.connect(file) as held:
        held.execute("UPDATE scores SET judged = replace(judged, '0.0', '1.0')")
    assert judged(filled)[1] == []  # the digest says so: judged again
    with sqlite3.connect(file) as held:
        left = held.execute("SELECT count(*) FROM scores WHERE judged LIKE '%0.0%'").fetchone()[0]
    assert left > 0


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA user_version = 99",
        "PRAGMA user_version = 0",
        "DROP TABLE scores",
        "ALTER TABLE scores DROP COLUMN judged",
    ],
)
def test_another_version_is_built_anew_with_a_word(filled: Path, statement: str) -> None:
    with sqlite3.connect(filled / "scores.sqlite") as file:
        file.execute(statement)
    assert "built anew" in judged(filled)[1][0]
    assert known(filled) == len(TEXTS)


def test_a_file_of_the_first_layout_is_built_anew(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "scores.sqlite") as file:
        file.execute("CREATE TABLE scores (key BLOB PRIMARY KEY, judged TEXT) WITHOUT ROWID")
    assert "another version" in judged(tmp_path)[1][0]
    assert known(tmp_path) == len(TEXTS)


def test_an_old_journal_does_not_spoil_the_new_file(filled: Path) -> None:
    (filled / "scores.sqlite").write_bytes(b"no database " * 1000)
    (filled / "scores.sqlite-journal").write_bytes(bytes.fromhex("d9d505f920a163d7") + b"\1" * 999)
    judged(filled)
    assert known(filled) == len(TEXTS)


def test_somebody_else_is_writing(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PATIENCE >= 10
    monkeypatch.setattr(cache_file, "PATIENCE", 0.1)
    other = sqlite3.connect(filled / "scores.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    told = judged(filled)[1]
    assert told
    assert all("locked" in one and "going on without" in one for one in told)
    other.execute("COMMIT")
    other.close()
    assert judged(filled)[1] == []


@pytest.mark.parametrize("spoil", ["a file in its way", "a folder in its way"])
def test_a_place_that_cannot_be_written(tmp_path: Path, spoil: str) -> None:
    folder = tmp_path / "memory"
    if spoil == "a file in its way":
        folder.write_text("")
    else:
        (folder / "scores.sqlite").mkdir(parents=True)
    told = judged(folder)[1]
    assert told
    assert all("going on without" in one for one in told)


def test_a_file_that_may_be_read_and_not_written(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def read_only(path: Path, timeout: float) -> sqlite3.Connection:
        return connect(f"file:{path}?mode=ro", timeout=timeout, uri=True)

    monkeypatch.setattr(cache_file.sqlite3, "connect", read_only)
    assert judged(filled)[1] == []  # all known: nothing to write
    more = rollouts_of(["9, 9"], task("3, 4"))
    with pytest.warns(UserWarning, match="readonly"):
        assert Cached(ListMatch(), str(filled))(more, START).value.tolist() == [0.0]


def _without_room(folder: str) -> None:
    """The size of any file is limited, which is what a full disk says to a writer."""
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
    told = judged(Path(folder))[1]
    assert told
    assert "going on without" in told[0]


def test_no_room(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(
        target=_without_room, args=(str(tmp_path),)
    )
    process.start()
    process.join(60)
    assert process.exitcode == 0
    judged(tmp_path)
    assert known(tmp_path) == len(TEXTS)


def _again_and_again(folder: str) -> None:
    for _ in range(10):
        judged(Path(folder))


def test_several_build_one_anew_at_once(filled: Path) -> None:
    (filled / "scores.sqlite").write_bytes(b"no database " * 1000)
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_again_and_again, args=(str(filled),)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(100)
    assert [worker.exitcode for worker in workers] == [0] * 4
    judged(filled)
    assert known(filled) == len(TEXTS)
