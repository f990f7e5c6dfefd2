"""Several processes behind one port."""

from __future__ import annotations

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

for package in ("uvicorn", "httpx"):
    pytest.importorskip(package, reason="pip install -e '.[server]' httpx to run this")
import httpx  # noqa: E402
from connectors.serving import CONNECTED, command, lines, logged, rows, served, wait_until  # noqa: E402

from guerdon.connectors.server.metrics import Metrics  # noqa: E402
from guerdon.connectors.server.workers import _Supervisor  # noqa: E402

MINE = """
import os, time
from guerdon.rewards import reward

@reward
def mine(completion):
    if completion == "die":
        os._exit(3)
    time.sleep(float(completion or 0))
    return {"pid": float(os.getpid())}
"""


def test_same_answers_a_death_is_made_good_and_counts_are_of_all(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    reward = f"{tmp_path}/mine.py:mine"
    with served(tmp_path, reward, "--workers", "2") as (client, process, log):
        url = f"{client.base_url}/score"

        def ask(text: str) -> float:
            found = httpx.post(url, json={"rows": [{"completion": text}]}, timeout=60)
            return found.raise_for_status().json()["results"][0]["value"]

        started = {one["worker_pid"] for one in logged(log, process, "worker_started", count=2)}
        assert len(started) == 2
        # Until each has loaded its own reward and answered.
        seen: set[float] = set()
        with ThreadPoolExecutor(8) as threads:
            assert wait_until(
                lambda: seen.update(threads.map(ask, ["0.05"] * 8)) or seen == started, 200
            )
        asked = client.get("/info").json()
        assert (asked["workers"], asked["rows"] % 8, asked["requests"]) == (2, 0, asked["rows"])

        with pytest.raises(httpx.HTTPError):
            ask("die")
        ended = logged(log, process, "worker_ended")[0]
        assert (ended["worker_pid"] in started, ended["code"]) == (True, 3)
        assert ask("0") in started - {ended["worker_pid"]}
        again = {
            one["worker_pid"] for one in logged(log, process, "worker_started", count=3)
        } - started
        with ThreadPoolExecutor(8) as threads:
            assert wait_until(lambda: set(threads.map(ask, ["0.05"] * 8)) & again, 200)
        # Counts only grow, although one that counted is gone.
        assert client.get("/info").json()["rows"] > asked["rows"]

        with ThreadPoolExecutor(4) as threads:
            running = [threads.submit(ask, "2") for _ in range(4)]
            assert wait_until(lambda: "guerdon_judging 4" in client.get("/metrics").text, 20)
            process.send_signal(signal.SIGTERM)
            assert all(one.result() > 0 for one in running)
        assert process.wait(60) == 0
        assert lines(log, process)[-1]["event"] == "stopped"
        assert not [pid for pid in started | again if _alive(pid)]


def test_processes_that_can_not_start_are_given_up(tmp_path):
    """Each has its own reward, which here ends them when it is loaded again."""
    (tmp_path / "mine.py").write_text(
        f"import os, pathlib\nseen = pathlib.Path({str(tmp_path / 'seen')!r})\n"
        "if seen.exists():\n    os._exit(7)\nseen.touch()\n" + MINE
    )
    options = ("--reward", f"{tmp_path}/mine.py:mine", "--port", "0", "--workers", "2")
    ended = subprocess.run(command(*options), capture_output=True, text=True, timeout=280)
    assert ended.returncode == 1
    assert "3 processes in a row ended at their start" in ended.stderr


class _Ended:
    pid, exitcode = 0, 7

    def __init__(self, alive: bool) -> None:
        self.is_alive = lambda: alive


def test_a_process_that_answers_is_not_given_up_for_others_that_end_at_their_start(monkeypatch):
    supervisor = _Supervisor(None, None, 2, 1.0)
    supervisor._processes = {0: _Ended(alive=True), 1: _Ended(alive=False)}
    started = []
    monkeypatch.setattr(supervisor, "_start", started.append)
    Metrics(supervisor._shared, 0, 2).put(1.0, "ready")
    for _ in range(5):
        supervisor._replace_dead()
    assert (started, supervisor._hopeful()) == ([1] * 5, True)
    Metrics(supervisor._shared, 0, 2).put(0.0, "ready")
    assert not supervisor._hopeful()


def test_they_end_when_their_supervisor_is_killed(tmp_path):
    with served(tmp_path, f"{CONNECTED}:BOTH", "--workers", "2") as (client, process, log):
        assert client.post("/score", json=rows("4")).status_code == 200
        started = {one["worker_pid"] for one in logged(log, process, "worker_started", count=2)}
        process.kill()
        process.wait()
        assert wait_until(lambda: not any(map(_alive, started)), 60)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return not os.path.exists("/proc")
