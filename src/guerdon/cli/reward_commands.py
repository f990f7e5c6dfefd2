"""The commands that put a reward to use without training: ``guerdon score | serve``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from guerdon.cli.arguments import (
    OVERRIDES,
    UsageError,
    number,
    own_output,
    reading_arguments,
    recipe_from,
    take_options,
    whole_number,
)
from guerdon.cli.showing import show_score_report
from guerdon.connectors.given import Given, rollouts_of, text_of
from guerdon.failures import refuse_failing, tally
from guerdon.judging import judged
from guerdon.nursery import from_pretrained, model_source
from guerdon.ranges import Count, Seconds, between
from guerdon.records import Progress, Rollouts, Scores
from guerdon.report import score_report, shown_row
from guerdon.tasks import DataError, check_prompt, read_rows
from guerdon.tasks.reading import name_in
from guerdon.training import PolicyRecipe

Port = Annotated[int, between(0, 65_535, "0 takes a free one")]
Processes = Annotated[int, between(1, 256)]
Most = Annotated[int, between(1, 10**6)]
MiB = Annotated[int, between(1, 2048)]
_OWN_COLUMNS = ("prompt", "completion", "answer", "id", "task_id")


def score(arguments: list[str]) -> int:
    """``guerdon score``: saved completions judged by a reward."""
    options, rest = take_options(
        arguments,
        "score",
        "Score saved completions: JSONL or Parquet with prompt, completion and answer columns.",
        ["FILE", "--recipe", "--tokenizer", "--rows", "--worst", "--trust"],
        ["--json"],
        OVERRIDES,
    )
    worst = whole_number("--worst", options["worst"] or "5", Count)
    return score_file(
        recipe_from(options["recipe"] or "grpo", rest, trust=options["trust"]),
        Path(options["file"]),
        options["json"],
        tokenizer=options["tokenizer"],
        rows=Path(options["rows"]) if options["rows"] else None,
        worst=worst,
    )


def score_file(
    recipe: PolicyRecipe,
    path: Path,
    as_json: bool,
    *,
    tokenizer: str | None = None,
    rows: Path | None = None,
    worst: int = 5,
) -> int:
    """Score saved completions; the exit status is 1 where none of them could be graded."""
    whole_groups = getattr(recipe.reward, "scope", "completion") in ("group", "linked")
    if rows is not None and rows.exists() and path.exists() and rows.samefile(path):
        raise UsageError(f"--rows {rows} is the file of completions itself; name another file")
    rollouts, places = read_completions(path, whole_groups, tokenizer)
    with own_output():
        scores = judged(recipe.reward, rollouts, Progress())
    refuse_failing(tally(rollouts, scores))
    report = score_report(rollouts, scores, places, worst)
    if rows is not None:
        _write_rows(rows, rollouts, scores, places)
    if as_json:
        print(json.dumps({"file": str(path), "recipe": recipe.name, **report}, allow_nan=False))
    else:
        title = f"{path} scored by {recipe.name}: {report['rows']} completions"
        show_score_report(report, title)
    return 0 if bool(scores.valid.any()) else 1


def _write_rows(file: Path, rollouts: Rollouts, scores: Scores, places: Sequence[str]) -> None:
    kept = ("row", "place", "id", "value", "valid", "reason", "parts")
    with file.open("w") as lines:
        for row in range(len(places)):
            shown = shown_row(rollouts, scores, places, row)
            lines.write(json.dumps({name: shown[name] for name in kept}, allow_nan=False) + "\n")


def read_completions(
    path: Path, whole_groups: bool, tokenizer: str | None = None
) -> tuple[Rollouts, tuple[str, ...]]:
    """Rollouts of a JSONL or Parquet file of completions, and each row's place in it.

    A prompt is text or chat messages; a completion is text, or messages of which the
    assistant's are read. Every row is judged by its own answer and columns; with
    ``whole_groups``, rows of the same ``task_id`` (or ``id``) form a group. A reward that reads
    tokens needs ``tokenizer``; log-probs are never known, and reading them is an error.

    Raises DataError naming file, line and field where a row can't be used.
    """
    encode = _encoder(tokenizer)
    given: list[Given] = []
    places: list[str] = []
    first: dict[str, tuple[Given, str]] = {}
    for where, row in read_rows(path):
        one = _given(row, f"{path}, {where}", len(given) + 1, encode)
        known, at = first.setdefault(str(one.group), (one, where))
        for name in ("prompt", "answer") if whole_groups else ("prompt",):
            if getattr(known, name) != getattr(one, name):
                raise DataError(
                    f"{path}, {where}, field {name!r}: id {one.group!r} was used for another "
                    f"{name} ({at}); give every task its own id"
                )
        given.append(one)
        places.append(where)
    if not given:
        raise DataError(f"{path} holds no completions")
    source = "a file of completions (without --tokenizer)" if encode is None else "a file"
    return rollouts_of(given, source, whole_groups), tuple(places)


def _given(row: Mapping[str, Any], where: str, number: int, encode: Any) -> Given:
    for name in ("prompt", "completion"):
        if row.get(name) is None:
            raise DataError(
                f"{where}, field {name!r}: missing or empty; every row needs prompt and "
                f"completion (it has {', '.join(map(str, row))})"
            )
    check_prompt(row["prompt"], f"{where}, field 'prompt'")
    completion = row["completion"]
    if not isinstance(completion, str):
        check_prompt(completion, f"{where}, field 'completion'")
        completion = text_of(completion)
    name = row.get("task_id", row.get("id"))
    task_id = f"row-{number}" if name is None else name_in(name, f"{where}, field 'id'")
    columns = {k: v for k, v in row.items() if k not in _OWN_COLUMNS}
    return Given(
        completion,
        row["prompt"],
        row.get("answer"),
        {**columns, "task_id": task_id},
        group=task_id,
        ids=None if encode is None else encode(completion),
    )


def _encoder(tokenizer: str | None) -> Any:
    """Text to token ids by a model's tokenizer; None without one."""
    if tokenizer is None:
        return None
    from transformers import AutoTokenizer

    made = from_pretrained(AutoTokenizer, model_source(tokenizer))
    return lambda text: made.encode(
        text.encode("utf-8", "replace").decode(), add_special_tokens=False
    )


def serve(arguments: list[str]) -> int:
    """``guerdon serve``: a reward over HTTP, until it is stopped."""
    from guerdon.connectors.server import serve as answer
    from guerdon.connectors.server import serve_with_workers
    from guerdon.connectors.server.gate import Gate, hosts_for, is_loopback
    from guerdon.connectors.server.logs import log
    from guerdon.connectors.server.metrics import Metrics
    from guerdon.connectors.server.running import listen

    options, rest = take_options(
        arguments,
        "serve",
        "Answer reward requests over HTTP: POST /score and /get_reward (OpenRLHF); GET /health, "
        "/info, /metrics and /openapi.json. docs/serving.md has limits, tokens and proxies.",
        [
            *("--recipe", "--trust", "--host", "--port", "--token", "--token-file"),
            *("--allow-hosts", "--max-waiting", "--max-connections", "--max-client-connections"),
            *("--workers", "--max-batch", "--max-body", "--timeout", "--invalid"),
            *("--header-timeout", "--body-timeout", "--idle-timeout", "--answer-timeout"),
        ],
        [],
        OVERRIDES,
    )
    port = whole_number("--port", options["port"] or "5000", Port)
    workers = whole_number("--workers", options["workers"] or "1", Processes)
    token, limits, slug = _token(options), _limits(options), options["recipe"] or "grpo"
    invalid = number("--invalid", options["invalid"] or "0")
    recipe = recipe_from(slug, rest, trust=options["trust"])
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
        return answer(_service(recipe, limits, gate, invalid, Metrics()), listening)
    make = partial(_loaded_service, slug, rest, options["trust"], limits, gate, invalid)
    return serve_with_workers(make, listening, workers, limits.seconds + 5)


def _service(recipe: PolicyRecipe, limits: Any, gate: Any, invalid: float, metrics: Any) -> Any:
    """What a process of the server answers with."""
    from guerdon.connectors.judge import Judge
    from guerdon.connectors.server import RewardService

    judge = Judge("the server", recipe.reward, recipe.shaping, quiet=True)
    return RewardService(judge, limits, gate, invalid, metrics)


def _loaded_service(slug: str, rest: list[str], trust: Sequence[str], *more: Any) -> Any:
    """The same in one of several processes: each loads its own reward."""
    return _service(recipe_from(slug, rest, trust=trust), *more)


def _limits(options: Mapping[str, Any]) -> Any:
    from guerdon.connectors.server import Limits

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
