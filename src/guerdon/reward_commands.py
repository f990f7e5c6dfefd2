"""The commands about rewards: ``guerdon score | serve | audit``."""

from __future__ import annotations

import os
from pathlib import Path

from rich.progress import Progress as Bar

from guerdon.arguments import (
    OVERRIDES,
    UsageError,
    none_left,
    number,
    reading_arguments,
    recipe_from,
    take_options,
    whole_number,
)
from guerdon.audit import ATTACKS, Judges
from guerdon.audit import audit as attack
from guerdon.choices import subject_of
from guerdon.showing import show_audit, show_scores


def score(arguments: list[str]) -> int:
    """``guerdon score``: saved completions judged by a reward."""
    options, rest = take_options(
        arguments,
        "score",
        "Score saved completions: JSONL or Parquet with prompt, completion and answer columns.",
        ["FILE", "--recipe"],
        ["--json"],
        OVERRIDES,
    )
    recipe = recipe_from(options["recipe"] or "grpo", rest)
    return show_scores(recipe, Path(options["file"]), options["json"])


def serve(arguments: list[str]) -> int:
    """``guerdon serve``: a reward over HTTP, until it is stopped."""
    from guerdon.connectors.judge import Judge
    from guerdon.connectors.server import Limits, RewardService
    from guerdon.connectors.server import serve as answer

    options, rest = take_options(
        arguments,
        "serve",
        "Answer reward requests over HTTP: POST /score, POST /get_reward (OpenRLHF), GET /health.",
        [
            *("--recipe", "--host", "--port", "--token", "--max-batch", "--max-body"),
            *("--timeout", "--invalid"),
        ],
        [],
        OVERRIDES,
    )
    recipe = recipe_from(options["recipe"] or "grpo", rest)
    limits = Limits(
        body=whole_number("--max-body", options["max_body"] or "32") * 2**20,
        batch=whole_number("--max-batch", options["max_batch"] or "4096"),
        seconds=number("--timeout", options["timeout"] or "120"),
    )
    service = RewardService(
        Judge("the server", recipe.reward, recipe.shaping),
        limits,
        token=options["token"] or os.environ.get("GUERDON_SERVER_TOKEN", ""),
        invalid=number("--invalid", options["invalid"] or "0"),
    )
    port = whole_number("--port", options["port"] or "5000")
    answer(service, options["host"] or "127.0.0.1", port)
    return 0


def audit(arguments: list[str]) -> int:
    """``guerdon audit``: 1 where an attack on a reward found something, else 0."""
    from guerdon.audit.page import write_page

    options, rest = take_options(
        arguments,
        "audit",
        "Attack a reward: exit status 0 if nothing is found, 1 if something is.",
        ["REWARD", "--tasks", "--count", "--judges", "--seconds", "--allow", "--page"],
        ["--json", "--quiet"],
        "Columns wrong_answers and right_answers (lists) of the tasks are tried as well.",
    )
    none_left(rest)
    allowed = tuple(options["allow"].split(",")) if options["allow"] else ()
    names = [known.name for known in ATTACKS]
    for name in allowed:
        if name not in names:
            raise UsageError(f"--allow: {name!r} is none of the attacks {', '.join(names)}")
    with reading_arguments():
        count = whole_number("--count", options["count"] or "6")
        seconds = float(options["seconds"] or 10)
        subject = subject_of(options["reward"], options["tasks"], count, seconds)
        judges = Judges(options["judges"]) if options["judges"] else subject.judges
    quiet = options["quiet"] or options["json"]
    with reading_arguments(), Bar(transient=True, disable=quiet) as progress:
        bar = progress.add_task(options["reward"], total=1.0)
        found = attack(
            subject.reward,
            subject.probes,
            options["reward"],
            judges=judges,
            seconds=seconds,
            watch=lambda done, task: progress.update(bar, completed=done, description=task),
        )
    if options["page"]:
        write_page(found, Path(options["page"]))
    return show_audit(found, allowed, options["json"])
