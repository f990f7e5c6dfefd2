"""The endpoint policy against a local server, well-behaved and otherwise."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from guerdon.records import Ending, Task
from guerdon.rollout.endpoint import EndpointError, EndpointPolicy
from guerdon.stages import Policy, Sampling

pytest.importorskip("httpx", reason="pip install -e '.[endpoint]' to run this")


class Server(ThreadingHTTPServer):
    """Answers by what the prompt says, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[dict] = []
        self.headers: list[dict] = []
        self.seen: dict[str, int] = {}
        self.busy = self.most_busy = 0
        self.lock = threading.Lock()

    def handle_error(self, request, client_address) -> None:
        """A client that gave up waiting is expected here."""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        chat = self.path == "/v1/chat/completions"
        prompt = body["messages"][-1]["content"] if chat else body["prompt"]
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.headers.append(dict(self.headers))
            self.server.seen[prompt] = count = self.server.seen.get(prompt, 0) + 1
            self.server.busy += 1
            self.server.most_busy = max(self.server.most_busy, self.server.busy)
        try:
            self.act(prompt, count, chat)
        finally:
            with self.server.lock:
                self.server.busy -= 1

    def act(self, prompt: str, count: int, chat: bool) -> None:
        word, _, number = prompt.partition(" ")
        if word == "sleep":
            time.sleep(float(number))
        if word == "refuse" and count <= int(number):
            return self.reply(503, b"overloaded", {"retry-after": "0.01"})
        if word == "forbid":
            return self.reply(401, b'{"error": "no such key"}')
        if word == "garble" and count <= int(number):
            return self.reply(200, b'{"choices": [')
        if word == "shape":
            return self.reply(200, number.encode())
        choice = {"finish_reason": "length" if word == "long" else "stop"}
        if chat:
            choice["message"] = {"role": "assistant", "content": f"re: {prompt}"}
        else:
            choice["text"] = f"re: {prompt}"
        return self.reply(200, json.dumps({"choices": [choice]}).encode())

    def reply(self, status: int, raw: bytes, headers: dict | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@pytest.fixture
def server():
    with Server() as it:
        threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.02}).start()
        yield it
        it.shutdown()


def policy(server, **settings) -> EndpointPolicy:
    settings = {"wait": 0.01, "timeout": 5.0, "total": 10.0, **settings}
    return EndpointPolicy(f"http://127.0.0.1:{server.server_port}/v1", "m", **settings)


def asked(server, prompt: str, **settings):
    its = policy(server, **settings)
    return its.answers([its.body(Task("t", prompt), Sampling(), 0)])[0]


def test_order_is_kept_and_concurrency_bounded(server):
    tasks = [Task(f"t{i}", f"sleep {0.12 - 0.02 * i:.2f}") for i in range(6)]
    rollouts = policy(server, concurrency=3).sample(tasks, 2, Sampling(), seed=0)
    assert rollouts.texts == tuple(f"re: {t.prompt}" for t in tasks for _ in range(2))
    assert rollouts.group.tolist() == [i for i in range(6) for _ in range(2)]
    assert server.most_busy == 3
    assert rollouts.finished.all()
    assert not rollouts.mask.any()


def test_settings_reach_the_server_and_seeds_differ_by_member(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sesame")
    sampling = Sampling(max_tokens=7, temperature=0.3, top_p=0.9, stop=("END",), top_k=5)
    its = policy(server, native=True, key_variable="MY_KEY", concurrency=1)
    chat = Task("t", [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}])
    its.sample([chat], 2, sampling, seed=3)
    first, second = server.bodies
    assert first["messages"] == list(chat.prompt)
    assert (first["max_tokens"], first["temperature"], first["top_p"]) == (7, 0.3, 0.9)
    assert (first["stop"], first["top_k"], first["model"]) == (["END"], 5, "m")
    assert first["seed"] != second["seed"]
    sent = {k.lower(): v for k, v in server.headers[0].items()}
    assert sent["authorization"] == "Bearer sesame"


def test_settings_that_the_protocol_lacks_are_refused_not_dropped(server):
    with pytest.raises(ValueError, match="native=True"):
        policy(server).sample([Task("t", "x")], 1, Sampling(min_p=0.1), seed=0)


def test_plain_completions_and_truncation(server):
    answer = asked(server, "long", chat=False)
    assert answer.text == "re: long"
    assert answer.ending is Ending.TOKEN_LIMIT


@pytest.mark.parametrize("prompt", ["refuse 2", "garble 2"])
def test_passing_failures_are_tried_again(server, prompt):
    assert asked(server, prompt).text == f"re: {prompt}"
    assert server.seen[prompt] == 3


def test_attempts_run_out(server):
    answer = asked(server, "refuse 99", attempts=3)
    assert "HTTP 503: overloaded" in answer.error
    assert server.seen["refuse 99"] == 3


def test_a_refusal_is_final(server):
    answer = asked(server, "forbid")
    assert answer.error == 'HTTP 401: {"error": "no such key"}'
    assert server.seen["forbid"] == 1


@pytest.mark.parametrize(
    "raw",
    ["[]", "null", '{"choices": []}', '{"choices": [{"message": {"content": 3}}]}', "[" * 5000],
)
def test_answers_of_another_form_are_failures(server, raw):
    assert asked(server, f"shape {raw}", attempts=1).error


def test_time_limits_hold(server):
    start = time.monotonic()
    answer = asked(server, "sleep 3", timeout=0.2, total=0.5, attempts=50)
    assert "no answer within" in answer.error
    assert time.monotonic() - start < 1.5


def test_nobody_listens():
    its = EndpointPolicy("http://127.0.0.1:9/v1", "m", attempts=2, wait=0.01)
    with pytest.raises(EndpointError, match=r"2 of 2 requests to .* task 't': ConnectError"):
        its.sample([Task("t", "x")], 2, Sampling(), seed=0)


def test_one_failure_among_many_is_reported(server):
    with pytest.raises(EndpointError, match=r"1 of 3 requests .* task 'b': HTTP 401"):
        policy(server).sample(
            [Task("a", "x"), Task("b", "forbid"), Task("c", "y")], 1, Sampling(), seed=0
        )


def test_inside_a_running_loop(server):
    async def main():
        return policy(server).sample([Task("a", "x")], 1, Sampling(), seed=0).texts

    assert asyncio.run(main()) == ("re: x",)


def test_it_is_a_policy_that_only_samples(server):
    its = policy(server)
    rollouts = its.sample([Task("a", "x")], 1, Sampling(), seed=0)
    with pytest.raises(ValueError, match="local model"):
        its.forward(rollouts)
    with pytest.raises(ValueError, match="can't be trained"):
        _ = its.module
    assert {"sample", "forward", "module"} <= set(dir(Policy)) & set(dir(its))
