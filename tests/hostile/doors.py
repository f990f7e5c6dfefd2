"""Data files, recipes and requests made to break their readers: only the named error may come."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import random
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import yaml

from guerdon.cli.offered import POLICY_CHOICES
from guerdon.cli.recipe_files import load_recipe_file
from guerdon.connectors.judge import Judge
from guerdon.connectors.server import RewardService
from guerdon.connectors.server.application import Application
from guerdon.parts import PartError, describe
from guerdon.rewards import ListMatch
from guerdon.tasks.files import DataError, FileTasks, RankingFile
from guerdon.training.recipe import PolicyRecipe
from hostile import grammar
from hostile.judge import SECONDS, Finding

FIELDS = (
    *(
        "prompt",
        "answer",
        "id",
        "split",
        "chosen",
        "rejected",
        "ranked",
        "margin",
        "image",
        "images",
    ),
    *("references", "columns", "", "\x00", "part", "a" * 300),
)


def row(source: random.Random) -> dict[str, Any]:
    """A row of data: some of the right fields, some of the right types."""
    fields: dict[str, Any] = {name: grammar.value(source) for name in source.sample(FIELDS, 4)}
    chat = [{"role": "user", "content": grammar.word(source)}]
    right: dict[str, Any] = {"prompt": source.choice(("what?", chat)), "answer": "7"}
    right |= {"chosen": source.choice(("a", chat)), "rejected": source.choice(("b", chat))}
    right |= {"ranked": ["a", "b", grammar.word(source)]}
    return {**fields, **{k: v for k, v in right.items() if source.random() < 0.7}}


def data_file(source: random.Random) -> bytes:
    """Lines of JSON, among them lines that are none, deep, cut short, or in another encoding."""
    lines = []
    for _ in range(source.randrange(1, 6)):
        text = source.choice(
            (json.dumps(row(source)), grammar.json_text(source), grammar.deep(source))
        )
        line = text.encode("utf-8", source.choice(("replace", "surrogatepass")))
        kind = source.randrange(12)
        if kind == 0:
            line = line[: source.randrange(len(line) + 1)]
        elif kind == 1:
            line = text.encode(source.choice(("utf-16", "utf-8-sig", "utf-32")), "replace")
        elif kind == 2:
            line = bytes(source.randrange(256) for _ in range(40))
        elif kind == 3:
            line = b'{"prompt": "a", "prompt": "b", "answer": "7"}'
        lines.append(line)
    return source.choice((b"\n", b"\r\n", b"\n\n")).join(lines)


@lru_cache(maxsize=1)
def _recipe() -> str:
    return json.dumps(describe(PolicyRecipe()))


def recipe_file(source: random.Random) -> str:
    """A recipe as it should be but for a few values; or no recipe at all."""
    if source.random() < 0.2:
        return source.choice(
            (
                grammar.leaf(source),
                "&a [*a]",
                "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]",
                "!!python/object/apply:os.getcwd []",
                "part: os:getcwd",
                "function: os:getcwd",
                "[" * source.choice((30, 3_000)),
                "a: " * 50,
                "\t",
            )
        )
    data = json.loads(_recipe())
    for _ in range(source.randrange(1, 4)):
        at: Any = data
        while True:
            key = source.choice(list(at)) if isinstance(at, dict) else source.randrange(len(at))
            if source.random() < 0.5 or not isinstance(at[key], dict | list) or not at[key]:
                break
            at = at[key]
        at[key] = source.choice((grammar.value(source), -1, 0, 10**9, "os:getcwd", "nan", [], {}))
    return yaml.safe_dump(json.loads(json.dumps(data)))


def short_recipe_file(source: random.Random) -> str:
    """A file that lays a few places over a named recipe, some of them as they can't be."""
    names = (*POLICY_CHOICES["objective"], *POLICY_CHOICES["reward"], "mine.py:f", "os:getcwd")
    data: dict[str, Any] = {"recipe": source.choice(("grpo", "grpo", "grpo", "dapo", "nothing", 3))}
    whole = json.loads(_recipe())
    for _ in range(source.randrange(1, 5)):
        place = source.choice((*whole, "objective.kl", "optimiser.lr", "shaping.0", "x.y"))
        known = (whole.get(place), whole.get(place), source.choice(names), source.choice(names))
        inside = source.choice((*known, grammar.value(source)))
        if isinstance(inside, dict) and "part" in inside and source.random() < 0.7:
            inside = {**inside, "part": source.choice((*names, grammar.leaf(source)))}
        data[place] = source.choice((inside, inside, inside, [inside], {"part": inside}))
    return yaml.safe_dump(json.loads(json.dumps(data)))


def request(source: random.Random) -> bytes:
    """The body of a request to the reward server."""
    if source.random() < 0.2:
        return grammar.leaf(source).encode("utf-8", "replace")
    keys = ("prompt", "completion", "answer", "columns", "group", "tokens", "finished", "id", "x")
    rows = []
    for _ in range(source.randrange(1, 4)):
        given = {k: grammar.value(source) for k in source.sample(keys, 3)}
        if source.random() < 0.8:
            given |= {"completion": grammar.leaf(source), "answer": "7", "columns": {}}
            given |= {"prompt": "what?", "group": 1, "tokens": 3}
        rows.append(given)
    name = source.choice(("rows", "rows", "rows", "rows", "items"))
    step = source.choice((0, 0, 0, grammar.value(source)))
    return json.dumps({name: rows, source.choice(("step", "step", "x")): step}).encode()


def _load_tasks(path: Path) -> None:
    FileTasks(str(path)).load("train")


def _load_rankings(path: Path) -> None:
    RankingFile(str(path)).load()


def _load_recipe(path: Path) -> None:
    PolicyRecipe.load(path)


def _load_short_recipe(path: Path) -> None:
    load_recipe_file(path)


@lru_cache(maxsize=1)
def _application() -> Any:
    return Application(RewardService(Judge("hostile", ListMatch())))


async def _reply(body: bytes) -> Any:
    transport = httpx.ASGITransport(app=_application())
    headers = {"content-type": "application/json"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.post("/score", content=body, headers=headers)


class Answered(Exception):
    """The server answered what it must not."""


def _ask(path: Path) -> None:
    with contextlib.redirect_stderr(io.StringIO()):  # a line for every request
        reply = asyncio.run(_reply(path.read_bytes()))
    if reply.status_code >= 500:
        raise Answered(f"{reply.status_code}: {reply.text[:300]}")
    json.loads(reply.text, parse_constant=_refuse)


def _refuse(name: str) -> None:
    raise Answered(f"the answer holds {name}")


Door = tuple[Callable[[random.Random], Any], str, Callable[[Path], None], type[Exception]]
DOORS: Mapping[str, Door] = {
    "tasks": (data_file, "rows.jsonl", _load_tasks, DataError),
    "rankings": (data_file, "rows.jsonl", _load_rankings, DataError),
    "recipe": (recipe_file, "recipe.yaml", _load_recipe, PartError),
    "short recipe": (short_recipe_file, "short.yaml", _load_short_recipe, PartError),
    "request": (request, "body.json", _ask, NotImplementedError),
}
"""Per door: what is made, its file, who reads it, and the one error that may come of it."""

NAMES = tuple(DOORS)


def tried(name: str, source: random.Random, count: int) -> list[Finding]:
    """What ``count`` hostile inputs did at a door."""
    make, file, read, named = DOORS[name]
    findings = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file
        for _ in range(count):
            made = make(source)
            path.write_bytes(made if isinstance(made, bytes) else made.encode("utf-8", "replace"))
            begun = time.process_time()
            try:
                read(path)
            except named as error:
                if not str(error).strip():
                    findings.append(Finding("raised", name, "", repr(made), "an empty message"))
            except Exception:
                told = traceback.format_exc(limit=-8)
                findings.append(Finding("raised", name, "", repr(made), told))
            spent = time.process_time() - begun
            if spent > SECONDS:
                findings.append(Finding("slow", name, "", repr(made), f"{spent:.1f} s"))
    return findings
