"""``guerdon serve``: a reward over HTTP, for any trainer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from guerdon.cli.options import UsageError, number, reading_arguments, whole_number
from guerdon.cli.settings import recipe_with
from guerdon.connectors.judge import Judge
from guerdon.connectors.server import Limits, RewardService, serve, serve_with_workers
from guerdon.connectors.server.gate import Gate, hosts_for, is_loopback
from guerdon.connectors.server.logs import log
from guerdon.connectors.server.metrics import Metrics
from guerdon.connectors.server.running import listen
from guerdon.ranges import Seconds, between
from guerdon.training import PolicyRecipe

Port = Annotated[int, between(0, 65_535, "0 takes a free one")]
Processes = Annotated[int, between(1, 256)]
Most = Annotated[int, between(1, 10**6)]
MiB = Annotated[int, between(1, 2048)]


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Answer until it is stopped."""
    port = whole_number("--port", options["port"] or "5000", Port)
    workers = whole_number("--workers", options["workers"] or "1", Processes)
    token, limits, slug = _token(options), _limits(options), options["recipe"] or "grpo"
    invalid = number("--invalid", options["invalid"] or "0")
    recipe = recipe_with(("reward", "shaping"), slug, rest, trust=options["trust"])
    host = options["host"] or "127.0.0.1"
    listening = listen(host, port)
    address = listening.getsockname()[0]
    if not token and not is_loopback(address):
        raise UsageError(
            f"--host {host} lets other machines in, so a token is needed: set "
            "GUERDON_SERVER_TOKEN, or give --token-file FILE or --token TOKEN"
        )
    more = tuple(filter(None, (options["allow_hosts"] or "").split(",")))
    with reading_arguments():
        gate = Gate(token, hosts_for(address, host, more))
    bound = listening.getsockname()[1]
    log(event="listening", host=host, port=bound, token=bool(token), workers=workers)
    if workers == 1:
        return serve(_service(recipe, limits, gate, invalid, Metrics()), listening)
    make = partial(_loaded_service, slug, rest, options["trust"], limits, gate, invalid)
    return serve_with_workers(make, listening, workers, limits.seconds + 5)


def _service(recipe: PolicyRecipe, limits: Any, gate: Any, invalid: float, metrics: Any) -> Any:
    """What a process of the server answers with."""
    judge = Judge("the server", recipe.reward, recipe.shaping, quiet=True)
    return RewardService(judge, limits, gate, invalid, metrics)


def _loaded_service(slug: str, rest: list[str], trust: Sequence[str], *more: Any) -> Any:
    """The same in one of several processes: each loads its own reward."""
    return _service(recipe_with(("reward", "shaping"), slug, rest, trust=trust), *more)


def _limits(options: Mapping[str, Any]) -> Any:
    counts = ("max_batch", "max_waiting", "max_connections", "max_client_connections")
    times = ("timeout", "header_timeout", "body_timeout", "idle_timeout", "answer_timeout")
    given: dict[str, float] = {}
    for name in counts:
        if options[name] is not None:
            option = f"--{name.replace('_', '-')}"
            given[name.removeprefix("max_")] = whole_number(option, options[name], Most)
    for name in times:
        if options[name] is not None:
            option = f"--{name.replace('_', '-')}"
            seconds = number(option, options[name], Seconds)
            given["seconds" if name == "timeout" else name.replace("timeout", "seconds")] = seconds
    if options["max_body"] is not None:
        given["body"] = whole_number("--max-body", options["max_body"], MiB) * 2**20
    made: Any = Limits
    return made(**given)


def _token(options: Mapping[str, Any]) -> str:
    """The token from the one place that names it; "" for none. Processes started later, a
    reward's among them, do not inherit it.
    """
    token = os.environ.pop("GUERDON_SERVER_TOKEN", None)
    source = "GUERDON_SERVER_TOKEN"
    if options["token"] is not None and options["token_file"] is not None:
        raise UsageError("--token and --token-file both say the token; give one")
    if options["token_file"] is not None:
        token = Path(options["token_file"]).read_text(encoding="utf-8").strip()
        source = f"--token-file {options['token_file']}"
    elif options["token"] is not None:
        token, source = options["token"], "--token"
    if token is not None and not token:
        raise UsageError(f"{source} is empty: give a token, or leave it out to listen on loopback")
    return token or ""
