"""Honest clients of the reward server, alone and beside slow and abusive ones.

    python benchmarks/reward_server.py [--before OTHER/src] [--rounds 3] [--requests 2000]
    python benchmarks/reward_server.py --rounds 1 --requests 50000      # a long load

Servers are started on loopback from this checkout and, with ``--before``, from another, and take
turns. Every answer is compared with what it must be. Beside the honest clients there are then 300
connections whose header never ends, 4 whose body drips, and 2 clients that send a body of 300,000
tiny rows again and again. Written are requests a second and the 50th, 99th and 100th percentile of
an answer's milliseconds; ratios are after over before, of the medians over rounds.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CLIENTS = 8
SLOW, DRIPPING, ABUSIVE = 300, 4, 2
REWARD = """from guerdon.rewards import reward

@reward
def right(completion, answer):
    return float(completion == answer)
"""


@contextmanager
def server(source: Path, folder: Path, *options: str) -> Iterator[int]:
    """The port of a server that runs from ``source``."""
    (folder / "right.py").write_text(REWARD)
    command = [sys.executable, "-m", "guerdon.cli", "serve", "--reward", f"{folder}/right.py:right"]
    variables = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, "--port", "0", *options], stderr=log, env=variables)
        try:
            yield _port(folder / "log", process)
        finally:
            process.kill()
            process.wait()


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    """Where the server listens, once it has answered."""
    while process.poll() is None:
        if (told := log.read_text()).endswith("\n"):
            port = int(json.loads(told.splitlines()[0])["port"])
            _ask(http.client.HTTPConnection("127.0.0.1", port, timeout=300), 0)
            return port
        time.sleep(0.1)
    raise RuntimeError(log.read_text())


def _ask(connection: http.client.HTTPConnection, number: int) -> bool:
    """Whether two rows got the values that are theirs."""
    rows = [{"completion": str(number), "answer": str(n)} for n in (number, number + 1)]
    connection.request(
        "POST", "/score", json.dumps({"rows": rows}), {"Content-Type": "application/json"}
    )
    found = json.loads(connection.getresponse().read())
    return [one["value"] for one in found.get("results", ())] == [1.0, 0.0]


def honest(port: int, requests: int) -> dict[str, float]:
    """What ``CLIENTS`` clients with ``requests`` in all meet. An answer that is late, lost or
    wrong counts as wrong.
    """

    def client(first: int) -> tuple[list[float], int]:
        connection, seconds, wrong = (
            http.client.HTTPConnection("127.0.0.1", port, timeout=60),
            [],
            0,
        )
        for number in range(first, requests, CLIENTS):
            started = time.perf_counter()
            try:
                wrong += not _ask(connection, number)
            except (OSError, http.client.HTTPException, ValueError):
                wrong += 1
                connection.close()
            seconds.append(time.perf_counter() - started)
        return seconds, wrong

    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as threads:
        found = list(threads.map(client, range(CLIENTS)))
    whole = time.perf_counter() - started
    ms = sorted(1000 * one for seconds, _ in found for one in seconds)
    return {
        "requests": len(ms),
        "wrong_or_lost": sum(wrong for _, wrong in found),
        "a_second": len(ms) / whole,
        "p50_ms": ms[len(ms) // 2],
        "p99_ms": ms[int(0.99 * (len(ms) - 1))],
        "max_ms": ms[-1],
    }


@contextmanager
def bad_company(port: int) -> Iterator[None]:
    """Slow and abusive clients, until the end of the block."""
    over = threading.Event()
    head = b"POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    body = b'{"rows":[' + b",".join([b'{"completion":""}'] * 300_000) + b"]}"
    whole = head + b"Content-Length: %d\r\n\r\n" % len(body) + body

    def drip() -> None:
        while not over.is_set():
            with socket.create_connection(("127.0.0.1", port)) as one:
                one.sendall(head + b"Content-Length: 9999\r\n\r\n")
                while not over.wait(0.5) and _sent(one, b" "):
                    pass

    def abuse() -> None:
        while not over.is_set():
            with socket.create_connection(("127.0.0.1", port), timeout=120) as one:
                if _sent(one, whole):
                    _sent(one, b"")

    with ExitStack() as stack:
        for _ in range(SLOW):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            one.sendall(head)
        threads = [threading.Thread(target=drip) for _ in range(DRIPPING)]
        threads += [threading.Thread(target=abuse) for _ in range(ABUSIVE)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()


def _sent(connection: socket.socket, data: bytes) -> bool:
    """Send, or without data wait for an answer; whether the other side is still there."""
    try:
        if data:
            connection.sendall(data)
            return True
        return bool(connection.recv(2**16))
    except OSError:
        return False


def measure(ports: dict[str, int], rounds: int, requests: int) -> list[dict[str, Any]]:
    """Every round of every server, alone and in bad company, taking turns."""
    found = []
    for number in range(rounds):
        for name, port in ports.items():
            found.append({"server": name, "round": number, "beside": "nobody"})
            found[-1] |= honest(port, requests)
            with bad_company(port):
                found.append({"server": name, "round": number, "beside": "slow and abusive"})
                found[-1] |= honest(port, max(requests // 10, 50))
            for one in found[-2:]:
                print(json.dumps(one), flush=True)
    return found


def ratios(found: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """After over before, of the medians over rounds."""

    def median(server: str, beside: str, figure: str) -> float:
        rows = [one for one in found if (one["server"], one["beside"]) == (server, beside)]
        return statistics.median(one[figure] for one in rows)

    return {
        beside: {
            figure: median("after", beside, figure) / median("before", beside, figure)
            for figure in ("a_second", "p50_ms", "p99_ms", "max_ms")
        }
        for beside in ("nobody", "slow and abusive")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="another checkout's src, to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/reward-server.json")
    given = parser.parse_args()
    sources = {"after": ROOT / "src"}
    if given.before:
        sources = {"before": given.before, **sources}
    with ExitStack() as stack:
        ports = {}
        for name, source in sources.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            ports[name] = stack.enter_context(server(source, folder))
        found = measure(ports, given.rounds, given.requests)
    result: dict[str, Any] = {"clients": CLIENTS, "cores": os.cpu_count(), "rounds": found}
    if given.before:
        result["after_over_before"] = ratios(found)
        print(json.dumps(result["after_over_before"], indent=1))
    given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
