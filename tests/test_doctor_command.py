"""The doctor looks at this machine and says what is missing and how to get it."""

from __future__ import annotations

import json

import pytest
import torch
from rich.console import Console

from guerdon.cli import doctor
from guerdon.rewards.programs.sandbox import SandboxError


def test_findings_are_plain_and_true() -> None:
    found = doctor.diagnose(matrix=64)
    assert json.loads(json.dumps(found)) == found
    assert found["packages"]["torch"] == torch.__version__
    assert found["cores"] >= 1
    assert found["seedling"] is True
    assert found["devices"][0].startswith("cpu")
    assert found["gflops"]["cpu"]["float32"] > 0


def test_the_sandbox_is_tried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = doctor.diagnose(matrix=16)
    held = found["sandbox"]
    assert set(held) == {"network", "files", "processes", "memory", "kernel"}
    assert held["kernel"] is ("audit hook only" not in held.values())
    for state, told in (
        (held, held["network"]),
        ({**held, "kernel": False, "network": "audit hook only"}, "weak (network: audit hook only"),
        (None, "can't be started"),
    ):
        console = Console(width=300)
        with console.capture() as captured:
            console.print(doctor.render({**found, "sandbox": state}))
        assert told in captured.get()
    monkeypatch.setattr(doctor, "isolation_in_force", _fails)
    assert doctor.diagnose(matrix=16)["sandbox"] is None


def _fails() -> None:
    raise SandboxError("the sandbox did not start")


@pytest.mark.parametrize(
    ("cuda", "flex", "told"),
    [
        (True, True, "FlexAttention"),
        (True, False, "SDPA"),
        (False, False, "flash attention in two"),
    ],
)
def test_the_attention_is_named(
    cuda: bool, flex: bool, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(doctor, "offers_flex", lambda device: flex and device.type == "cuda")
    assert doctor._attention().startswith(told)


def test_what_is_missing_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_found", lambda module: module != "trl")
    found = doctor.diagnose(matrix=16)
    bench = found["extras"]["bench"]
    assert (bench["installed"], bench["missing"]) == (False, ["trl"])
    assert bench["command"].startswith("pip install 'trl>=1.16'")
    assert found["extras"]["endpoint"]["command"] is None
    console = Console(width=120)
    with console.capture() as captured:
        console.print(doctor.render(found))
    told = captured.get()
    assert "pip install 'trl>=1.16'" in told
    assert "GFLOP/s" in told
