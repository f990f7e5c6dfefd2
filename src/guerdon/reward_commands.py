"""The commands that put a reward to use without training: ``guerdon score | serve``."""

from __future__ import annotations

import os
from pathlib import Path

from guerdon.arguments import (
    OVERRIDES,
    number,
    recipe_from,
    take_options,
    whole_number,
)
from guerdon.showing import show_scores


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
