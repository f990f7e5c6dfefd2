"""The reward server as a process of its own, over loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

for package in ("fastapi", "uvicorn", "httpx"):
    pytest.importorskip(package, reason="pip install 'guerdon[server]' httpx to run this")
import httpx  # noqa: E402

CONNECTED = str(Path(__file__).parent / "connected.py")


@contextmanager
def served(tmp_path, reward, *options):
    """A client of a server that is started here, and the server's process."""
    command = [sys.executable, "-m", "guerdon.cli", "serve", "--reward", reward, "--port", "0"]
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen([*command, *options], stderr=out, env=dict(os.environ))
    try:
        port = lines(log, process)[0]["port"]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client, process, log
    finally:
        process.kill()
        process.wait()


def lines(log, process):
    """The logged objects, once there is one: every line is JSON."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if log.read_text().endswith("\n"):
            return [json.loads(line) for line in log.read_text().splitlines()]
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"nothing logged: {log.read_text()}")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A server of the composite reward, with limits small enough to meet."""
    limits = ("--max-batch", "50", "--max-body", "1", "--invalid", "-1", "--timeout", "30")
    with served(tmp_path_factory.mktemp("both"), f"{CONNECTED}:BOTH", *limits) as found:
        yield found


def rows(*texts, answer="4"):
    return {"rows": [{"completion": t, "prompt": "2+2", "answer": answer} for t in texts]}


def test_scores_parts_validity_and_reasons(both):
    client, _, _ = both
    reply = client.post("/score", json=rows("4", "55", "crash"))
    assert reply.status_code == 200
    first, second, third = reply.json()["results"]
    assert first["value"] == pytest.approx(1.99)
    assert first["parts"] == {"right": pytest.approx(2.0), "brief": pytest.approx(-0.01)}
    assert (first["valid"], first["reason"]) == (True, None)
    assert second["value"] == pytest.approx(-0.02)
    reason = "right: RuntimeError: grader broke"
    assert (third["value"], third["valid"], third["reason"]) == (None, False, reason)


def test_openrlhfs_protocol(both):
    client, _, _ = both
    asked = {
        "query": ["2+2=4<|im_end|>", "2+2=5</s>", "2+2=crash", "4"],
        "prompts": ["2+2="] * 4,
        "labels": ["4"] * 4,
    }
    found = client.post("/get_reward", json=asked).json()
    assert found["rewards"] == pytest.approx([1.99, -0.01, -1, -1])
    assert found["scores"] == found["rewards"]
    assert found["extra_logs"]["valid"] == [1, 1, 0, 0]
    only_query = client.post("/get_reward", json={"query": ["None"]}).json()
    assert only_query["rewards"] == pytest.approx([1.96])


def test_many_clients_at_once_get_their_own_answers(both):
    """40 clients, 400 requests of 1 to 5 rows, every row with its own right answer."""
    client, _, _ = both
    before = client.get("/info").json()["rows"]

    def ask(number):
        answers = [f"{number}-{row}" for row in range(1 + number % 5)]
        texts = [a if row % 2 == 0 else f"not {a}" for row, a in enumerate(answers)]
        body = {
            "rows": [{"completion": t, "answer": a} for t, a in zip(texts, answers, strict=True)]
        }
        with httpx.Client(base_url=client.base_url, timeout=60) as own:
            results = own.post("/score", json=body).raise_for_status().json()["results"]
        return [r["value"] for r in results] == pytest.approx(
            [2.0 * (row % 2 == 0) - 0.01 * len(t) for row, t in enumerate(texts)], abs=1e-6
        )

    with ThreadPoolExecutor(40) as threads:
        assert all(threads.map(ask, range(400)))
    rows_asked = sum(1 + n % 5 for n in range(400))
    assert client.get("/info").json()["rows"] - before == rows_asked


def test_limits(both):
    client, _, _ = both
    reply = client.post("/score", json=rows(*["4"] * 51))
    assert (reply.status_code, reply.json()["error"]) == (413, "51 rows; at most 50 a request")
    reply = client.post("/score", json=rows("4" * 2**20))
    assert reply.status_code == 413
    assert "larger than 1048576 bytes" in reply.json()["error"]
    assert client.post("/score", json=rows("4")).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("{", 400, "not JSON"),
        ("[" * 100_000, 400, "not JSON"),
        ("[]", 422, "'rows' is a list"),
        ('{"rows": []}', 422, "'rows' is a list"),
        ('{"rows": [{"prompt": "x"}]}', 422, "rows[0]: completion is text or"),
        (
            '{"rows": [{"completion": "x"}, {"completion": 3}]}',
            422,
            "rows[1]: completion is text or",
        ),
        ('{"rows": [{"completion": "x", "columns": {}, "answer": null}]}', 200, ""),
        ('{"rows": [{"completion": "x", "columns": [1]}]}', 422, "columns is an object"),
        ('{"rows": [{"completion": "x", "tokens": "3"}]}', 422, "tokens is a number from 0"),
        (
            '{"rows": [{"completion": "x", "tokens": 99999999999}]}',
            422,
            "tokens is a number from 0",
        ),
        ('{"rows": [{"completion": "x", "group": []}]}', 422, "group is a text or a number"),
        ('{"rows": [3]}', 422, "rows[0] must be an object"),
        ('{"rows": [{"completion": [3]}]}', 422, "completion is text or messages"),
        ('{"rows": [{"completion": [[[["x"]]]]}]}', 422, "completion is text or messages"),
        ('{"rows": [{"completion": [{"role": "assistant"}]}]}', 422, "role and content"),
        ('{"rows": [{"completion": "x", "prompt": [{"content": "x"}]}]}', 422, "role and content"),
        ('{"rows": [{"completion": [{"role": "assistant", "content": "x"}]}]}', 200, ""),
        ('{"rows": [{"completion": "x", "prompt": null, "answer": {"a": [1e400]}}]}', 200, ""),
        ('{"rows": [{"completion": "x"}], "step": -1}', 422, "step must be a whole number"),
        ('{"rows": [{"completion": "\\ud800", "answer": "\\ud800"}]}', 200, ""),
        ("", 422, "'rows' is a list"),
    ],
)
def test_hostile_bodies(both, body, status, error):
    reply = both[0].post("/score", content=body)
    assert reply.status_code == status
    assert error in reply.json().get("error", "")


def test_health_info_and_other_paths(both):
    client, _, _ = both
    assert client.get("/health").json() == {"status": "ok"}
    info = client.get("/info").json()
    assert info["reward"] == "WeightedSum"
    assert info["limits"]["batch"] == 50
    assert client.get("/nowhere").status_code == 404
    assert client.get("/score").status_code == 405


def test_one_json_line_a_request(both):
    client, process, log = both
    before = len(lines(log, process))
    client.post("/score", json=rows("4", "crash"))
    invalid, request = lines(log, process)[before:]
    assert invalid["event"] == "warning"
    assert "1 of 2 completions invalid; right: RuntimeError" in invalid["message"]
    assert (request["path"], request["status"], request["rows"]) == ("/score", 200, 2)
    assert request["seconds"] >= 0


def test_a_missing_column_is_the_clients_error(tmp_path):
    with served(tmp_path, f"{CONNECTED}:about") as (client, _, _):
        reply = client.post("/score", json=rows("x"))
        assert reply.status_code == 422
        assert "asks for 'topic'" in reply.json()["error"]
        row = {"completion": "x 2+2", "prompt": "2+2", "columns": {"topic": "x"}}
        assert client.post("/score", json={"rows": [row]}).json()["results"][0]["value"] == 2.0


def test_groups_and_the_token(tmp_path):
    with served(tmp_path, f"{CONNECTED}:Z", "--token", "secret") as (client, _, _):
        body = {"rows": [{"completion": t, "answer": "4", "group": "a"} for t in ("4", "5")]}
        assert client.post("/score", json=body).status_code == 401
        wrong = {"Authorization": "Bearer sécret".encode()}
        assert client.post("/score", json=body, headers=wrong).status_code == 401
        assert client.get("/health").status_code == 200
        client.headers["Authorization"] = "Bearer secret"
        results = client.post("/score", json=body).json()["results"]
        assert [r["value"] for r in results] == pytest.approx([1, -1], abs=1e-5)
        reply = client.post("/score", json=rows("4"))
        assert (reply.status_code, "has no group" in reply.json()["error"]) == (422, True)
        del client.headers["Authorization"]
        reply = client.post("/get_reward?token=secret", json={"query": ["4"]})
        assert (reply.status_code, "use /score" in reply.json()["error"]) == (422, True)


STOPPING = """
import time
from guerdon.rewards import reward

@reward
def sleepy(completion):
    time.sleep(float(completion))
    return 1.0
"""


def test_sigterm_answers_what_is_running_and_ends_well(tmp_path):
    (tmp_path / "mine.py").write_text(STOPPING)
    with served(tmp_path, f"{tmp_path}/mine.py:sleepy") as (client, process, log):
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(client.post, "/score", json=rows("1.5"))
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            assert running.result().json()["results"][0]["value"] == 1.0
        assert process.wait(30) == 0
        assert lines(log, process)[-1]["event"] == "stopped"


def test_a_stuck_reward_costs_its_request_and_shows_in_health(tmp_path):
    (tmp_path / "mine.py").write_text(STOPPING)
    with served(tmp_path, f"{tmp_path}/mine.py:sleepy", "--timeout", "0.5") as (client, process, _):
        assert client.post("/score", json=rows("0")).status_code == 200
        started = time.monotonic()
        reply = client.post("/score", json=rows("30"))
        assert reply.status_code == 504
        assert time.monotonic() - started < 10
        assert client.get("/health").status_code == 503
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 1  # not held up by the 30 s


def test_a_taken_port_is_an_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "guerdon.cli", "serve", "--port", port]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "guerdon serve:" in ended.stderr
