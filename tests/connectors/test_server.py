"""The reward server as a process of its own, over loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

for package in ("uvicorn", "httpx"):
    pytest.importorskip(package, reason="pip install -e '.[server]' httpx to run this")
import httpx  # noqa: E402
from connectors.serving import (  # noqa: E402
    CONNECTED,
    closed,
    command,
    lines,
    logged,
    read_answer,
    rows,
    served,
    sockets,
    wait_until,
)

from guerdon.cli import main  # noqa: E402

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A server of the composite reward, with limits small enough to meet."""
    limits = ("--max-batch", "50", "--max-body", "1", "--invalid", "-1", "--timeout", "30")
    with served(tmp_path_factory.mktemp("both"), f"{CONNECTED}:BOTH", *limits) as found:
        yield found


def test_scores_parts_validity_and_reasons(both):
    client, _, _ = both
    reply = client.post("/score", json=rows("4", "55", "crash"))
    assert reply.status_code == 200
    first, second, third = reply.json()["results"]
    assert first["value"] == pytest.approx(1.99)
    assert first["parts"] == {"right": pytest.approx(2.0), "brief": pytest.approx(-0.01)}
    assert (first["valid"], first["reason"]) == (True, None)
    assert second["value"] == pytest.approx(-0.02)
    reason = f"the reward raised an exception (request {reply.headers['x-request-id']})"
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
    assert (reply.status_code, reply.json()["error"]) == (
        413,
        "more than 50 rows in one body; send fewer at once",
    )
    reply = client.post("/score", json=rows("4" * 2**20))
    assert reply.status_code == 413
    assert "larger than 1048576 bytes" in reply.json()["error"]
    assert client.post("/score", json=rows("4")).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("{", 400, "not JSON"),
        ("[" * 100_000, 400, "nested deeper than 64"),
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
        ('{"rows": [{"completion": "x", "prompt": null, "answer": {"a": [1e300]}}]}', 200, ""),
        ('{"rows": [{"completion": "x", "tokens": true}]}', 422, "tokens is a number from 0"),
        ('{"rows": [{"completion": "x", "tokens": 3.0, "group": 1.0}]}', 200, ""),
        ('{"rows": [{"completion": "x", "group": true}]}', 422, "group is a text or a number"),
        ('{"rows": [{"completion": "x", "answr": "4"}]}', 422, "did you mean 'answer'?"),
        ('{"rows": [{"completion": "x"}], "stepp": 1}', 422, "did you mean 'step'?"),
        ('{"rows": [{"completion": "x"}], "step": -1}', 422, "step must be a whole number"),
        ('{"rows": [{"completion": "\\ud800", "answer": "\\ud800"}]}', 200, ""),
        ("", 400, "not JSON"),
    ],
)
def test_hostile_bodies(both, body, status, error):
    reply = both[0].post("/score", content=body, headers=JSON)
    assert reply.status_code == status
    assert error in reply.json().get("error", "")


def test_health_info_and_other_paths(both):
    client, _, _ = both
    assert client.get("/health").json() == {"status": "ok"}
    info = client.get("/info").json()
    assert info["reward"] == "WeightedSum"
    assert info["limits"]["batch"] == 50
    assert client.get("/nowhere").status_code == 404
    reply = client.get("/score")
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")


def test_the_log_tells_a_request_and_why_rows_are_invalid(both):
    client, process, log = both
    reply = client.post("/score", json=rows("4", "crash"))
    own = reply.headers["x-request-id"]
    assert wait_until(lambda: log.read_text().count(own) >= 3, 10)
    told = [one for one in lines(log, process) if one.get("request") == own]
    failed, invalid, request = told
    assert (failed["event"], failed["rows"]) == ("reward_failed", 1)
    assert failed["trace"].startswith("RuntimeError: grader broke (at ")
    assert (invalid["event"], invalid["invalid"]) == ("invalid_rows", 1)
    assert invalid["reasons"] == "right: RuntimeError: grader broke"
    assert (request["event"], request["path"], request["status"]) == ("request", "/score", 200)
    assert (request["rows"], request["invalid"], request["client"]) == (2, 1, "127.0.0.1")
    assert request["seconds"] >= 0


def test_a_missing_column_is_the_clients_error(tmp_path):
    with served(tmp_path, f"{CONNECTED}:about") as (client, _, _):
        reply = client.post("/score", json=rows("x"))
        assert reply.status_code == 422
        assert "asks for 'topic'" in reply.json()["error"]
        row = {"completion": "x 2+2", "prompt": "2+2", "columns": {"topic": "x"}}
        assert client.post("/score", json={"rows": [row]}).json()["results"][0]["value"] == 2.0


def test_groups_and_the_token(tmp_path):
    with served(tmp_path, f"{CONNECTED}:Z", "--token", "secret") as (client, _, log):
        body = {"rows": [{"completion": t, "answer": "4", "group": "a"} for t in ("4", "5")]}
        assert client.post("/score", json=body).status_code == 401
        wrong = {"Authorization": "Bearer sécret".encode()}
        assert client.get("/metrics").status_code == client.get("/info").status_code == 401
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
        assert client.post("/get_reward?token=Secret", json={"query": ["4"]}).status_code == 401
        assert wait_until(lambda: log.read_text().count('"/get_reward"') == 2, 10)
        assert "ecret" not in log.read_text()


RAISING = """
import time
import torch
from guerdon.records import Scores
from guerdon.rewards import reward

@reward
def sleepy(completion):
    time.sleep(float(completion))
    return 1.0

class Broken:
    scope = "completion"

    def __call__(self, rollouts, progress):
        raise ValueError("the key is hidden-word")

broken = Broken()

class Fragile:
    scope = "completion"

    def __call__(self, rollouts, progress):
        if "bad" in rollouts.texts:
            raise SystemExit("one bad text")
        return Scores(torch.ones(len(rollouts)))

fragile = Fragile()

@reward
def leaky(completion):
    if completion == "text":
        return "hidden-word"
    raise KeyError("hidden-word")
"""


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(RAISING)
    return f"{tmp_path}/mine.py"


def test_what_a_reward_raises_goes_to_the_log_and_not_to_clients(tmp_path, mine):
    with served(tmp_path, f"{mine}:broken") as (client, process, log):
        reply = client.post("/score", json=rows("my text"))
        own = reply.headers["x-request-id"]
        told = f"the reward raised an exception (request {own})"
        result = {"value": None, "parts": {}, "valid": False, "reason": told}
        assert (reply.status_code, reply.json()) == (200, {"results": [result]})
        failed = logged(log, process, "reward_failed", request=own)[0]
        assert failed["trace"].startswith("ValueError: the key is hidden-word (at ")
        assert "mine.py" in failed["trace"]
        # It has failed on all completions, which are four now: the reward itself is at fault.
        reply = client.post("/score", json=rows("my text", "x", "y"))
        own = reply.headers["x-request-id"]
        told = f"the reward raised an exception (request {own})"
        assert (reply.status_code, reply.json()) == (500, {"error": told, "request": own})
        raised = logged(log, process, "reward_raised", request=own)[0]
        assert "every completion so far (4)" in raised["error"]
        assert "hidden-word (at " in raised["error"]
        assert "my text" not in log.read_text()


def test_one_completion_that_a_reward_raises_on_costs_nobody_else_anything(tmp_path, mine):
    with served(tmp_path, f"{mine}:fragile") as (client, _, _):
        found = client.post("/score", json=rows("a", "bad", "b")).json()["results"]
        assert [one["value"] for one in found] == [1.0, None, 1.0]
        reply = client.post("/get_reward", json={"query": ["bad"] * 5})
        assert (reply.status_code, reply.json()["extra_logs"]["valid"]) == (200, [0.0] * 5)
        assert 'invalid_rows_total{kind="raised"} 6' in client.get("/metrics").text


def test_reasons_of_invalid_rows_tell_clients_their_kind_only(tmp_path, mine):
    with served(tmp_path, f"{mine}:leaky") as (client, process, log):
        reply = client.post("/score", json=rows("text", "raise"))
        assert "hidden-word" not in reply.text
        first, second = reply.json()["results"]
        assert first["reason"].startswith("the reward returned no finite number")
        assert second["reason"].startswith("the reward raised an exception (request ")
        assert "hidden-word" in logged(log, process, "invalid_rows")[0]["reasons"]
        counted = client.get("/metrics").text
        assert 'guerdon_invalid_rows_total{kind="raised"} 1' in counted
        assert 'guerdon_invalid_rows_total{kind="number"} 1' in counted


def test_sigterm_answers_what_is_running_and_refuses_what_is_new(tmp_path, mine):
    with served(tmp_path, f"{mine}:sleepy") as (client, process, log):
        with ThreadPoolExecutor(1) as thread, sockets(client, 1) as (begun,):
            begun.sendall(b"POST /score HTTP/1.1\r\nHost: localhost\r\n")
            running = thread.submit(
                httpx.post, f"{client.base_url}/score", json=rows("3"), timeout=60
            )
            assert wait_until(
                lambda: client.get("/metrics").text.count("guerdon_judging 1") == 1, 20
            )
            process.send_signal(signal.SIGTERM)
            assert wait_until(lambda: client.get("/health").status_code == 503, 2)
            assert client.get("/health").json() == {"status": "stopping"}
            new = httpx.post(f"{client.base_url}/score", json=rows("0"))
            assert (new.status_code, new.json()["error"]) == (503, "the server is stopping")
            begun.sendall(b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            assert b"503 Service Unavailable" in begun.recv(2**16)
            assert running.result().json()["results"][0]["value"] == 1.0
        assert process.wait(30) == 0
        last = lines(log, process)[-1]
        told = [last[name] for name in ("event", "unanswered", "requests", "rows")]
        assert told == ["stopped", 0, 3, 1]


def test_a_second_signal_ends_it_at_once(tmp_path, mine):
    with served(tmp_path, f"{mine}:sleepy") as (client, process, log):
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(client.post, "/score", json=rows("60"))
            other = f"{client.base_url}/metrics"
            assert wait_until(lambda: "guerdon_judging 1" in httpx.get(other).text, 20)
            process.send_signal(signal.SIGTERM)
            assert wait_until(lambda: httpx.get(other).status_code == 200, 5)
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 1
            with pytest.raises(httpx.HTTPError):
                running.result().raise_for_status()
        assert lines(log, process)[-1]["unanswered"] == 1


def test_a_stuck_reward_costs_its_request_and_shows_in_health(tmp_path, mine):
    with served(tmp_path, f"{mine}:sleepy", "--timeout", "0.5") as (client, process, _):
        assert client.post("/score", json=rows("0")).status_code == 200
        started = time.monotonic()
        reply = client.post("/score", json=rows("30"))
        assert reply.status_code == 504
        assert time.monotonic() - started < 10
        assert client.get("/health").status_code == 503
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 1  # not held up by the 30 s


def test_a_request_that_nobody_waits_for_is_not_judged_later(tmp_path, mine):
    with served(tmp_path, f"{mine}:sleepy", "--max-waiting", "1000") as (client, process, log):
        # Long enough that none is judged before all have come and gone, on a busy machine too.
        body = json.dumps(rows("4")).encode()
        head = b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with sockets(client, 150) as made:
            for one in made:
                one.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert wait_until(lambda: "guerdon_judging 150" in client.get("/metrics").text, 30)
        # 64 have threads, of which one judges; the others are given up with their clients.
        assert wait_until(lambda: "guerdon_judging 64" in client.get("/metrics").text, 20)
        assert wait_until(lambda: log.read_text().count('"status": 499') == 150, 20)
        assert process.poll() is None


@pytest.mark.parametrize(
    ("options", "mend"),
    [
        (["--port", "99999"], "--port is 99999; give a whole number from 0 to 65535"),
        (["--port", "-1"], "--port"),
        (["--host", "0.0.0.0", "--port", "0"], "--host 0.0.0.0 lets other machines in"),
        (["--token", "schlüssel"], "the token must be printable ASCII"),
        (["--token", ""], "--token is empty"),
        (["--token", "a", "--token-file", "b"], "give one"),
        (["--invalid", "nan"], "--invalid is nan; give a number that is finite"),
        (["--timeout", "nan"], "--timeout is nan"),
        (["--workers", "0"], "--workers is 0; give a whole number from 1 to 256"),
    ],
)
def test_a_start_that_is_refused_says_the_mend(options, mend, capsys, monkeypatch):
    monkeypatch.delenv("GUERDON_SERVER_TOKEN", raising=False)
    status = main(["serve", *options])
    told = capsys.readouterr().err
    assert (status, mend in told) == (2, True), told


def test_a_taken_port_is_an_error(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 1
    assert "guerdon serve: can't listen at 127.0.0.1" in capsys.readouterr().err


def test_the_token_from_a_file_and_from_the_environment(tmp_path):
    (tmp_path / "token").write_text("from-a-file\n")
    options = ("--token-file", str(tmp_path / "token"), "--host", "127.0.0.1")
    with served(tmp_path, f"{CONNECTED}:BOTH", *options) as (client, _, _):
        assert client.get("/info").status_code == 401
        own = {"Authorization": "bearer from-a-file"}
        assert client.get("/info", headers=own).status_code == 200
    (tmp_path / "mine.py").write_text(
        "import os\nfrom guerdon.rewards import reward\n@reward\ndef f(completion):\n"
        "    return float('GUERDON_SERVER_TOKEN' in os.environ)\n"
    )
    variables = {"GUERDON_SERVER_TOKEN": "inherited"}
    with served(tmp_path, f"{tmp_path}/mine.py:f", **variables) as (client, _, log):
        client.headers["Authorization"] = "Bearer inherited"
        assert client.post("/score", json=rows("x")).json()["results"][0]["value"] == 0.0
        assert "inherited" not in log.read_text()


def test_pages_in_a_browser_are_refused(both):
    client, _, _ = both
    good = json.dumps(rows("4"))
    reply = client.post("/score", content=good, headers={"Content-Type": "text/plain"})
    assert (reply.status_code, "application/json" in reply.json()["error"]) == (415, True)
    assert client.post("/score", content=good).status_code == 415
    for origin in ("https://example.org", "null", f"http://127.0.0.1:{client.base_url.port}"):
        reply = client.post("/score", content=good, headers={**JSON, "Origin": origin})
        assert reply.status_code == 403
        assert client.get("/info", headers={"Origin": origin}).status_code == 403
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    reply = client.options("/score", headers=asked)
    assert reply.status_code == 403
    assert not [name for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "name", ["evil.example", "evil.example:5000", "127.0.0.1.evil.example", ""]
)
def test_another_host_name_is_refused_on_loopback(both, name):
    with sockets(both[0], 1) as (one,):
        one.sendall(f"GET /info HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        assert b"403 Forbidden" in read_answer(one)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:80", "[::1]"])
def test_its_own_names_are_not(both, name):
    with sockets(both[0], 1) as (one,):
        one.sendall(f"GET /info HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        assert b"200 OK" in read_answer(one)


def test_compressed_bodies_and_other_charsets_are_refused(both):
    client, _, _ = both
    for more in (
        {"Content-Encoding": "gzip", **JSON},
        {"Content-Type": "application/json; charset=utf-16"},
    ):
        assert client.post("/score", content=b"{}", headers=more).status_code == 415


def test_a_log_that_nobody_reads_holds_up_no_request(tmp_path):
    told, write = os.pipe()
    process = subprocess.Popen(
        command("--reward", f"{CONNECTED}:BOTH", "--port", "0"), stderr=write
    )
    os.close(write)
    try:
        first = b""
        while not first.endswith(b"\n"):
            first += os.read(told, 1)
        with httpx.Client(base_url=f"http://127.0.0.1:{json.loads(first)['port']}") as client:
            client.get("/health", timeout=200)
            # A pipe takes 64 KiB: these are more.
            for _ in range(600):
                assert client.get("/health", timeout=30).status_code == 200
    finally:
        process.kill()
        process.wait()
        os.close(told)


def test_a_connection_ends_although_the_rewards_processes_hold_it(tmp_path, mine):
    """They are forked from the server while the connection is open."""
    (tmp_path / "mine.py").write_text(RAISING.replace("@reward", "@reward(timeout=5)"))
    with (
        served(tmp_path, f"{mine}:sleepy", "--idle-timeout", "2") as (client, _, _),
        sockets(client, 1) as (one,),
    ):
        one.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.post("/score", json=rows("0")).json()["results"][0]["value"] == 1.0
        assert wait_until(lambda: closed(one), 15)
