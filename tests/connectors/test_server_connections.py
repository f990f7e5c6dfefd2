"""Slow, idle and abusive clients of a server that is really started; honest ones beside them."""

from __future__ import annotations

import contextlib
import json
import threading
import time

import pytest

for package in ("uvicorn", "httpx"):
    pytest.importorskip(package, reason="pip install -e '.[server]' httpx to run this")
import httpx  # noqa: E402
from connectors.serving import (  # noqa: E402
    CONNECTED,
    closed,
    logged,
    read_answer,
    rows,
    served,
    sockets,
    wait_until,
)

HEADER, BODY, IDLE, ANSWER = 4.0, 10.0, 4.0, 4.0
PLACES = 100
UNFINISHED = b"POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A server with short times and 100 places for connections."""
    limits = ("--header-timeout", f"{HEADER}", "--body-timeout", f"{BODY}")
    limits += ("--idle-timeout", f"{IDLE}", "--answer-timeout", f"{ANSWER}")
    limits += ("--max-connections", f"{PLACES}", "--max-body", "8")
    with served(tmp_path_factory.mktemp("narrow"), f"{CONNECTED}:BOTH", *limits) as found:
        yield found


def posted(body: bytes, length: int | None = None, more: str = "") -> bytes:
    """A whole request as bytes; ``length`` may be a lie."""
    size = len(body) if length is None else length
    head = f"POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {size}\r\n\r\n".encode() + body


def metric(client, name: str) -> float:
    found = client.get("/metrics").text
    return next(float(line.split()[-1]) for line in found.splitlines() if line.startswith(name))


def test_300_unfinished_headers_keep_no_honest_client_out_and_are_closed(narrow):
    client, _, _ = narrow
    with sockets(client, 300) as slow:
        for one in slow:
            one.sendall(UNFINISHED)
        for _ in range(20):
            with httpx.Client(base_url=client.base_url, timeout=20) as honest:
                assert honest.post("/score", json=rows("4")).status_code == 200
        # A byte now and then gains no time: the clock runs from the connection.
        end = time.monotonic() + HEADER + 8
        while time.monotonic() < end and not all(map(closed, slow)):
            for one in slow:
                one.setblocking(True)
                try:
                    one.send(b"x")
                except OSError:
                    continue
            time.sleep(0.3)
        assert all(map(closed, slow))
    assert metric(client, 'guerdon_connections_closed_total{why="replaced"}') >= 200
    assert metric(client, 'guerdon_connections_closed_total{why="header"}') >= 1
    assert wait_until(lambda: metric(client, "guerdon_connections ") <= 3, 10)


def test_connections_that_say_nothing_are_closed(narrow):
    client, _, _ = narrow
    with sockets(client, 50) as silent:
        assert wait_until(lambda: all(map(closed, silent)), HEADER + 8)


def test_an_unfinished_second_request_has_no_more_time_than_a_first(narrow):
    client, _, _ = narrow
    with sockets(client, 1) as (one,):
        one.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"200 OK" in one.recv(2**16)
        one.sendall(UNFINISHED)
        assert wait_until(lambda: closed(one), HEADER + 8)


def test_an_idle_connection_is_closed(narrow):
    client, _, _ = narrow
    with sockets(client, 1) as (one,):
        one.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"200 OK" in one.recv(2**16)
        assert wait_until(lambda: closed(one), IDLE + 8)


def test_a_header_that_is_too_long_is_refused(narrow):
    client, _, _ = narrow
    with sockets(client, 1) as (one,):
        one.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 17_000)
        assert b"400 Bad Request" in read_answer(one)


def test_a_body_that_does_not_come_is_told_so(narrow):
    client, _, _ = narrow
    with sockets(client, 30) as slow:
        for one in slow:
            one.sendall(posted(b'{"rows": [', length=5000))
        assert client.post("/score", json=rows("4")).status_code == 200
        for one in slow:
            answer = read_answer(one)
            assert b"408 Request Timeout" in answer
            assert b"the body did not come within 10 s" in answer


def test_a_body_is_refused_by_its_length_before_it_is_sent(narrow):
    client, _, _ = narrow
    for length in (2**23 + 1, 10**400):
        with sockets(client, 1) as (one,):
            one.sendall(posted(b"", length=length))
            answer = read_answer(one)
        assert b"413" in answer.split(b"\r\n")[0] or b"400" in answer.split(b"\r\n")[0]


def test_a_refused_body_that_is_sent_all_the_same_does_not_hide_the_answer(narrow):
    client, _, _ = narrow
    reply = client.post(
        "/score", content=b"x" * 2**24, headers={"content-type": "application/json"}
    )
    assert (reply.status_code, reply.headers["connection"]) == (413, "close")
    assert "larger than 8388608 bytes" in reply.json()["error"]


def test_a_chunked_body_is_counted_as_it_comes(narrow):
    client, _, _ = narrow
    kind = {"content-type": "application/json"}
    good = json.dumps(rows("4")).encode()
    reply = client.post(
        "/score", content=(good[i : i + 7] for i in range(0, len(good), 7)), headers=kind
    )
    assert reply.status_code == 200

    def endless():
        while True:
            yield b" " * 2**16

    with contextlib.suppress(httpx.WriteError, httpx.ReadError):  # closed while it still sent
        assert client.post("/score", content=endless(), headers=kind).status_code == 413


def test_a_body_of_two_lengths_is_refused_with_what_follows(narrow):
    client, _, _ = narrow
    hidden = b"GET /info HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    head = posted(b"0\r\n\r\n" + hidden, more="Transfer-Encoding: chunked\r\n")
    with sockets(client, 1) as (one,):
        one.sendall(head)
        answer = read_answer(one)
        assert closed(one)
    assert (b"400 Bad Request" in answer, answer.count(b"HTTP/1.1")) == (True, 1)
    assert b"and not both" in answer


def test_a_get_with_a_body_without_end_is_not_read_on(narrow):
    client, _, _ = narrow
    with sockets(client, 1) as (one,):
        one.sendall(
            b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        answer = read_answer(one)
    assert b"200 OK" in answer
    assert b"connection: close" in answer


def test_an_answer_that_nobody_reads_is_dropped(narrow):
    """Many requests in a row on one connection whose answers are never read."""
    client, _, _ = narrow
    body = posted(json.dumps(rows(*["4"] * 4000)).encode())
    before = metric(client, 'guerdon_connections_closed_total{why="answer"}')
    with sockets(client, 1) as (one,):
        one.settimeout(0.5)
        try:
            for _ in range(40):
                one.sendall(body)
        except OSError:
            pass  # it is not read either, once answers are waiting
        gone = lambda: metric(client, 'guerdon_connections_closed_total{why="answer"}') > before  # noqa: E731
        assert wait_until(gone, 60)
    assert client.post("/score", json=rows("4")).status_code == 200


def test_health_answers_while_bodies_of_many_values_are_read(narrow):
    """1 million tiny rows; values without end in one row; the deepest; the longest text."""
    client, _, _ = narrow
    big = [
        b'{"rows":[' + b",".join([b"{}"] * 1_000_000) + b"]}",
        b'{"rows":[{"completion":"","answer":[' + b"0," * 3_000_000 + b"0]}]}",
        b'{"rows":[{"completion":"","answer":' + b"[" * 6_000_000,
        b'{"rows":[{"completion":"' + b"\\n" * 3_000_000 + b'"}]}',
        b'{"query":[' + b'"",' * 1_500_000 + b'""]}',
    ]
    statuses: dict[int, int] = {}

    def send(number: int) -> None:
        path = "/get_reward" if b"query" in big[number] else "/score"
        kind = {"content-type": "application/json"}
        with httpx.Client(base_url=client.base_url, timeout=120) as own:
            statuses[number] = own.post(path, content=big[number], headers=kind).status_code

    threads = [threading.Thread(target=send, args=(number,)) for number in range(len(big))]
    for thread in threads:
        thread.start()
    slowest, asked = 0.0, 0
    while any(thread.is_alive() for thread in threads) or asked < 20:
        started = time.monotonic()
        assert client.get("/health").status_code == 200
        slowest, asked = max(slowest, time.monotonic() - started), asked + 1
    assert statuses == {0: 413, 1: 413, 2: 400, 3: 200, 4: 413}
    assert slowest < 5.0  # a bound against being held up (12 s before), not a speed


def test_one_byte_chunks_do_not_hold_up_others(narrow):
    client, _, _ = narrow
    head = posted(b"", more="Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"")
    with sockets(client, 1) as (one,):
        one.settimeout(20)
        one.sendall(head)
        flood = threading.Thread(target=_flood, args=(one, b"1\r\nx\r\n" * 100_000))
        flood.start()
        slowest = 0.0
        while flood.is_alive():
            started = time.monotonic()
            assert client.get("/health").status_code == 200
            slowest = max(slowest, time.monotonic() - started)
        flood.join()
    assert slowest < 5.0


def _flood(connection, data: bytes) -> None:
    try:
        for _ in range(5):
            connection.sendall(data)
    except OSError:
        pass  # refused in the middle, after its time


def test_what_a_client_sends_makes_no_line_of_its_own_in_the_log(narrow):
    client, process, log = narrow
    with sockets(client, 1) as (one,):
        path = b"/%0a%7b%22event%22%3a%22forged%22%7d%1b[2J?token=hidden-token"
        one.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert b"404" in read_answer(one)
    assert wait_until(lambda: "%" not in log.read_text() and "forged" in log.read_text(), 10)
    assert not [one for one in logged(log, process, "request") if one.get("event") == "forged"]
    text = log.read_text()
    assert "hidden-token" not in text
    assert "\x1b" not in text
